/**
 * @file Random tensors from counter-based streams. A draw depends on the seed, the step, the path of module calls, how
 * many draws were made there before and the iteration of a scan; never on threads, engines or what else was traced.
 *
 * random.uniform([2, 3]) inside a compiled step gives new numbers at each call, the same in each run.
 */
import { ValueError } from '../base/errors.js'
import { type Shape, sizeOf } from '../base/shape.js'
import type { Node } from '../graph/node.js'
import * as ops from '../graph/ops.js'
import { hashString } from '../numerics/threefry.js'
import { expectNumbers } from './arguments.js'
import { loopIteration } from './loops.js'
import { scopePath } from './scope.js'
import { checkSeed, defaultSeed } from './seed.js'
import { leaf, record, type Tensor } from './tensor.js'
import { currentTrace, type RandomSource } from './trace.js'
import { Variable } from './variable.js'

/** A source of random numbers: its seed, and a step that advances once a program. A checkpoint saves `state`. */
export class RandomGenerator implements RandomSource {
  readonly state: Variable<readonly [2], 'uint32'>

  constructor(seed: number) {
    checkSeed('RandomGenerator', seed)
    this.state = new Variable([2] as const, 'uint32', () => Uint32Array.of(seed, 0), false)
  }
}

/** Draws outside compiled functions count up here. */
let eagerDraws = 0
/** Steps without a generator of their own share this one. */
let shared: RandomGenerator | undefined

/** The generator of compiled functions that were given none: seeded by `setSeed` when first used. */
export const sharedGenerator = (): RandomGenerator => (shared ??= new RandomGenerator(defaultSeed()))

/** uint32 words, all 32 bits random. */
export function bits<const S extends Shape>(shape: S): Tensor<S, 'uint32'> {
  expectNumbers('random', 'the shape', shape)
  const trace = currentTrace()
  const path = scopePath()
  const stream = (draw: number) => ops.constant(hashString(`${path}#${draw}`), 'uint32')
  const words = (key: Node, draw: number): Node => {
    const counter = countersOf(sizeOf(shape))
    const part = (i: number) => ops.reshape(ops.slice(key, [i], [i + 1]), [])
    return ops.reshape(ops.randomBits(part(0), part(1), counter, stream(draw)), shape)
  }
  if (!trace) return record([leaf(Uint32Array.of(defaultSeed(), eagerDraws++), [2], 'uint32')], (key) => words(key, 0))
  const generator = trace.random ?? sharedGenerator()
  const draw = trace.draws.get(path) ?? 0
  trace.draws.set(path, draw + 1)
  const key = trace.readVariable(generator.state)
  // The key read first is that of this step, also after the advance below was recorded.
  const now = trace.once(generator, () => {
    trace.assignVariable(generator.state, ops.add(key, constantPair(0, 1)))
    return key
  })
  return record([], () => words(now, draw))
}

/** In the body of a scan those of the iteration: as if the words of all iterations were drawn at once, before it. */
function countersOf(count: number): Node {
  const counters = ops.iota('uint32', [count], 0)
  const iteration = loopIteration()
  return iteration ? ops.add(counters, ops.multiply(iteration, ops.constant(count, 'uint32'))) : counters
}

const constantPair = (a: number, b: number): Node =>
  ops.concatenate([ops.reshape(ops.constant(a, 'uint32'), [1]), ops.reshape(ops.constant(b, 'uint32'), [1])], 0)

/** Uniform in [low, high), float32, in steps of 2⁻²⁴ of the range. */
export function uniform<const S extends Shape>(shape: S, low = 0, high = 1): Tensor<S, 'float32'> {
  if (!(low < high)) throw new ValueError('random.uniform', `low ${low} must be below high ${high}`)
  const unit = unitFloats(bits(shape))
  return low === 0 && high === 1 ? unit : unit.mul(high - low).add(low)
}

/** Normal with the given mean and standard deviation, float32. Box & Muller 1958. */
export function normal<const S extends Shape>(shape: S, mean = 0, standardDeviation = 1): Tensor<S, 'float32'> {
  const radius = unitFloats(bits(shape)).neg().log1p().mul(-2).sqrt()
  const angle = unitFloats(bits(shape)).mul(2 * Math.PI)
  return radius.mul(angle.cos()).mul(standardDeviation).add(mean) as Tensor<S, 'float32'>
}

/** True with the given probability. */
export function bernoulli<const S extends Shape>(shape: S, probability: number): Tensor<S, 'bool'> {
  if (!(probability >= 0 && probability <= 1))
    throw new ValueError('random.bernoulli', `a probability is between 0 and 1, not ${probability}`)
  // The 24 leading bits against a whole threshold: exact, and cheaper than making floats.
  return record([bits(shape)], (words) =>
    ops.compare(
      'less',
      ops.convert(ops.shift('shiftRight', words, 8), 'int32'),
      ops.full(Math.round(probability * 2 ** 24), 'int32', shape),
    ),
  )
}

const unitFloats = <S extends Shape>(words: Tensor<S, 'uint32'>): Tensor<S, 'float32'> =>
  record([words], (w) =>
    ops.multiply(ops.convert(ops.shift('shiftRight', w, 8), 'float32'), ops.full(2 ** -24, 'float32', w.type.shape)),
  )
