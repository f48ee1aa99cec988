/**
 * @file The tests of operators that the onnx package brings, on the import. Runs where there is a Python that has
 * onnx (python.ts). A case must give its outputs, or say what of it is not supported. The smallest ones are in test/io/onnx-nodes.test.ts.
 */
import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { type Case, exceptions, run } from './node-cases.js'
import { pythonWith } from './python.js'

const python = pythonWith('GRADUS_ONNX_PYTHON', ['onnx', 'numpy'], 'ONNX’s own tests of operators')
const script = fileURLToPath(new URL('../../scripts/interop/onnx_node_tests.py', import.meta.url))

test.skipIf(!python)(
  'cases of the onnx package',
  async () => {
    const kept = process.env['GRADUS_INTEROP_FOLDER']
    const folder = kept ?? (await mkdtemp(join(tmpdir(), 'gradus-onnx-nodes-')))
    try {
      if (!kept) execFileSync(python!, [script, folder])
      const cases = JSON.parse(await readFile(join(folder, 'cases.json'), 'utf8')) as Case[]
      const counts = new Map<string, number>()
      const wrong: string[] = []
      for (const one of cases.filter(({ name }) => !exceptions[name])) {
        const result = await run(
          one,
          await readFile(join(folder, `${one.name}.onnx`)),
          await readFile(join(folder, `${one.name}.data.onnx`)),
        )
        const [kind] = result.split(' ')
        counts.set(kind!, (counts.get(kind!) ?? 0) + 1)
        if (kind !== 'ok' && kind !== 'unsupported') wrong.push(`${one.name}: ${result}`)
      }
      console.log(Object.fromEntries(counts))
      expect(wrong).toEqual([])
      // onnx 1.23: 1,169
      expect(counts.get('ok')).toBeGreaterThan(1000)
    } finally {
      if (!kept) await rm(folder, { recursive: true })
    }
  },
  600_000,
)
