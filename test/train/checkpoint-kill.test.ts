/**
 * @file Runs that are killed by SIGKILL, at any moment and between the system calls of a checkpoint's write, and resumed by another
 * engine and number of threads, end with the bits of the run that was not. Few kills; `npm run soak:resume` makes many. Needs
 * `npm run build` (npm test does it).
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readEvents } from 'gradus'
import { afterAll, expect, test } from 'vitest'
import { victimOf } from '../../scripts/resume/kills.mjs'
import { RandomStream } from '../../src/numerics/random.js'

const base = mkdtempSync(join(tmpdir(), 'gradus-kill-'))
afterAll(() => rmSync(base, { recursive: true }))

/** The events of a run that hold, but for what is of time, and for its beginnings. */
async function eventsOf(log: string): Promise<string[]> {
  const lines: string[] = []
  for await (const event of readEvents(log)) {
    const { time, seconds, samplesPerSecond, ...rest } = event as object as { [field: string]: unknown }
    if (rest['kind'] !== 'start') lines.push(JSON.stringify(rest))
  }
  return lines
}

test('killed and resumed, a run ends with the same bits, and its log tells the same', async () => {
  const random = new RandomStream(1, 'kills')
  const [wholeLog, log] = [join(base, 'whole'), join(base, 'log')]
  const whole = await victimOf(undefined, { log: wholeLog })
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
    const { killed, errors } = await victimOf(folder, { ...moment, log })
    expect(errors).not.toContain('damaged')
    if (killed) kills++
  }
  expect(kills).toBeGreaterThan(1)
  const { line, errors } = await victimOf(folder, { threads: 2, log })
  // Warnings of dead units are no errors.
  expect(errors.replace(/^gradus: \d+ of \d+ units .*\n/gm, '')).toBe('')
  expect(line).toBe(whole.line)
  const events = await eventsOf(log)
  expect(events).toEqual(await eventsOf(wholeLog))
  expect(events.filter((text) => text.includes('"kind":"epoch"')).length).toBe(Number(line!.split(' ')[2]))
  expect(events.filter((text) => text.startsWith('{"kind":"step"')).length).toBeGreaterThan(20)
})
