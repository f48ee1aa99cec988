/**
 * @file The playground's data: points in a plane with two classes, and curves. In: settings, a seed. Out: samples for
 * training and validation.
 *
 * const { train, validation } = makeData(settings.data, 1)   // train.inputs: 2 numbers a sample, train.targets: one
 */
import { type DataKind, type DataSettings, isClasses } from './settings.js'

export interface Samples {
  readonly count: number
  /** [count, 2] of points, [count, 1] of curves. */
  readonly inputs: Float32Array
  /** Class 0 or 1, or the curve's value. */
  readonly targets: Float32Array
}

export interface PlaygroundData {
  /** Numbers in a sample. */
  readonly width: 1 | 2
  readonly isClasses: boolean
  readonly train: Samples
  readonly validation: Samples
}

/** Half of the width that pictures show. */
export const reach = 1.2

/** Uniform numbers from 0 to 1: mulberry32, which is the same everywhere. */
export function uniform(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** Box and Muller 1958: a number of the standard normal distribution. */
const normal = (random: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())

/** Sample `t` (from 0 to 1) of class `c`, without noise; all within -1 to 1. */
const points: Record<string, (t: number, c: number, random: () => number) => readonly [number, number]> = {
  moons: (t, c) => {
    const angle = Math.PI * t
    return c === 0
      ? [0.6 * Math.cos(angle) - 0.3, 0.6 * Math.sin(angle) - 0.15]
      : [0.3 - 0.6 * Math.cos(angle), 0.15 - 0.6 * Math.sin(angle)]
  },
  circles: (t, c) => {
    const radius = c === 0 ? 0.35 : 0.8
    return [radius * Math.cos(2 * Math.PI * t), radius * Math.sin(2 * Math.PI * t)]
  },
  spirals: (t, c) => {
    const radius = 0.1 + 0.85 * t
    const angle = 1.25 * Math.PI * 2 * t + Math.PI * c
    return [radius * Math.cos(angle), radius * Math.sin(angle)]
  },
  blobs: (_, c, random) => {
    const center = c === 0 ? -0.4 : 0.4
    return [center + 0.12 * normal(random), center + 0.12 * normal(random)]
  },
  xor: (_, c, random) => {
    const [x, y] = [0.08 + 0.85 * random(), 0.08 + 0.85 * random()]
    const side = random() < 0.5 ? 1 : -1
    return [side * x, (c === 0 ? side : -side) * y]
  },
}

const curves: Record<string, (x: number) => number> = {
  line: (x) => 0.8 * x - 0.1,
  wave: (x) => 0.7 * Math.sin(2 * Math.PI * x),
  steps: (x) => (x < -0.3 ? -0.6 : x < 0.35 ? 0.5 : -0.1),
}

/** The curve itself, of 'line', 'wave' and 'steps'. */
export const curveOf = (kind: DataKind): ((x: number) => number) | undefined => curves[kind]

export function makeData(settings: DataSettings, seed: number): PlaygroundData {
  const { kind, samples, noise, validation, mislabelled } = settings
  const random = uniform(seed * 7919 + 17)
  const classes = isClasses(kind)
  const width = classes ? 2 : 1
  const all = Array.from({ length: samples }, (_, i): { input: number[]; target: number } => {
    if (!classes) {
      const x = 2 * random() - 1
      return { input: [x], target: curves[kind]!(x) + noise * normal(random) }
    }
    const target = i % 2
    const place = points[kind]!(random(), target, random)
    return { input: place.map((value) => value + noise * normal(random)), target }
  })
  for (let i = all.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    const held = all[i]!
    all[i] = all[j]!
    all[j] = held
  }
  const kept = Math.max(1, Math.round(samples * (1 - validation)))
  const train = all.slice(0, kept).map((sample) => {
    const isWrong = classes && random() < mislabelled
    return isWrong ? { ...sample, target: 1 - sample.target } : sample
  })
  const pack = (list: typeof all): Samples => ({
    count: list.length,
    inputs: Float32Array.from(list.flatMap(({ input }) => input)),
    targets: Float32Array.from(list, ({ target }) => target),
  })
  return { width, isClasses: classes, train: pack(train), validation: pack(all.slice(kept)) }
}
