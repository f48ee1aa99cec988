/**
 * @file Initialisers: what a parameter holds before training. In: a shape, and the stream of its path. Out: values
 * drawn in float64 and rounded once to the parameter's dtype. Fans are PyTorch's: a weight is [out, in, ...kernel].
 *
 * nn.linear(784, 128, { initializer: nn.init.kaimingNormal({ nonlinearity: 'relu' }) })
 */
import { allocate, type DType, isFloat, type TypedArray } from '../base/dtype.js'
import { DtypeError, ShapeError, ValueError } from '../base/errors.js'
import { checkNames } from '../base/options.js'
import { formatShape, type Shape, sizeOf } from '../base/shape.js'
import { RandomStream } from '../numerics/random.js'
import { expectNumbers } from '../trace/arguments.js'
import { type Initializer, Variable } from '../trace/variable.js'

/** A parameter: a variable that optimizers train. Its values are drawn when it is first needed, or by `initialize`. */
export function parameter<const S extends Shape, D extends DType = 'float32'>(
  shape: S,
  initializer: Initializer = zeros,
  options: { readonly dtype?: D; readonly trainable?: boolean } = {},
): Variable<S, D> {
  expectNumbers('nn.parameter', 'the shape', shape)
  checkNames('nn.parameter', options, ['dtype', 'trainable'])
  const dtype = options.dtype ?? ('float32' as D)
  const trainable = options.trainable ?? true
  if (trainable && !isFloat(dtype))
    throw new DtypeError('nn.parameter', `a trained parameter must be a float, not ${dtype}`, {
      hint: 'State that is not trained: nn.parameter(shape, initializer, { dtype, trainable: false }).',
    })
  if (!shape.every((extent) => Number.isInteger(extent) && extent >= 0))
    throw new ShapeError('nn.parameter', `${formatShape(shape)} is not a shape`)
  return new Variable(shape, dtype, initializer, trainable)
}

/** Each element from the next draw of the stream. */
const drawn =
  (next: (shape: Shape) => (random: RandomStream) => number): Initializer =>
  (shape, dtype, { seed, stream }) => {
    const random = new RandomStream(seed, stream)
    const draw = next(shape)
    return fill(shape, dtype, () => draw(random))
  }

function fill(shape: Shape, dtype: DType, value: () => number): TypedArray {
  const data = allocate(dtype, sizeOf(shape))
  for (let i = 0; i < data.length; i++) data[i] = value()
  return data
}

/** All elements equal. */
export const constant =
  (value: number): Initializer =>
  (shape, dtype) =>
    fill(shape, dtype, () => value)

/** All 0. */
export const zeros: Initializer = constant(0)

/** All 1. */
export const ones: Initializer = constant(1)

/** Uniform in [low, high). */
export function uniform(low = 0, high = 1): Initializer {
  if (!(low <= high)) throw new ValueError('nn.init.uniform', `low ${low} must not be above high ${high}`)
  return drawn(() => (random) => low + (high - low) * random.uniform())
}

/** Normal with mean μ and standard deviation σ. */
export function normal(mean = 0, standardDeviation = 1): Initializer {
  if (!(standardDeviation >= 0))
    throw new ValueError('nn.init.normal', `the standard deviation must not be negative, got ${standardDeviation}`)
  return drawn(() => (random) => mean + standardDeviation * random.normal())
}

/** Inputs and outputs of one unit: [out, in, ...kernel] → in·|kernel| and out·|kernel|. */
export function fans(shape: Shape): { fanIn: number; fanOut: number } {
  if (shape.length < 2)
    throw new ShapeError('nn.init', `fans need a weight of two axes or more, not ${formatShape(shape)}`, {
      hint: 'Use nn.init.zeros or nn.init.uniform for biases.',
    })
  const kernel = sizeOf(shape.slice(2))
  return { fanIn: shape[1]! * kernel, fanOut: shape[0]! * kernel }
}

/**
 * Uniform in ±gain·√(6 / (fanIn + fanOut)): variance 2·gain² / (fanIn + fanOut).
 * Glorot & Bengio 2010, proceedings.mlr.press/v9/glorot10a.html
 */
export const xavierUniform = (options: { readonly gain?: number } = {}): Initializer =>
  drawn((shape) => symmetric(xavierDeviation(shape, options.gain ?? 1) * Math.sqrt(3)))

/** Normal with the standard deviation gain·√(2 / (fanIn + fanOut)). Glorot & Bengio 2010. */
export const xavierNormal = (options: { readonly gain?: number } = {}): Initializer =>
  drawn((shape) => centred(xavierDeviation(shape, options.gain ?? 1)))

/** Of `kaimingUniform` and `kaimingNormal`. */
export interface KaimingOptions {
  /** What keeps its variance: activations forwards (`fanIn`) or gradients backwards (`fanOut`). */
  readonly mode?: 'fanIn' | 'fanOut'
  /** The activation that follows. */
  readonly nonlinearity?: 'linear' | 'sigmoid' | 'tanh' | 'relu' | 'leakyRelu'
  /** The slope of leakyRelu for negative inputs. PyTorch's default is 0, that of relu. */
  readonly slope?: number
}

/** Uniform in ±gain·√(3 / fan): variance gain² / fan; gain √2 for relu. He et al. 2015, arXiv:1502.01852 */
export const kaimingUniform = (options: KaimingOptions = {}): Initializer =>
  drawn((shape) => symmetric(kaimingDeviation(shape, options) * Math.sqrt(3)))

/** Normal with the standard deviation gain / √fan. He et al. 2015, arXiv:1502.01852 */
export const kaimingNormal = (options: KaimingOptions = {}): Initializer =>
  drawn((shape) => centred(kaimingDeviation(shape, options)))

const symmetric = (bound: number) => (random: RandomStream) => (2 * random.uniform() - 1) * bound
const centred = (deviation: number) => (random: RandomStream) => deviation * random.normal()

function xavierDeviation(shape: Shape, gain: number): number {
  const { fanIn, fanOut } = fans(shape)
  return gain * Math.sqrt(2 / Math.max(1, fanIn + fanOut))
}

function kaimingDeviation(shape: Shape, options: KaimingOptions): number {
  const { fanIn, fanOut } = fans(shape)
  const { nonlinearity = 'leakyRelu', slope = 0 } = options
  return gains[nonlinearity](slope) / Math.sqrt(Math.max(1, (options.mode ?? 'fanIn') === 'fanIn' ? fanIn : fanOut))
}

/** By how much weights must grow to make up for what the activation takes from the variance; torch.nn.init.calculate_gain. */
const gains: { readonly [N in NonNullable<KaimingOptions['nonlinearity']>]: (slope: number) => number } = {
  linear: () => 1,
  sigmoid: () => 1,
  tanh: () => 5 / 3,
  relu: () => Math.SQRT2,
  leakyRelu: (slope) => Math.sqrt(2 / (1 + slope ** 2)),
}

/** PyTorch's default for weights and biases of linear layers: uniform in ±1/√fanIn, fanIn given since a bias has none. */
export const uniformByFanIn = (fanIn: number): Initializer => drawn(() => symmetric(1 / Math.sqrt(Math.max(1, fanIn))))

/**
 * gain·Q, where Q [rows, columns] (later axes are columns too) has orthonormal rows, or columns where there are fewer
 * of them: a random rotation. Gram-Schmidt, twice, in float64. Saxe et al. 2013, arXiv:1312.6120
 */
export function orthogonal(options: { readonly gain?: number } = {}): Initializer {
  const gain = options.gain ?? 1
  return (shape, dtype, { seed, stream }) => {
    if (shape.length < 2)
      throw new ShapeError('nn.init.orthogonal', `needs two axes or more, not ${formatShape(shape)}`)
    const random = new RandomStream(seed, stream)
    const rows = shape[0]!
    const columns = sizeOf(shape.slice(1))
    const [count, length] = rows <= columns ? [rows, columns] : [columns, rows]
    const basis: Float64Array[] = []
    while (basis.length < count) {
      const vector = Float64Array.from({ length }, () => random.normal())
      const start = norm(vector)
      for (let pass = 0; pass < 2; pass++) for (const other of basis) subtractProjection(vector, other)
      const rest = norm(vector)
      // A draw that lies almost within the span of the others would leave rounding errors for a direction.
      if (rest > 1e-8 * start) basis.push(vector.map((x) => x / rest))
    }
    const data = allocate(dtype, sizeOf(shape))
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < columns; j++) data[i * columns + j] = gain * (rows <= columns ? basis[i]![j]! : basis[j]![i]!)
    return data
  }
}

const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0)
const norm = (x: Float64Array): number => Math.sqrt(dot(x, x))

function subtractProjection(x: Float64Array, unit: Float64Array): void {
  const along = dot(x, unit)
  for (let i = 0; i < x.length; i++) x[i]! -= along * unit[i]!
}
