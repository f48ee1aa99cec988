/**
 * @file The log of a run: what fit and loops of one's own write, torn lines, resumes, refusals, and disks that are full.
 */
import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  checkpoints,
  fit,
  logMistakes,
  loss,
  metrics,
  nn,
  optim,
  type RunEvent,
  readEvents,
  readRun,
  runLog,
} from 'gradus'
import { afterAll, afterEach, expect, test, vi } from 'vitest'
import { watchCalls } from '../../src/io/atomic.js'

const base = mkdtempSync(join(tmpdir(), 'gradus-log-'))
let folders = 0
const newFolder = () => join(base, `run-${++folders}`)
afterAll(() => rmSync(base, { recursive: true }))
afterEach(() => {
  watchCalls(undefined)
  vi.restoreAllMocks()
})
const all = async (folder: string) => {
  const list: RunEvent[] = []
  for await (const event of readEvents(folder)) list.push(event)
  return list
}
/** Three classes of pictures of 2×3 pixels: which of them is bright; a few are labelled wrong. */
const train = {
  input: {
    data: Uint8Array.from({ length: 90 * 6 }, (_, i) => (i % 6 === Math.floor(i / 6) % 3 ? 200 : (i * 7) % 50)),
    shape: [90, 2, 3],
    scale: 1 / 255,
  },
  target: { data: Int32Array.from({ length: 90 }, (_, i) => (i % 30 === 4 ? 2 : i % 3)), shape: [90] },
  classes: ['left', 'middle', 'right'],
}
const network = () => nn.sequential(nn.flatten(), nn.linear(6, 8), nn.relu, nn.linear(8, 3))
const options = () => ({
  train,
  validation: train,
  loss: loss.crossEntropy,
  optimizer: optim.adam({ learningRate: 0.02 }),
  metrics: { accuracy: metrics.accuracy, confusion: metrics.confusionMatrix() },
  batchSize: 10,
  epochs: 8,
  seed: 1,
})

test('fit writes what was configured, where it ran, steps, epochs, mistakes with pictures, and the end', async () => {
  const folder = newFolder()
  const history = await fit(network(), { ...options(), log: folder })
  const { info, networks, state, faults } = await readRun(folder)
  expect([state, faults]).toEqual(['finished', 0])
  expect(info).toMatchObject({
    format: 1,
    name: folder.split('/').pop(),
    configuration: {
      loss: 'crossEntropy',
      optimizer: { learningRate: 0.02 },
      batchSize: 10,
      batches: 9,
      seed: 1,
      samples: { train: 90, validation: 90 },
    },
    environment: { node: process.version, threads: expect.any(Number), engine: expect.any(String) },
    network: { text: expect.stringContaining('linear(6, 8)'), parameters: 83 },
  })
  const [run] = networks
  expect(run!.series['validation.loss']!.last).toEqual(history.epochs.map((epoch) => epoch.validation!.loss))
  expect(run!.series['train.accuracy']!.step).toEqual(history.epochs.map((_, i) => 9 * (i + 1)))
  expect(run!.series['loss']!.step).toEqual([64])
  expect(run!.series['samplesPerSecond']!.last[0]).toBeGreaterThan(0)
  const { labels, counts } = run!.confusion!
  expect(labels).toEqual(train.classes)
  expect(counts).toEqual((history.epochs.at(-1)!.validation as { confusion: number[][] }).confusion)
  const { examples } = run!.wrong!
  // Those with a wrong label, but not where it happens to be right.
  expect(examples.map((one) => [one.index, one.label, one.predicted]).sort()).toEqual([
    [34, 'right', 'middle'],
    [4, 'right', 'middle'],
    [64, 'right', 'middle'],
  ])
  for (const { picture, probability } of examples) {
    expect(probability).toBeGreaterThan(0.5)
    expect([...readFileSync(join(folder, picture!)).subarray(1, 4)]).toEqual([80, 78, 71])
  }
  expect(examples.map((one) => one.probability)).toEqual(examples.map((one) => one.probability).sort((a, b) => b - a))
  // What is there is never overwritten.
  await expect(fit(network(), { ...options(), log: folder })).rejects.toThrow(/there is a run in .* already.*resume/)
  expect(readdirSync(folder).filter((name) => name.startsWith('.lock'))).toEqual([])
})

test('a run that stops early, is left, or fails says so; a stopped one goes on in the same log', async () => {
  const [early, left, failed] = [newFolder(), newFolder(), newFolder()]
  await fit(network(), { ...options(), epochs: 50, earlyStopping: { patience: 1, minimumChange: 10 }, log: early })
  expect((await readRun(early)).state).toBe('stopped early')
  const checkpoint = join(left, 'checkpoints')
  for await (const epoch of fit(network(), { ...options(), log: left, checkpoint })) if (epoch.epoch === 3) break
  expect((await readRun(left)).state).toBe('left')
  // A torn line, as a kill may leave it.
  appendFileSync(join(left, 'events.jsonl'), '{"kind":"step","ti')
  const history = await fit(network(), { ...options(), log: left, checkpoint, resume: true })
  const { networks, state, faults } = await readRun(left)
  expect([state, faults, networks[0]!.epochs.length]).toEqual(['finished', 0, 8])
  expect(networks[0]!.series['train.loss']!.last).toEqual(history.epochs.map((epoch) => epoch.train.loss))
  // One that does not fit changes nothing.
  const before = readFileSync(join(left, 'events.jsonl'), 'utf8') + readFileSync(join(left, 'run.json'), 'utf8')
  await expect(fit(network(), { ...options(), seed: 2, log: left, checkpoint, resume: true })).rejects.toThrow(
    /the seed was 1 and is 2/,
  )
  expect(readFileSync(join(left, 'events.jsonl'), 'utf8') + readFileSync(join(left, 'run.json'), 'utf8')).toBe(before)
  const exploding = fit(network(), { ...options(), optimizer: optim.sgd({ learningRate: 1e30 }), log: failed })
  await expect(exploding).rejects.toThrow()
  expect((await all(failed)).at(-1)).toMatchObject({ kind: 'end', reason: 'failed', message: expect.any(String) })
})

test('a loop of one’s own, with checkpoints; several networks in one log', async () => {
  const folder = newFolder()
  const net = nn.linear(6, 3)
  for (const life of [0, 1]) {
    const log = await runLog(folder, { configuration: { mine: [1, Number.NaN] }, resume: life === 1 })
    const saver = await checkpoints(join(folder, 'checkpoints'), { net }, { log })
    const { epoch: done } = (await saver.resume<{ epoch: number }>()) ?? { epoch: 0 }
    log.start({ epoch: done, step: 10 * done })
    for (let epoch = done + 1; epoch <= 4; epoch++) {
      log.write({ kind: 'epoch', epoch, step: 10 * epoch, train: { loss: 1 / epoch }, seconds: 1 })
      if (epoch !== 3) await saver.save({ epoch })
      // The events before a checkpoint are there once it is.
      if (epoch === 2) expect((await all(folder)).at(-1)).toMatchObject({ epoch: 2 })
      // As if it were killed after the third, whose checkpoint was not written.
      if (life === 0 && epoch === 3) break
    }
    saver.close()
    await log.close({ reason: life ? 'finished' : 'failed' })
  }
  expect((await all(folder)).flatMap((event) => (event.kind === 'epoch' ? [event.epoch] : []))).toEqual([1, 2, 3, 4])
  expect((await readRun(folder)).info!.configuration).toEqual({ mine: [1, 'NaN'] })

  const log = await runLog(join(base, 'several'), { numbered: true, examples: 2 })
  expect(log.folder).toBe(join(base, 'several-001'))
  for (const member of [1, 2]) await fit(network(), { ...options(), epochs: member, log: log.member(member) })
  await logMistakes(log, network(), train, { most: 1, describe: (row) => ({ text: `row ${row}` }) })
  await log.close()
  const { networks } = await readRun(log.folder)
  expect(networks.map(({ member, epochs }) => [member, epochs.length])).toEqual([
    [1, 1],
    [2, 2],
    [undefined, 0],
  ])
  expect(networks[2]!.wrong!.examples).toMatchObject([{ text: expect.stringMatching(/^row \d+$/) }])
  expect((await all(log.folder)).filter(({ kind }) => kind === 'end').length).toBe(2)
})

test('a disk that is full: training goes on, one line says so, and the events come when there is room', async () => {
  const folder = newFolder()
  const says = vi.spyOn(console, 'error').mockImplementation(() => {})
  const log = await runLog(folder)
  watchCalls((call) => {
    if (call === 'write') throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' })
  })
  log.describe({ configuration: { a: 1 } })
  await expect(log.flush()).rejects.toThrow(/the disk is full/)
  await log.tryFlush()
  await log.tryFlush()
  expect(says.mock.calls).toEqual([[expect.stringMatching(/run log: .*the disk is full.*Training goes on/)]])
  watchCalls(undefined)
  await log.close()
})

test('what is wrong is said', async () => {
  const bad = (options: object) => expect(runLog(newFolder(), options as never)).rejects
  await bad({ nam: 'a' }).toThrow(/no option 'nam'; did you mean 'name'/)
  await bad({ every: 0 }).toThrow(/every must be a whole number above 0/)
  await bad({ examples: -1 }).toThrow(/examples must be a whole number/)
  await bad({ resume: 1 }).toThrow(/resume is the number 1/)
  await bad({ resume: true, numbered: true }).toThrow(/both resume and numbered/)
  await bad({ configuration: [] }).toThrow(/the configuration is an array/)
  await expect(runLog('')).rejects.toThrow(/the folder is the text ''/)
  expect(() => fit(network(), { ...options(), log: 3 as never })).toThrow(/log is the number 3/)
  const file = join(base, 'a-file')
  writeFileSync(file, '')
  await expect(runLog(join(file, 'run'))).rejects.toThrow(/a part of the path is a file/)
  const log = await runLog(newFolder())
  expect(() => log.write({ kind: 'epoch', epoch: 1 } as never)).toThrow(
    /an event of the kind 'epoch' lacks the number step/,
  )
  expect(() => log.write(3 as never)).toThrow(/an event is the number 3/)
  await log.close()
  expect(existsSync(join(log.folder, 'run.json'))).toBe(true)
  await expect(
    logMistakes(log, nn.linear(6, 3), { ...train, target: { ...train.target, data: new Float32Array(90) } }),
  ).rejects.toThrow(/does not give a number for each class/)
})
