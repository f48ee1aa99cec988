/**
 * @file Reading runs: events that a resumed run has made void are gone, torn and damaged lines are passed over, curves of 10⁶ events are short,
 * and what is read while a run goes on is what is read in the end.
 */
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { type RunEvent, readEvents, readRun } from 'gradus'
import { afterAll, expect, test } from 'vitest'
import { type AnyEvent, eventLine, parseEvent } from '../../src/io/event-lines.js'
import { RunReader } from '../../src/io/run-reader.js'
import { Series } from '../../src/io/series.js'
import { RandomStream } from '../../src/numerics/random.js'

const base = mkdtempSync(join(tmpdir(), 'gradus-reader-'))
let folders = 0
function newRun(text = ''): { folder: string; file: string } {
  const folder = join(base, String(++folders))
  mkdirSync(folder)
  writeFileSync(join(folder, 'events.jsonl'), text)
  return { folder, file: join(folder, 'events.jsonl') }
}
afterAll(() => rmSync(base, { recursive: true }))

const step = (n: number, loss = n) => ({ kind: 'step', time: n, step: n, epoch: Math.ceil(n / 10), loss })
const all = async (folder: string) => {
  const list: RunEvent[] = []
  for await (const event of readEvents(folder)) list.push(event)
  return list
}

test('a line holds any numbers, and comes back', () => {
  const event = {
    kind: 'epoch',
    time: 5,
    epoch: 1,
    step: 10,
    train: { loss: Number.NaN, __proto: 1, 'a "b"\n': Number.NEGATIVE_INFINITY },
    validation: { loss: Number.POSITIVE_INFINITY },
    seconds: 0.25,
  }
  const line = eventLine(event)
  expect(line.startsWith('{"kind":"epoch","time":5,')).toBe(true)
  expect(line.indexOf('\n')).toBe(line.length - 1)
  expect(parseEvent(line)).toEqual(event)
  expect(parseEvent(eventLine({ kind: 'other', time: 1, text: 'NaN', a: Float32Array.of(1, Number.NaN) }))).toEqual({
    kind: 'other',
    time: 1,
    text: 'NaN',
    a: [1, 'NaN'],
  })
  const wrong = {
    kind: 'wrong',
    time: 1,
    epoch: 1,
    examples: [{ index: 0, label: 'NaN', predicted: 'a', probability: Number.NaN }],
  }
  expect(parseEvent(eventLine(wrong))).toEqual(wrong)
  for (const line of ['', '{', '[]', '3', 'null', '{"kind":3,"time":1}', '{"kind":"step","time":1}', '{"kind":"end"}'])
    expect(parseEvent(line)).toBeUndefined()
})

test('events after the step of a later start are void, for the network that went back', async () => {
  const random = new RandomStream(1, 'void')
  for (let round = 0; round < 60; round++) {
    // What should be left, kept beside the file.
    const left = new Map<number, object[]>()
    let text = ''
    const write = (event: { member?: number }) => {
      text += eventLine(event)
      left.set(event.member ?? 0, [...(left.get(event.member ?? 0) ?? []), event])
    }
    for (const member of round % 3 === 0 ? [1, 2] : [undefined])
      for (let at = 0, life = 0; life < 5; life++) {
        const held = (left.get(member ?? 0) ?? []) as { kind: string; step: number }[]
        left.set(
          member ?? 0,
          held.filter((event) => event.kind !== 'end' && event.step <= at),
        )
        const who = member === undefined ? {} : { member }
        write({ kind: 'start', time: 0, ...who, epoch: Math.floor(at / 10), step: at } as object)
        const to = at + random.integer(30)
        for (let n = at + 1; n <= to; n++) write({ ...step(n, random.uniform()), ...who })
        if (life < 4 || round % 2) write({ kind: 'end', time: 0, ...who, epoch: 1, step: to, reason: 'left' } as object)
        at = random.integer(to + 1)
      }
    const { folder, file } = newRun(text)
    const expected = [...left.values()].flat()
    const found = await all(folder)
    expect(found).toEqual(expected)
    const { networks, events, faults } = await readRun(folder)
    expect([events, faults]).toEqual([expected.length, 0])
    const losses = expected.filter((event) => (event as AnyEvent).kind === 'step') as {
      step: number
      loss: number
      member?: number
    }[]
    for (const { member, series } of networks) {
      const own = losses.filter((one) => one.member === member)
      expect(series['loss']?.last ?? []).toEqual(own.map((one) => one.loss))
    }
    // Read in pieces, as it grew: the same.
    writeFileSync(file, '')
    const reader = new RunReader(folder)
    for (let from = 0; from < text.length; ) {
      const to = Math.min(text.length, from + 1 + random.integer(700))
      appendFileSync(file, text.slice(from, to))
      from = to
      await reader.update()
    }
    expect(reader.content.networks).toEqual(networks)
    expect(await reader.update()).toBe(false)
  }
})

test('torn and damaged lines are passed over; a cut file is read anew', async () => {
  const { folder, file } = newRun(
    `${eventLine({ kind: 'start', time: 0, epoch: 0, step: 0 })}nonsense\n${eventLine(step(1))}{"kind":"st`,
  )
  const reader = new RunReader(folder)
  await reader.update()
  expect(reader.content).toMatchObject({ events: 2, faults: 1, state: 'interrupted' })
  truncateSync(file, eventLine({ kind: 'start', time: 0, epoch: 0, step: 0 }).length)
  expect(await reader.update()).toBe(true)
  expect(reader.content).toMatchObject({ events: 1, faults: 0 })
  appendFileSync(
    file,
    eventLine({ kind: 'later', time: 3, anything: [1] }) +
      eventLine({ kind: 'end', time: 4, epoch: 0, step: 0, reason: 'left' }),
  )
  await reader.update()
  expect(reader.content).toMatchObject({
    events: 3,
    state: 'left',
    networks: [{ other: { later: { anything: [1] } } }],
  })
  await expect(readRun(join(base, 'nowhere'))).rejects.toThrow(/there is no run in .*nowhere/)
  await expect(all(join(base, 'nowhere'))).rejects.toThrow(/there is no run in .*nowhere/)
  await expect(readRun(folder, { points: 1 })).rejects.toThrow(/points must be a whole number above 1/)
})

test('a curve keeps the extremes and the end of every stretch, in few points', () => {
  const values = fc.array(fc.oneof(fc.double(), fc.constant(Number.NaN)), { minLength: 1, maxLength: 300 })
  fc.assert(
    fc.property(values, fc.integer({ min: 2, max: 40 }), fc.integer({ min: 1, max: 9 }), (list, most, gap) => {
      const series = new Series(most)
      list.forEach((value, i) => void series.add((i + 1) * gap, i, i, value))
      const { step, min, max, last } = series.points
      expect(step.length).toBeLessThanOrEqual(most)
      expect(step[step.length - 1]).toBe(list.length * gap)
      let from = 0
      step.forEach((end, p) => {
        const stretch = list.slice(from, end / gap)
        from = end / gap
        const known = stretch.filter((x) => !Number.isNaN(x))
        expect(min[p]).toBe(known.length ? known.reduce((a, b) => (b < a ? b : a)) : Number.NaN)
        expect(max[p]).toBe(known.length ? known.reduce((a, b) => (b > a ? b : a)) : Number.NaN)
        expect(last[p]).toBe(stretch[stretch.length - 1])
      })
    }),
  )
})

test('a million events: seconds, and little memory', async () => {
  const { folder, file } = newRun()
  let text = eventLine({ kind: 'start', time: 0, epoch: 0, step: 0 })
  for (let i = 1; i <= 1e6; i++) {
    text += `{"kind":"step","time":${i},"step":${i},"epoch":1,"loss":${i === 777_777 ? 99 : i % 10},"learningRate":0.001}\n`
    if (text.length > 1 << 20) {
      appendFileSync(file, text)
      text = ''
    }
  }
  appendFileSync(file, text)
  const start = performance.now()
  const { networks, events } = await readRun(folder)
  const seconds = (performance.now() - start) / 1000
  const { loss } = networks[0]!.series
  expect(events).toBe(1_000_001)
  expect(loss!.step.length).toBeLessThanOrEqual(1000)
  expect([Math.max(...loss!.max), Math.min(...loss!.min), loss!.step.at(-1)]).toEqual([99, 0, 1e6])
  expect(seconds).toBeLessThan(20)
  expect(JSON.stringify(networks).length).toBeLessThan(300_000)
}, 60_000)
