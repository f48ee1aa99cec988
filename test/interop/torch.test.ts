/**
 * @file What Gradus saves, read by the real PyTorch: load_state_dict(strict=True), equal outputs. Runs where GRADUS_TORCH_PYTHON
 * names a Python that has torch and safetensors.
 */
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { initialize, random, save, setSeed, state } from '../../src/index.js'
import { networks, type PlainArray, plain } from './networks.js'

const python = process.env['GRADUS_TORCH_PYTHON']
const script = fileURLToPath(new URL('../../scripts/interop/torch_checkpoints.py', import.meta.url))

test.skipIf(!python)(
  'networks trained here are PyTorch’s',
  async () => {
    setSeed(1)
    const folder = await mkdtemp(join(tmpdir(), 'gradus-interop-'))
    try {
      const written: { [name: string]: { input: PlainArray; output: PlainArray } } = {}
      for (const [name, { net: make, input: draw }] of Object.entries(networks)) {
        const [net, input] = [make(), draw()]
        initialize(net, { seed: 2 })
        // Norms and running statistics that are not 0 and 1, as after training.
        for (const [path, variable] of state(net))
          if (variable.trainable ? variable.shape.length === 1 : variable.dtype === 'float32')
            variable.assign(random.uniform(variable.shape as number[], path.endsWith('var') ? 0.5 : -0.5, 1.5))
        await save(net, join(folder, `${name}.safetensors`))
        written[name] = { input: await plain(input), output: await plain(net(input)) }
      }
      await writeFile(join(folder, 'networks.json'), JSON.stringify(written))
      const report = execFileSync(python!, [script, folder], { encoding: 'utf8' })
      console.log(report)
      expect(report.match(/ ok$/gm)).toHaveLength(Object.keys(networks).length)
    } finally {
      await rm(folder, { recursive: true })
    }
  },
  120_000,
)
