/**
 * @file There and back with the real PyTorch: what Gradus saves is loaded there with load_state_dict(strict=True) and gives equal
 * outputs; trained on there and saved, it gives equal outputs here; checkpoints and ONNX models that PyTorch writes at the moment are
 * read here. Runs where there is a Python that has torch (python.ts); test/io does it with files that PyTorch wrote before.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { initialize, random, save, setSeed, state } from '../../src/index.js'
import { checkpointCases, expectCheckpoint, expectModel, modelCases } from './from-torch.js'
import { networks, type PlainArray, plain } from './networks.js'
import { pythonWith } from './python.js'

const python = pythonWith('GRADUS_TORCH_PYTHON', ['torch', 'safetensors', 'numpy'], 'round trips with PyTorch')
const exporter = pythonWith(
  'GRADUS_TORCH_PYTHON',
  ['torch', 'safetensors', 'numpy', 'onnx', 'onnxscript'],
  'ONNX models fresh from PyTorch',
)
const scripts = fileURLToPath(new URL('../../scripts/', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'gradus-interop-'))
afterAll(() => rmSync(folder, { recursive: true }))
/** What a script prints; it writes its fixtures into `folder`. */
const run = (script: string, ...args: string[]) =>
  execFileSync(python!, [`${scripts}${script}`, ...args], {
    encoding: 'utf8',
    env: { ...process.env, GRADUS_FIXTURES: folder, PYTHONDONTWRITEBYTECODE: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })

describe.skipIf(!python)('with PyTorch', () => {
  test('networks trained here are PyTorch’s; trained on there, they are ours again', async () => {
    setSeed(1)
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
    const report = run('interop/torch_checkpoints.py', folder)
    console.log(report)
    expect(report.match(/ ok$/gm)).toHaveLength(Object.keys(networks).length)

    const back = checkpointCases(join(folder, 'back'))
    expect(back.map((one) => one.name)).toEqual(Object.keys(networks))
    for (const one of back) await expectCheckpoint(join(folder, 'back'), one)
  })

  test('checkpoints that it saves now, in four dtypes, are read here', async () => {
    run('fixtures/checkpoints.py')
    const saved = checkpointCases(join(folder, 'torch/safetensors'))
    expect(saved.length).toBeGreaterThanOrEqual(9)
    for (const one of saved) await expectCheckpoint(join(folder, 'torch/safetensors'), one)
  })
})

describe.skipIf(!exporter)('torch.onnx.export', () => {
  const models = join(folder, 'torch/onnx')
  beforeAll(() => {
    console.log(run('fixtures/onnx_models.py'))
  }, 300_000)
  test('models of both exporters are networks here: outputs, gradients', async () => {
    const cases = modelCases(models)
    expect(cases.length).toBeGreaterThanOrEqual(9)
    for (const one of cases) {
      // Today's exporter writes all of them; the older one is on its way out of PyTorch.
      expect(one.files, one.name).toContain(one.name)
      for (const file of one.files) await expectModel(models, one, file)
    }
  }, 300_000)
})
