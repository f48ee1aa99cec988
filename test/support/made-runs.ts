/**
 * @file Run folders that nobody trained, for tests and pictures of the run page. In: a folder, a name, how many steps, a seed.
 * Out: run.json, events.jsonl with events of every kind, small pictures. The same seed gives the same bytes but for times.
 *
 * const run = makeRun(folder, { name: 'digits-001', epochs: 10 }); run.more(100); run.end('finished')
 */
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { deflateSync } from 'node:zlib'
import type { RunEvent } from '../../src/train/events.js'

export interface MadeRunOptions {
  readonly name: string
  readonly seed?: number
  /** Epochs that are done at first. */
  readonly epochs?: number
  readonly stepsPerEpoch?: number
  /** Step events an epoch. */
  readonly eventsPerEpoch?: number
  readonly configuration?: object
  /** When it began; an hour ago by default. */
  readonly began?: number
  /** Whether to write layers, histograms, matrix, examples, profile. */
  readonly rich?: boolean
  readonly learningRate?: number
}

export interface MadeRun {
  readonly folder: string
  /** All events that were written, in order. */
  readonly events: RunEvent[]
  write(event: RunEvent): void
  /** Trains so many epochs more. */
  epochs(count: number): void
  end(reason?: 'finished' | 'stopped early' | 'left' | 'failed', message?: string): void
}

/** xorshift32, as floats from 0 to 1. */
export function random(seed: number): () => number {
  let state = seed * 2654435761 + 1 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}

const layerNames = ['1.weight', '1.bias', '4.weight', '4.bias', '6.weight', '6.bias']
const labels = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']

/** An 8-bit grey PNG of a blurred stroke. */
export function pngOf(seed: number, size = 28): Buffer {
  const draw = random(seed)
  const points = Array.from({ length: 5 }, () => [4 + draw() * (size - 8), 4 + draw() * (size - 8)] as const)
  const rows = Array.from({ length: size }, (_, y) => {
    const row = Buffer.alloc(size + 1)
    for (let x = 0; x < size; x++) {
      let nearest = Infinity
      for (let i = 1; i < points.length; i++) {
        const [[ax, ay], [bx, by]] = [points[i - 1]!, points[i]!]
        const length = (bx - ax) ** 2 + (by - ay) ** 2
        const t = Math.max(0, Math.min(1, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length))
        nearest = Math.min(nearest, Math.hypot(x - ax - t * (bx - ax), y - ay - t * (by - ay)))
      }
      row[x + 1] = Math.max(0, Math.min(255, Math.round(255 * (2.2 - nearest))))
    }
    return row
  })
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
    const whole = Buffer.alloc(body.length + 8)
    whole.writeUInt32BE(data.length, 0)
    body.copy(whole, 4)
    whole.writeUInt32BE(crc(body), body.length + 4)
    return whole
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(size, 0)
  header.writeUInt32BE(size, 4)
  header.set([8, 0, 0, 0, 0], 8)
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Buffer.concat(rows))),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

function crc(bytes: Buffer): number {
  let value = 0xffffffff
  for (const byte of bytes) {
    value ^= byte
    for (let i = 0; i < 8; i++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1
  }
  return (value ^ 0xffffffff) >>> 0
}

/** JSON as run folders have it: numbers that JSON lacks are texts. */
export const eventLine = (event: object): string =>
  `${JSON.stringify(event, (_, value) => (typeof value === 'number' && !Number.isFinite(value) ? String(value) : value))}\n`

/** Makes a run's folder and its first epochs. */
export function makeRun(parent: string, options: MadeRunOptions): MadeRun {
  const { name, seed = 1, stepsPerEpoch = 375, eventsPerEpoch = 12, rich = true, learningRate = 1e-3 } = options
  const folder = join(parent, name)
  const file = join(folder, 'events.jsonl')
  mkdirSync(join(folder, 'pictures'), { recursive: true })
  const draw = random(seed)
  const noise = (size: number) => (draw() + draw() + draw() - 1.5) * size
  let now = options.began ?? Date.now() - 3_600_000
  const created = new Date(now).toISOString()
  const run = {
    format: 1,
    name,
    created,
    command: `gradus train digits --learning-rate ${learningRate} --seed ${seed}`,
    configuration: {
      task: 'classification',
      hidden: [256, 128],
      activation: 'relu',
      dropout: 0.2,
      optimizer: { name: 'adamW', learningRate, weightDecay: 1e-4 },
      batchSize: 128,
      seed,
      ...options.configuration,
    },
    environment: {
      gradus: '0.1.0',
      node: 'v20.20.0',
      platform: 'linux x64',
      cpu: 'AMD EPYC',
      threads: 2,
      engine: 'auto',
      numerics: 'fused',
    },
    network: {
      text: [
        'layer          shape           parameters',
        'flatten        [1, 784]                 0',
        'linear         [1, 256]           200,960',
        'relu           [1, 256]                 0',
        'dropout 0.2    [1, 256]                 0',
        'linear         [1, 128]            32,896',
        'relu           [1, 128]                 0',
        'linear         [1, 10]              1,290',
      ].join('\n'),
      parameters: 235_146,
    },
  }
  writeFileSync(join(folder, 'run.json'), JSON.stringify(run))
  const events: RunEvent[] = []
  let text = ''
  const write = (event: RunEvent) => {
    events.push(event)
    text += eventLine(event)
    if (text.length > 1 << 20) flush()
  }
  const flush = () => {
    appendFileSync(file, text)
    text = ''
  }
  let [epoch, step] = [0, 0]
  const speed = 0.004 * (0.8 + 0.4 * draw())
  const floor = 0.03 + 0.02 * draw()
  const lossAt = (at: number) =>
    floor + 2.25 * Math.exp(-at / (220 * (0.5 + draw() * 0.02) * (1e-3 / learningRate) ** 0.4))

  const trainEpoch = () => {
    epoch++
    for (let i = 0; i < eventsPerEpoch; i++) {
      step += Math.max(1, Math.round(stepsPerEpoch / eventsPerEpoch))
      now += (1000 * speed * stepsPerEpoch) / eventsPerEpoch
      const loss = Math.max(0.001, lossAt(step) * (1 + noise(0.25)))
      write({
        kind: 'step',
        time: Math.round(now),
        step,
        epoch,
        loss,
        learningRate: learningRate * (0.5 + 0.5 * Math.cos((Math.PI * step) / (stepsPerEpoch * 20))),
        samplesPerSecond: (128 / speed) * (1 + noise(0.04)),
        gradientNorm: 0.3 + loss * (1 + noise(0.3)),
        updateNorm: 0.02 + 0.05 * loss,
      })
    }
    const train = lossAt(step)
    const over = 0.004 * Math.max(0, epoch - 8)
    write({
      kind: 'epoch',
      time: Math.round(now),
      epoch,
      step,
      train: { loss: train, accuracy: 1 - train / 3 },
      validation: { loss: train * 1.15 + 0.02 + over + noise(0.004), accuracy: 1 - train / 2.6 - 0.01 + noise(0.003) },
      learningRate: learningRate * (0.5 + 0.5 * Math.cos((Math.PI * step) / (stepsPerEpoch * 20))),
      seconds: speed * stepsPerEpoch,
    })
    if (rich) writeRich()
  }

  const writeRich = () => {
    const time = Math.round(now)
    const norms = (i: number) => {
      const gradient = (0.1 + 0.9 * Math.exp(-epoch / 6)) * (1 + noise(0.1)) * (i % 2 ? 0.1 : 1) * (1 + i / 4)
      return { gradient, update: gradient * 0.03, parameter: (i % 2 ? 0.6 : 9) * (1 + epoch / 40) }
    }
    write({
      kind: 'layers',
      time,
      step,
      epoch,
      layers: Object.fromEntries(layerNames.map((layer, i) => [layer, norms(i)])),
      activations: {
        '2': { zero: 0.55 + epoch / 100 + noise(0.02), mean: 0.4, deviation: 0.8 },
        '5': { zero: 0.6 + epoch / 200 + noise(0.02), mean: 0.5, deviation: 0.9 },
      },
    })
    const histogram = (layer: number) => {
      const bins = 40
      const width = (layer % 2 ? 0.12 : 0.3) * (1 + epoch / 20)
      const counts = Array.from({ length: bins }, (_, i) => {
        const x = ((i + 0.5) / bins - 0.5) * 4
        return Math.round((layer % 2 ? 128 : 20_000) * Math.exp(-x * x * (3 - epoch / 20)) * (1 + noise(0.06)))
      })
      return { edges: Array.from({ length: bins + 1 }, (_, i) => (i / bins - 0.5) * 2 * width), counts }
    }
    write({
      kind: 'histogram',
      time,
      step,
      epoch,
      layers: Object.fromEntries(layerNames.map((layer, i) => [layer, histogram(i)])),
    })
    const off = 40 * Math.exp(-epoch / 4) + 3
    const counts = labels.map((_, row) =>
      labels.map((_, column) =>
        row === column
          ? Math.round(1000 - 9 * off)
          : Math.round(off * (0.3 + draw() * (Math.abs(row - column) < 3 ? 2 : 1))),
      ),
    )
    write({ kind: 'confusion', time, epoch, labels, counts })
    const examples = Array.from({ length: 12 }, (_, i) => {
      const index = Math.floor(draw() * 10_000)
      const picture = `pictures/wrong-${epoch}-${index}.png`
      writeFileSync(join(folder, picture), pngOf(index + 1))
      const label = Math.floor(draw() * 10)
      return {
        index,
        label: labels[label]!,
        predicted: labels[(label + 1 + Math.floor(draw() * 9)) % 10]!,
        probability: 0.99 - i * 0.03,
        picture,
      }
    })
    write({ kind: 'wrong', time, epoch, examples })
    if (epoch === 1) {
      const kernels = [
        'contract_add_compare_select_multiply',
        'contract_subtract_fma_multiply_and_2_more',
        'contract_select_multiply',
        'gather_compare_select_negate_plus_3',
        'add_maximum_subtract_exp_and_6_more',
        'sum',
      ].map((kernel, i) => ({
        name: kernel,
        milliseconds: 1.8 * 0.45 ** i,
        share: 0.55 * 0.45 ** i,
        gflops: 36 - 6 * i,
        gigabytesPerSecond: 3 + 9 * i,
      }))
      write({ kind: 'profile', time, kernels })
    }
    if (epoch === 6)
      write({
        kind: 'warning',
        time,
        step,
        epoch,
        what: 'deadUnits',
        layer: '2',
        message:
          '61 % of the units of layer 2 (relu) gave 0 for every sample of the last 375 steps. A smaller learning rate, or leakyRelu, keeps them alive.',
      })
  }

  write({ kind: 'start', time: now, epoch: 0, step: 0 })
  const made: MadeRun = {
    folder,
    events,
    write(event) {
      write(event)
      flush()
    },
    epochs(count) {
      for (let i = 0; i < count; i++) trainEpoch()
      flush()
    },
    end(reason = 'finished', message) {
      write({ kind: 'end', time: Math.round(now), epoch, step, reason, ...(message ? { message } : {}) })
      flush()
    },
  }
  made.epochs(options.epochs ?? 10)
  return made
}
