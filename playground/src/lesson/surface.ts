/**
 * @file Losses of two parameters, which can be drawn. In: a surface's name. Out: its heights, where descents begin, what is shown.
 */
import { makeData } from './data.js'
import { defaults, type OptimizerName } from './settings.js'

/** 'regression': slope and intercept of a line through noisy points; the others are functions of the two parameters alone. */
export const surfaceNames = ['regression', 'ravine', 'plateau'] as const
export type SurfaceName = (typeof surfaceNames)[number]

interface Surface {
  readonly start: readonly [number, number]
  /** From, to: what is drawn, of both parameters. */
  readonly view: readonly [readonly [number, number], readonly [number, number]]
  readonly height: (x: number, y: number) => number
}

/** What 'regression' draws a line through. */
export const points = makeData({ ...defaults.data, kind: 'line', samples: 64, noise: 0.25, validation: 0.1 }, 1).train
const square = (value: number) => value * value

export const surfaces: Record<SurfaceName, Surface> = {
  regression: {
    start: [-1.2, 1.2],
    view: [
      [-1.6, 2.2],
      [-1.6, 1.6],
    ],
    height: (slope, intercept) =>
      points.inputs.reduce((sum, x, i) => sum + square(slope * x + intercept - points.targets[i]!), 0) / points.count,
  },
  ravine: {
    start: [-1.7, -1.1],
    view: [
      [-2, 2],
      [-2, 2],
    ],
    height: (x, y) => square(x + y) / 4 + 25 * square(x - y),
  },
  plateau: {
    start: [6, 0.35],
    view: [
      [-4, 8],
      [-0.6, 0.6],
    ],
    height: (x, y) => square(1 / (1 + Math.exp(-x))) + 5 * square(y),
  },
}

export interface DescentSettings {
  readonly optimizer: OptimizerName
  readonly learningRate: number
  /** Of the samples of 'regression'. */
  readonly batchSize: number | 'full'
  readonly updates: number
  readonly seed: number
}

export interface Path {
  /** Both parameters, at the start and after each update. */
  readonly places: readonly (readonly [number, number])[]
  /** The loss of all samples there. */
  readonly heights: readonly number[]
  /** Length of the path over the distance between its ends: 1 is a straight line. */
  readonly detour: number
}
