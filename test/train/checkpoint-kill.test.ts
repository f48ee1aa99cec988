/**
 * @file Runs that are killed by SIGKILL, at any moment and between the system calls of a checkpoint's write, and resumed by another
 * engine and number of threads, end with the bits of the run that was not. Few kills; `npm run soak:resume` makes many. Needs
 * `npm run build` (npm test does it).
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { victimOf } from '../../scripts/resume/kills.mjs'
import { RandomStream } from '../../src/numerics/random.js'

const base = mkdtempSync(join(tmpdir(), 'gradus-kill-'))
afterAll(() => rmSync(base, { recursive: true }))

test('killed and resumed, a run ends with the same bits', async () => {
  const random = new RandomStream(1, 'kills')
  const whole = await victimOf(undefined)
  expect(whole.line).toMatch(/^[0-9a-f]{64} [0-9a-f]{64} \d+ (finished|earlyStopping)$/)
  const folder = join(base, 'run')
  const moments = [
    { call: 5 + random.integer(10) },
    { after: whole.time * 0.3, threads: 2 },
    { call: 30 + random.integer(30) },
    { after: whole.time * 0.2 },
  ]
  let kills = 0
  for (const moment of moments) {
    const { killed, errors } = await victimOf(folder, moment)
    expect(errors).not.toContain('damaged')
    if (killed) kills++
  }
  expect(kills).toBeGreaterThan(1)
  const { line, errors } = await victimOf(folder, { threads: 2 })
  expect(errors).toBe('')
  expect(line).toBe(whole.line)
})
