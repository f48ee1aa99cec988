/**
 * @file `gradus train --resume`: a command that is killed and given again ends as if nothing had ended it. Needs `npm run build`.
 */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'

const program = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const base = mkdtempSync(join(tmpdir(), 'gradus-cli-resume-'))
afterAll(() => rmSync(base, { recursive: true }))
const table = join(base, 'points.csv')
const rows = Array.from({ length: 400 }, (_, i) => [Math.sin(i), Math.cos(3 * i), Math.sin(i) * Math.cos(3 * i)])
writeFileSync(table, ['a,b,y', ...rows.map((row) => row.map((x) => x.toFixed(6)).join(','))].join('\n'))

const args = (folder: string, ...more: string[]) => [
  program,
  'train',
  table,
  '--target',
  'y',
  '--epochs',
  '60',
  '--dropout',
  '0.1',
  '--ensemble',
  '2',
  '-o',
  folder,
  '--quiet',
  ...more,
]
const env = { ...process.env, GRADUS_ENGINE: 'wasm', GRADUS_VERIFY: '0' }
const run = (folder: string, ...more: string[]) =>
  spawnSync(process.execPath, args(folder, ...more), { env, encoding: 'utf8' })
/** Kills the command once a file of a network's checkpoints has come. */
async function killed(folder: string, network: number, file: string): Promise<void> {
  const child = spawn(process.execPath, args(folder, '--resume'), { env, stdio: 'ignore' })
  const there = () => {
    try {
      // Or a later one: only the newest stay.
      return readdirSync(join(folder, 'checkpoints', `network-${network}`)).some(
        (name) => name >= file && name.endsWith('.json'),
      )
    } catch {
      return false
    }
  }
  const timer = setInterval(() => there() && child.kill('SIGKILL'), 1)
  const signal = await new Promise((resolve) => child.on('close', (_, name) => resolve(name)))
  clearInterval(timer)
  expect(signal).toBe('SIGKILL')
}
const weights = (folder: string) => readFileSync(join(folder, 'weights.safetensors'))
const history = (folder: string) =>
  readFileSync(join(folder, 'history.jsonl'), 'utf8').replace(/"seconds":[^}]*/g, '"seconds":0')

test('killed twice and given again, the command ends with the same model', async () => {
  const [whole, folder] = [join(base, 'whole'), join(base, 'resumed')]
  expect(run(whole).stderr).toBe('')
  await killed(folder, 1, 'checkpoint-000003.json')
  await killed(folder, 2, 'checkpoint-000002.json')
  const done = run(folder, '--resume')
  expect([done.stderr, done.status]).toEqual(['', 0])
  expect(weights(folder).equals(weights(whole))).toBe(true)
  expect(history(folder)).toBe(history(whole))
  // Once more: it is done already.
  expect(run(folder, '--resume').status).toBe(0)
  expect(weights(folder).equals(weights(whole))).toBe(true)
  expect(history(folder)).toBe(history(whole))
  // Other settings would be another run.
  const other = run(folder, '--resume', '--learning-rate', '0.5')
  expect(other.status).not.toBe(0)
  expect(other.stderr).toMatch(/learningRate was .* and is 0\.5/)
  expect(weights(folder).equals(weights(whole))).toBe(true)
  expect(history(folder)).toBe(history(whole))
  // A folder that was begun without --resume has nothing to go on from.
  expect(run(whole, '--resume').stderr).toMatch(/has no checkpoints to go on from/)
  expect(weights(whole).length).toBeGreaterThan(0)
  const nowhere = spawnSync(process.execPath, [program, 'train', table, '--target', 'y', '--resume'], {
    env,
    encoding: 'utf8',
  })
  expect([nowhere.status, nowhere.stderr]).toEqual([2, expect.stringContaining('--resume needs --output FOLDER')])
})
