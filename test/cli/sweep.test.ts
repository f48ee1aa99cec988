/**
 * @file `gradus sweep`: killed and resumed it ends the same; a trial that fails is recorded; Ctrl-C is clean; wrong inputs. Needs
 * `npm run build`.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import type { TrialRecord } from '../../src/index.js'

const program = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'gradus-sweep-'))
afterAll(() => rmSync(folder, { recursive: true }))
const env = { ...process.env, NO_COLOR: '1', GRADUS_ENGINE: 'wasm' }
const rows = Array.from({ length: 90 }, (_, i) => [Math.sin(i), Math.cos(3 * i), Math.sin(i) > 0 ? 'yes' : 'no'])
writeFileSync(join(folder, 'points.csv'), ['a,b,c', ...rows.map((row) => row.join(','))].join('\n'))
const space = { learningRate: { log: [1e-4, 1e-1] }, hidden: { choice: ['4', '8,4'] } }
writeFileSync(join(folder, 'space.json'), JSON.stringify(space))

const args = (output: string, ...more: string[]) => [
  ...['sweep', 'points.csv', '--target', 'c', '--space', 'space.json', '--trials', '4', '--epochs', '6'],
  ...['--output', output, '--resume', '--no-progress', ...more],
]
const gradus = (given: readonly string[]) =>
  spawnSync(process.execPath, [program, ...given], { cwd: folder, encoding: 'utf8', env })
const read = (...path: string[]) => readFileSync(join(folder, ...path))
const trials = (output: string): Omit<TrialRecord, 'seconds'>[] =>
  (JSON.parse(String(read(output, 'trials.json'))) as TrialRecord[]).map(({ seconds: _, ...record }) => record)
/** Starts it, sends a signal once so many trials are done, and waits for its end. */
async function ended(given: readonly string[], output: string, after: number, signal: NodeJS.Signals) {
  const child = spawn(process.execPath, [program, ...given], { cwd: folder, env, stdio: ['ignore', 'ignore', 'pipe'] })
  let err = ''
  child.stderr.on('data', (data) => {
    err += data
  })
  const done = () => existsSync(join(folder, output, 'trials.json')) && trials(output).length >= after
  let sent = false
  const timer = setInterval(() => {
    if (!sent && done()) sent = child.kill(signal)
  }, 5)
  const outcome = await new Promise((resolve) => child.on('close', (code, name) => resolve(name ?? code)))
  clearInterval(timer)
  return { outcome, err }
}

test('killed, stopped by Ctrl-C, and resumed, with one worker or two: the same trials and the same best model', async () => {
  const whole = gradus(args('whole', '--json', '--workers', '2'))
  expect([whole.stderr, whole.status]).toEqual(['', 0])
  const result = JSON.parse(whole.stdout)
  expect(result).toMatchObject({
    folder: 'whole',
    strategy: 'random',
    metric: 'validation.loss',
    better: 'lower',
    seed: 1,
  })
  expect(result.trials).toHaveLength(4)
  expect(result.trials[0].values).toEqual({})
  expect(readdirSync(join(folder, 'whole')).sort()).toEqual([
    'best',
    'best.json',
    'summary.md',
    'sweep-learningRate.svg',
    'sweep.json',
    'sweep.svg',
    'trials',
    'trials.json',
  ])
  expect(JSON.parse(String(read('whole', 'best.json')))).toMatchObject({
    train: 'points.csv',
    epochs: 6,
    ...result.best.values,
  })

  expect((await ended(args('again'), 'again', 1, 'SIGKILL')).outcome).toBe('SIGKILL')
  const stopped = await ended(args('again'), 'again', 2, 'SIGINT')
  expect(stopped.outcome).toBe(130)
  expect(stopped.err).toMatch(/Interrupted: what is finished is kept.*to go on: .*--output again --resume/s)
  expect(trials('again').length).toBeLessThan(4)
  const rest = gradus(args('again', '--quiet'))
  expect([rest.stderr, rest.stdout, rest.status]).toEqual(['', 'again\n', 0])
  expect(trials('again')).toEqual(trials('whole'))
  for (const file of ['best.json', 'sweep.svg', 'best/weights.safetensors', 'best/model.json'])
    expect([
      file,
      String(read('again', file))
        .replaceAll('again', 'whole')
        .replace(/"seconds": [\d.]+/g, ''),
    ]).toEqual([file, String(read('whole', file)).replace(/"seconds": [\d.]+/g, '')])
  // The best model is one like others, and its settings make it again.
  expect(gradus(['evaluate', 'whole/best', '--json']).status).toBe(0)
  expect(gradus(['train', '--config', 'whole/best.json', '-o', 'made', '-q']).status).toBe(0)
  expect(read('made', 'weights.safetensors').equals(read('whole', 'best/weights.safetensors'))).toBe(true)
  // Another sweep does not go on with this one.
  const other = gradus(args('again', '--seed', '2'))
  expect([other.status, other.stdout]).toEqual([1, ''])
  expect(other.stderr).toMatch(/again has a sweep whose configuration was .*"seed":1.*Give the same command again/)
})

test('parameters of a model file, by successive halving; a trial that fails is recorded', () => {
  writeFileSync(
    join(folder, 'model.mjs'),
    `import { defineTraining, loss, nn, optim } from 'gradus'
export default defineTraining(({ parameters: { width } }) => {
  if (width === 3) throw new Error('three is too few')
  const train = { input: Array.from({ length: 40 }, (_, i) => [Math.sin(i)]), target: Array.from({ length: 40 }, (_, i) => [Math.cos(i)]) }
  return { network: nn.sequential(nn.linear(1, width ?? 4), nn.tanh, nn.linear(width ?? 4, 1)), train, loss: loss.meanSquaredError, optimizer: optim.adam() }
})`,
  )
  const given = [
    'sweep',
    'model.mjs',
    '--space',
    '{"width":{"choice":[3,5]}}',
    '--strategy',
    'halving',
    '--trials',
    '4',
  ]
  const { status, stdout, stderr } = gradus([
    ...given,
    '--epochs',
    '3',
    '--metric',
    'train.loss',
    '-o',
    'halving',
    '--json',
    '--no-progress',
  ])
  expect([stderr, status]).toEqual(['', 0])
  const { trials: made, best } = JSON.parse(stdout)
  const failed = made.filter((record: TrialRecord) => record.status === 'failed')
  expect(failed.length).toBeGreaterThan(0)
  for (const record of failed) {
    expect(record.values).toEqual({ width: 3 })
    expect(record.message).toMatch(/model\.mjs:3:\d+: Error: three is too few/)
  }
  expect(best).toMatchObject({ rung: 1, budget: 3 })
  expect(String(read('halving', 'summary.md'))).toContain('three is too few')
})

test.each<[more: string[], code: number, message: RegExp]>([
  [['--space', 'none.json'], 1, /there is no file none\.json/],
  [['--space', '{"learningRate":'], 2, /--space is not JSON/],
  [
    ['--space', '{"learning_rate":{"log":[1,2]}}'],
    2,
    /learning_rate is no setting of tables; did you mean learningRate\? There are hidden/,
  ],
  [['--space', '{"learningRate":{"log":[-1,2]}}'], 2, /begins at -1/],
  [['--space', '{"dropout":{"uniform":[0,1]}}'], 2, /the space of dropout has 1\. It must be from 0 to less than 1/],
  [['--space', '{"optimizer":{"choice":["adam","adm"]}}'], 2, /the space of optimizer has "adm"\. Did you mean adam/],
  [['--space', '{"seed":{"integer":[1,5]}}'], 2, /seed may not change between trials/],
  [['--space', '{"epochs":{"integer":[1,5]}}', '--epochs', '3'], 2, /epochs is given, and searched for as well/],
  [['--space', '{"learningRate":{"log":[1,2]}}', '--strategy', 'grid'], 2, /how many values of learningRate to try/],
  [['--space', 'space.json', '--strategy', 'bayes'], 2, /It must be one of random, grid, halving/],
  [['--space', 'space.json', '--workers', '0'], 2, /whole number of 1 or more/],
  [[], 2, /required option '--space <json>' not specified/],
])('wrong: %j', (more, code, message) => {
  const { status, stdout, stderr } = gradus(['sweep', 'points.csv', '-t', 'c', ...more])
  expect(stderr).toMatch(message)
  expect([status, stdout]).toEqual([code, ''])
  expect(existsSync(join(folder, 'sweeps'))).toBe(false)
})
