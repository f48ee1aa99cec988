/**
 * @file Muon: a momentum whose matrices are made orthogonal before they become updates. In: gradients of matrices.
 * Out: updates all of whose singular values are near 1. Other parameters go to another optimizer.
 *
 * optim.muon({ learningRate: 0.02, others: optim.adamW({ learningRate: 3e-4 }) })
 */
import type { DType } from '../base/dtype.js'
import { ShapeError, ValueError } from '../base/errors.js'
import { checkNames } from '../base/options.js'
import { formatShape, type Shape, sizeOf } from '../base/shape.js'
import type { Tensor } from '../trace/tensor.js'
import { type OptimizerSpec, optimizer } from './optimizer.js'
import { decay, type OptimizerOptions } from './optimizers.js'
import { partitioned } from './partition.js'
import { compose, stateful, type Transform, type Where } from './transform.js'
import { atLeast, fraction, scaleByLearningRate } from './transforms.js'

/** How the update of a matrix [A, B] is scaled by its shape. */
const adjustments = {
  /** √max(1, A / B), as Jordan has it. */
  original: (rows: number, columns: number) => Math.sqrt(Math.max(1, rows / columns)),
  /** 0.2·√max(A, B): as large as AdamW's updates, whose rates and decay then fit. Liu et al. 2025, arXiv:2502.16982 */
  matchRmsAdamW: (rows: number, columns: number) => 0.2 * Math.sqrt(Math.max(rows, columns)),
  /** √(A / B). Bernstein 2025, jeremybernste.in/writing/deriving-muon */
  spectral: (rows: number, columns: number) => Math.sqrt(rows / columns),
} as const

/** Of `scaleByMuon`. */
export interface MuonScaleOptions {
  /** μ, how much of the momentum stays. */
  readonly momentum?: number
  /** Orthogonalise what Nesterov's look ahead gives, not the momentum itself. */
  readonly nesterov?: boolean
  /** a, b, c of the iteration X ← aX + (b·XXᵀ + c·(XXᵀ)²)X. */
  readonly coefficients?: readonly [number, number, number]
  /** How often to iterate. */
  readonly iterations?: number
  /** The norm that a gradient is divided by is at least this. */
  readonly epsilon?: number
  /** What the update of a matrix [A, B] is multiplied by: √max(1, A/B), 0.2·√max(A, B) or √(A/B). */
  readonly adjustment?: 'original' | 'matchRmsAdamW' | 'spectral'
}
const names = ['momentum', 'nesterov', 'coefficients', 'iterations', 'epsilon', 'adjustment']

/** Of `muon`. */
export interface MuonOptions extends Partial<OptimizerOptions>, MuonScaleOptions {
  /** What trains the parameters that are not for Muon; without it all must be. */
  readonly others?: OptimizerSpec | 'frozen'
  /** Which parameters are for Muon: those of two axes, unless said otherwise. Kernels of more axes count as [out, rest]. */
  readonly where?: Where
}

/**
 * m ← m + (1 − μ)(g − m), u = O(m), or with Nesterov's look ahead u = O(g + μ(m − g)), where O brings all singular values of a
 * matrix near 1: X₀ = G / max(‖G‖, ε), five times X ← aX + (b·XXᵀ + c·(XXᵀ)²)X; then u is scaled by the matrix's shape.
 * Jordan et al. 2024, kellerjordan.github.io/posts/muon; torch.optim.Muon, which rounds these products to bfloat16
 */
export function scaleByMuon(options: MuonScaleOptions = {}): Transform {
  const { momentum = 0.95, nesterov = true, coefficients = [3.4445, -4.775, 2.0315] } = options
  const { iterations = 5, epsilon = 1e-7, adjustment = 'original' } = options
  checkNames('scaleByMuon', options, names)
  fraction('scaleByMuon', 'the momentum', momentum)
  atLeast('scaleByMuon', 'epsilon', epsilon, 0)
  if (!Number.isInteger(iterations) || iterations < 1 || iterations >= 100)
    throw new ValueError('scaleByMuon', `iterations must be a whole number from 1 to 99, not ${iterations}`)
  if (!Array.isArray(coefficients) || coefficients.length !== 3 || !coefficients.every(Number.isFinite))
    throw new ValueError('scaleByMuon', `coefficients must be three numbers, not ${String(coefficients)}`)
  if (!Object.hasOwn(adjustments, adjustment))
    throw new ValueError('scaleByMuon', `there is no adjustment '${String(adjustment)}'`, {
      hint: `There are ${Object.keys(adjustments).join(', ')}.`,
    })
  return stateful('scaleByMuon', ['momentum'], (g, { momentum: kept }) => {
    const shape = g.shape as Shape
    const [rows, columns] = [shape[0]!, sizeOf(shape.slice(1))]
    const m = kept.value.add(g.sub(kept.value).mul(1 - momentum)) as Tensor
    kept.assign(m)
    const ahead = nesterov ? m.sub(m.sub(g).mul(1 - momentum)) : m
    const direction = orthogonalized(ahead.reshape([rows, columns]), coefficients, iterations, epsilon)
    return { direction: direction.reshape(shape), scale: adjustments[adjustment](rows, columns) }
  })
}

/**
 * Muon for matrices, another optimizer for the others: p ← (1 − η·λ)·p − η·u, u of `scaleByMuon`; η 1e-3, λ 0.1, μ 0.95. Embeddings
 * and the last layer are better off with the other one, though they are matrices:
 * `where: (name, p) => p.shape.length === 2 && !/^(embedding|head)\./.test(name)`. Each has its own rate: `optimizer.learningRate`
 * is Muon's, `optimizer.groups[1].learningRate` the other's.
 * Jordan et al. 2024, kellerjordan.github.io/posts/muon; torch.optim.Muon
 * Example: optim.muon({ learningRate: 0.02, others: optim.adamW({ learningRate: 3e-4 }) })
 */
export function muon(options: MuonOptions = {}): OptimizerSpec {
  const { learningRate = 1e-3, weightDecay = 0.1, others, where = isMatrix, ...rest } = options
  checkNames('muon', rest, names)
  const transform = compose(scaleByMuon(rest), ...decay(weightDecay), scaleByLearningRate(learningRate))
  const init: Transform['init'] = (parameters) => {
    for (const [name, { shape }] of parameters)
      if (shape.length < 2)
        throw new ShapeError('muon', `'${name}' is ${formatShape(shape as Shape)}, no matrix`, {
          hint: 'Give the rest to another optimizer: optim.muon({ others: optim.adamW({ learningRate: 3e-4 }) }).',
        })
    return transform.init(parameters)
  }
  if (others === undefined) {
    if (options.where)
      throw new ValueError('muon', 'where chooses parameters, but nothing trains the others', {
        hint: "Give others: optim.adamW({ learningRate: 3e-4 }), or others: 'frozen'.",
      })
    return optimizer({ ...transform, init })
  }
  if (others !== 'frozen' && typeof others?.transform?.init !== 'function')
    throw new ValueError('muon', 'others is no optimizer', {
      hint: 'Write others: optim.adamW({ learningRate: 3e-4 }).',
    })
  const parts = [
    { label: 'where', chosen: where, transform: { ...transform, init } },
    {
      label: 'others',
      chosen: () => true,
      transform: others === 'frozen' ? undefined : others.transform,
      mayBeEmpty: true,
    },
  ]
  return optimizer(partitioned('muon', parts, 0))
}

const isMatrix: Where = (_, { shape }) => shape.length === 2

/** A matrix of the same singular vectors, whose singular values are near 1. */
function orthogonalized(
  matrix: Tensor,
  [a, b, c]: readonly [number, number, number],
  iterations: number,
  epsilon: number,
): Tensor {
  const [rows, columns] = matrix.shape as [number, number]
  const tall = rows > columns
  const norm = matrix.square().sum().sqrt().maximum(epsilon)
  let x = (tall ? matrix.transpose() : matrix).div(norm) as Tensor
  for (let i = 0; i < iterations; i++) {
    const gram = x.matmul(x.transpose())
    const polynomial = gram.mul(b).add(gram.matmul(gram).mul(c))
    x = x.mul(a).add(polynomial.matmul(x)) as Tensor
  }
  return (tall ? x.transpose() : x) as Tensor<Shape, DType>
}
