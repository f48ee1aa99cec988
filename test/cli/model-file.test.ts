/**
 * @file `gradus train MODEL.ts`: a model file is trained, stopped by SIGKILL, resumed, scored, exported; what is wrong in it is said
 * with its place. Needs `npm run build`.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { defineTraining, loss, nn, optim } from '../../src/index.js'

const program = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'gradus-model-file-'))
afterAll(() => rmSync(folder, { recursive: true }))
const env = { ...process.env, NO_COLOR: '1', GRADUS_ENGINE: 'wasm' }
const gradus = (...args: string[]) =>
  spawnSync(process.execPath, [program, ...args], { cwd: folder, encoding: 'utf8', env })
const file = (name: string, text: string) => {
  writeFileSync(join(folder, name), text)
  return name
}
const weights = (run: string) => readFileSync(join(folder, run, 'weights.safetensors'))

file(
  'points.ts',
  `interface Points { input: number[][]; target: Int32Array }
export function points(count: number, from: number): Points {
  const input = Array.from({ length: count }, (_, i) => [Math.sin(i + from), Math.cos(3 * i)])
  return { input, target: Int32Array.from(input, ([x, y]) => Number(x! * y! > 0)) }
}`,
)
file(
  'model.ts',
  `import { defineTraining, loss, metrics, nn, optim } from 'gradus'
import { points } from './points.js'

export default defineTraining(({ parameters }) => {
  const width: number = Number(parameters['width'] ?? 8)
  return {
    network: nn.sequential(nn.linear(2, width), nn.tanh, nn.dropout(0.1), nn.linear(width, 2)),
    train: points(200, 0),
    validation: points(50, 1),
    test: points(50, 2),
    loss: loss.crossEntropy,
    optimizer: optim.adam({ learningRate: 0.01 }),
    metrics: { accuracy: metrics.accuracy },
    epochs: 40,
    earlyStopping: { patience: 40, restoreBest: true },
  }
})`,
)

test('trained, killed, resumed, made again of run.json: the same bits; scored and exported', async () => {
  const whole = gradus('train', 'model.ts', '--set', 'width=6', '-o', 'whole', '--json', '--no-progress')
  expect([whole.stderr, whole.status]).toEqual(['', 0])
  const result = JSON.parse(whole.stdout)
  expect(result).toMatchObject({ folder: 'whole', epochs: 40, samples: { training: 200, test: 50 }, parameters: 32 })
  expect(result.test.accuracy).toBeGreaterThan(0.8)
  expect(readdirSync(join(folder, 'whole')).sort()).toEqual(
    expect.arrayContaining(['history.jsonl', 'learning-curve.svg', 'result.json', 'run.json', 'summary.md']),
  )

  const args = ['train', 'model.ts', '--set', 'width=6', '-o', 'resumed', '--resume', '--quiet']
  const child = spawn(process.execPath, [program, ...args], { cwd: folder, env, stdio: 'ignore' })
  const checkpoints = join(folder, 'resumed/checkpoints/network-1')
  const begun = () =>
    existsSync(checkpoints) && readdirSync(checkpoints).some((name) => name > 'checkpoint-000002.json')
  const timer = setInterval(() => begun() && child.kill('SIGKILL'), 1)
  expect(await new Promise((resolve) => child.on('close', (_, signal) => resolve(signal)))).toBe('SIGKILL')
  clearInterval(timer)
  expect(existsSync(join(folder, 'resumed/weights.safetensors'))).toBe(false)
  const resumed = gradus(...args)
  expect([resumed.stderr, resumed.stdout, resumed.status]).toEqual(['', 'resumed\n', 0])
  expect(weights('resumed').equals(weights('whole'))).toBe(true)

  const again = gradus('train', '--config', 'whole/run.json', '-o', 'again', '-q')
  expect([again.stderr, again.status]).toEqual(['', 0])
  expect(weights('again').equals(weights('whole'))).toBe(true)

  const scores = JSON.parse(gradus('evaluate', 'whole', '--json').stdout)
  expect(scores).toEqual({ run: 'whole', data: 'the test data of model.ts', rows: 50, scores: result.test })
  const onnx = JSON.parse(gradus('export', 'whole', '--format', 'onnx', '-o', 'model.onnx', '--json').stdout)
  expect(onnx).toMatchObject({
    file: 'model.onnx',
    input: 'float32[batch,2]',
    bytes: readFileSync(join(folder, 'model.onnx')).length,
  })
  // The file has changed: its network is another one.
  file('other.ts', readFileSync(join(folder, 'model.ts'), 'utf8'))
  expect(gradus('train', 'other.ts', '--epochs', '1', '-o', 'other', '-q').status).toBe(0)
  file('other.ts', readFileSync(join(folder, 'model.ts'), 'utf8').replace('?? 8', '?? 9'))
  expect(gradus('evaluate', 'other').stderr).toMatch(/are not those of the network in other\.ts.*may have changed/s)
})

const body = `network: nn.linear(2, 2), train: [[[1, 2]], [[1, 2]]], loss: loss.meanSquaredError`
const head = `import { loss, nn, optim } from 'gradus'\n`
test.each<[what: string, source: string, message: RegExp, args?: string[]]>([
  ['no default export', 'export const x = 1', /has no default export, only x\. Write: export default/],
  ['bad syntax', 'const a = 1\nconst b: number = ;', /SyntaxError/],
  ['an enum', 'enum A { B }\nexport default A', /enum is not supported/],
  ['no training', 'export default 3', /exports the number 3, not a training/],
  ['a network alone', `${head}export default nn.linear(2, 2)`, /exports the function linear, not a training/],
  [
    'a wrong name',
    `${head}export default { ${body}, optimiser: 1 }`,
    /no option 'optimiser'; did you mean 'optimizer'/,
  ],
  [
    'what the command decides',
    `${head}export default { ${body}, checkpoint: 'x' }`,
    /'checkpoint' is given, which the command/,
  ],
  ['no network', `${head}export default { train: [[1], [1]] }`, /the network is undefined/],
  ['no optimizer', `${head}export default { ${body} }`, /there is no optimizer/],
  [
    'an error of its own',
    `export default () => {\n  throw new TypeError('no data')\n}`,
    /wrong\.ts:2:9: TypeError: no data/,
  ],
  ['a missing module', `import './nowhere.js'\nexport default 1`, /Cannot find module .*nowhere/],
  ['parameters for none', `${head}export default { ${body} }`, /takes no parameters/, ['--set', 'a=1']],
])('wrong: %s', (_, source, message, args = []) => {
  const { status, stderr, stdout } = gradus('train', file('wrong.ts', source), '-o', 'wrong', ...args)
  expect(stderr).toMatch(message)
  expect(stderr).not.toMatch(/\n +at |bug in Gradus/)
  expect([status, stdout]).toEqual([1, ''])
  expect(existsSync(join(folder, 'wrong'))).toBe(false)
})

test('defineTraining checks what it is given where it stands', () => {
  const part = { network: nn.linear(2, 2), train: [[[1, 2]], [[1, 2]]] as const, loss: loss.meanSquaredError }
  const whole = { ...part, optimizer: optim.adam() }
  expect(defineTraining(whole)).toBe(whole)
  expect(() => defineTraining({ ...whole, epoch: 3 } as never)).toThrow(/no option 'epoch'; did you mean 'epochs'/)
  expect(() => defineTraining({ ...whole, name: 'a/b' })).toThrow(/It becomes the name of a folder/)
})
