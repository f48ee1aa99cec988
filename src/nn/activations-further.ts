/**
 * @file Activations that are more than a function of each element: gates (glu), a slope that is learned (prelu) or drawn
 * (rrelu), and draws from a distribution over classes (gumbelSoftmax).
 *
 * nn.sequential(nn.linear(16, 64), nn.glu, nn.linear(32, 16), nn.prelu())
 */
import type { DType, FloatDType } from '../base/dtype.js'
import { ShapeError, ValueError } from '../base/errors.js'
import { formatShape, normalizeAxis, type Shape } from '../base/shape.js'
import { iota } from '../trace/creation.js'
import * as random from '../trace/random.js'
import { type Tensor, where } from '../trace/tensor.js'
import { inTraining } from '../trace/trace.js'
import type { Variable } from '../trace/variable.js'
import { type AxisOptions, type Configurable, configurable, sigmoid, softmax } from './activations.js'
import { checkCount, checkDtype, checkOptions, floatDtype } from './checks.js'
import { constant, parameter } from './initializers.js'
import { type ModuleParts, makeModule } from './module.js'
import { perChannel } from './normalization.js'
import type { DTypeOf, Elementwise } from './shapes.js'

/** A function that halves an axis, with an option for which. */
export interface Glu {
  <X extends Tensor>(input: X, options?: AxisOptions): Tensor<Shape, DTypeOf<X>>
  /** The same along another axis: `nn.glu.with({ axis: 1 })`. */
  readonly with: (options: AxisOptions) => (input: Tensor) => Tensor
}

/**
 * a · σ(b), where a is the first half of x along an axis (the last by default), and b the second.
 * Dauphin et al. 2016, arXiv:1612.08083
 */
export const glu: Glu = Object.assign(
  function glu(x: Tensor, options?: AxisOptions): Tensor {
    // A layer is called with one tensor; a number, as array.map gives it, is no options.
    const axis = normalizeAxis('glu', typeof options === 'object' ? (options.axis ?? -1) : -1, x.rank)
    const shape = x.shape as Shape
    const half = shape[axis]! / 2
    if (!Number.isInteger(half))
      throw new ShapeError('glu', `cannot halve axis ${axis} of ${formatShape(shape)}: it is odd`)
    const start = shape.map((_, i) => (i === axis ? half : 0))
    const limit = shape.map((n, i) => (i === axis ? half : n))
    return x.slice([], limit).mul(sigmoid(x.slice(start)))
  } as unknown as Glu,
  { with: (options: AxisOptions) => (x: Tensor) => glu(x, options) },
)

/** Of `prelu`. */
export interface PreluOptions<D extends FloatDType = FloatDType> {
  /** 1 for one slope, or as many as axis 1 is long; 1 by default. */
  readonly channels?: number
  /** What the slopes are at first; 0.25 by default. */
  readonly initial?: number
  readonly dtype?: D
}

/** What prelu gives: its slopes are `weight`. */
export interface Prelu<D extends FloatDType = 'float32'>
  extends ModuleParts<{ readonly weight: Variable<readonly [number], D> }>,
    Elementwise {}

/**
 * x for x > 0, a·x below, with a slope a that is trained: one, or one for each channel (axis 1). weight: [channels].
 * Weight decay would draw it to relu. He et al. 2015, arXiv:1502.01852; torch's PReLU
 */
export function prelu<D extends FloatDType = 'float32'>(options: PreluOptions<D> = {}): Prelu<D> {
  checkOptions('nn.prelu', options, ['channels', 'initial', 'dtype'])
  const { channels = 1, initial = 0.25 } = options
  checkCount('nn.prelu', 'the number of channels', channels)
  const dtype = floatDtype('nn.prelu', options.dtype)
  const description = channels === 1 ? 'prelu()' : `prelu({ channels: ${channels} })`
  const children = { weight: parameter([channels], constant(initial), { dtype }) }
  const forward = (m: typeof children, x: Tensor): Tensor => {
    if (channels > 1 && (x.rank < 2 || x.shape[1] !== channels))
      throw new ShapeError('prelu', `takes [batch,${channels},...], got ${formatShape(x.shape)}`, {
        hint: `It was built as ${description}.`,
      })
    checkDtype('prelu', x, dtype, description)
    const slope: Tensor = channels === 1 ? m.weight.value : perChannel(m.weight.value, x.rank)
    return where(x.lessEqual(0), x.mul(slope), x)
  }
  return makeModule(description, children, forward, { keepsShape: true as const, dtype }) as unknown as Prelu<D>
}

/**
 * x for x > 0, a·x below: in training each a is drawn uniformly from [low, high), in inference it is their mean; 1/8 and 1/3.
 * Xu et al. 2015, arXiv:1505.00853
 */
export const rrelu: Configurable<{ readonly low?: number; readonly high?: number }> = configurable(
  'rrelu',
  (x, { low = 1 / 8, high = 1 / 3 }) => {
    if (!(low <= high)) throw new ValueError('nn.rrelu', `low must not be above high, not ${low} and ${high}`)
    const mean = (low + high) / 2
    const drawn = inTraining('rrelu') && low < high
    const slope = drawn ? random.uniform(x.shape as Shape, low, high).cast(x.dtype as DType) : mean
    return where(x.lessEqual(0), x.mul(slope), x)
  },
)

/** Of `gumbelSoftmax`. */
export interface GumbelSoftmaxOptions extends AxisOptions {
  /** The lower, the nearer to a single 1; 1 by default. */
  readonly temperature?: number
  /** Gives 1 for the greatest and 0 for others, with the gradient of the soft ones; false by default. */
  readonly hard?: boolean
}

/**
 * A draw of a class with the probabilities softmax(x), through which gradients flow: softmax((x + g) / temperature) along an
 * axis, with Gumbel noise g = −ln(−ln u) and u uniform. New draws at each step, in training and inference alike.
 * Jang, Gu & Poole 2016, arXiv:1611.01144
 */
export const gumbelSoftmax: Configurable<GumbelSoftmaxOptions> = configurable(
  'gumbelSoftmax',
  (x, { axis = -1, temperature = 1, hard = false }) => {
    if (!(temperature > 0))
      throw new ValueError('nn.gumbelSoftmax', `the temperature must be above 0, not ${temperature}`)
    const noise = random.uniform(x.shape as Shape).cast(x.dtype as DType)
    const soft: Tensor = softmax(x.sub(noise.log().neg().log()).div(temperature), { axis })
    if (!hard) return soft
    const along = normalizeAxis('gumbelSoftmax', axis, x.rank)
    // The first of equals, so that there is a single 1.
    const best = soft.argmax(along).expandDims(along)
    const ones = best.equal(iota(x.shape as Shape, along)).cast(x.dtype as DType)
    return ones.sub(soft).detach().add(soft)
  },
)
