/**
 * @file scan: a loop over the first axis of tensors, in one compiled program. In: a function of a carry and a slice.
 * Out: the last carry and all results, stacked.
 *
 * scan((sum, x) => [sum.add(x), sum], zeros([]), tensor([1, 2, 3])) → [6, [0, 1, 3]]
 */
import type { DType } from '../base/dtype.js'
import { DtypeError, ShapeError, TraceError, ValueError } from '../base/errors.js'
import { formatShape, type Shape, sameShape } from '../base/shape.js'
import { type Flattened, flatten } from '../base/tree.js'
import { input, type Node } from '../graph/node.js'
import * as ops from '../graph/ops.js'
import { closeLoop, scan as scanNodes } from '../graph/scan.js'
import { hoisted } from '../transform/hoist.js'
import { withLoop } from './loops.js'
import { record, Tensor } from './tensor.js'
import { currentTrace } from './trace.js'
import { TensorValue } from './value.js'

/** A tree of tensors without their first axes. */
export type Slices<T> =
  T extends Tensor<infer S, infer D>
    ? // biome-ignore lint/suspicious/noExplicitAny: an unknown shape is accepted everywhere
      Tensor<S extends readonly [number, ...infer Rest extends Shape] ? Rest : any, D>
    : T extends object
      ? { readonly [K in keyof T]: Slices<T[K]> }
      : T
/** A tree of tensors with a further first axis. */
export type Stacked<T> =
  T extends Tensor<infer S, infer D>
    ? Tensor<readonly [number, ...S], D>
    : T extends object
      ? { readonly [K in keyof T]: Stacked<T[K]> }
      : T

/** Of `scan`. */
export interface ScanOptions {
  /** How many iterations there are; needed where no tensor is scanned, and otherwise equal to their first axes. */
  readonly length?: number
  /** From the last slice to the first. Results stand at the places of their slices. */
  readonly reverse?: boolean
}

/**
 * Runs f for each slice of the first axis of `inputs`: [carryₜ, yₜ] = f(carryₜ₋₁, xₜ) from carry₀ = initial. Gives the last
 * carry and every yₜ, stacked along a new first axis. Carries, slices and results are tensors, or arrays and objects of them;
 * `inputs` may be undefined if `length` says how often. As jax.lax.scan.
 *
 * f is called once, to be traced: the program has one loop, however long it is. What f uses of its surroundings is the same in
 * each iteration, and what of it does not depend on carries or slices is computed once. Random draws differ by iteration. It
 * can be differentiated again and again; for that the loop keeps what each iteration's derivative needs.
 * Throws where f changes the shape, dtype or structure of the carry, where scanned tensors differ in their first axis, where
 * f assigns a Variable, and for a tensor of f that is used after it.
 * Example: const [last, all] = scan((h, x) => { const next = cell(h, x); return [next, next] }, zeros([4, 8]), inputs)
 */
export function scan<C, X, Y>(
  f: (carry: C, x: Slices<X>) => readonly [C, Y],
  initial: C,
  inputs: X,
  options: ScanOptions = {},
): [C, Stacked<Y>] {
  for (const key of Object.keys(options))
    if (key !== 'length' && key !== 'reverse')
      throw new ValueError('scan', `there is no option '${key}'`, { hint: 'Options are length and reverse.' })
  const carries = flatten(initial, isTensor)
  const slices = flatten(inputs, isTensor)
  const length = lengthOf(slices, options.length)
  const trace = currentTrace()
  if (trace) trace.hasLoops = true

  const fresh = (dtype: DType, shape: Shape): Node => input(dtype, shape)
  const inCarries = carries.leaves.map(({ dtype, shape }) => fresh(dtype, shape))
  const inSlices = slices.leaves.map(({ dtype, shape }) => fresh(dtype, shape.slice(1)))
  const wrap = (nodes: readonly Node[]) => nodes.map((node) => new Tensor(node, trace))
  // A loop goes along something.
  let iteration: Node | undefined = inCarries.length + inSlices.length === 0 ? fresh('uint32', []) : undefined
  const frame = { length, iteration: () => (iteration ??= fresh('uint32', [])) }
  const returned: unknown = withLoop(frame, [...inCarries, ...inSlices], () =>
    f(carries.rebuild(wrap(inCarries)) as C, slices.rebuild(wrap(inSlices)) as Slices<X>),
  )
  if (returned instanceof Promise)
    throw new TraceError('scan', 'the body is an async function', {
      hint: 'It is traced once and cannot wait: do what needs waiting before the scan.',
    })
  if (!Array.isArray(returned) || returned.length !== 2)
    throw new ValueError('scan', 'the body must return [carry, result]', {
      hint: 'Return [next, undefined] where there is no result for each slice.',
    })
  const next = flatten(returned[0], isTensor)
  checkCarries(carries, next)
  const results = flatten(returned[1], isTensor)

  const nodes = (tensors: readonly Tensor[]) => tensors.map((tensor) => TensorValue.nodeOf(tensor))
  let made: readonly Node[] = []
  // Recorded as one operation on all that goes in, which is how lazily recorded graphs know how deep they are.
  record([...carries.leaves, ...slices.leaves], (...given) => {
    const scanned = given.slice(inCarries.length)
    const loop = closeLoop(
      [...inCarries, ...inSlices, ...(iteration ? [iteration] : [])],
      [...nodes(next.leaves), ...nodes(results.leaves)],
      {
        carries: given.slice(0, inCarries.length),
        slices: iteration ? [...scanned, ops.iota('uint32', [length], 0)] : scanned,
        length,
        reverse: options.reverse ?? false,
      },
    )
    made = scanNodes(hoisted(loop))
    return made[0] ?? ops.constant(0, 'float32')
  })
  const outside = wrap(made)
  return [
    carries.rebuild(outside.slice(0, inCarries.length)) as C,
    results.rebuild(outside.slice(inCarries.length)) as Stacked<Y>,
  ]
}

const isTensor = (value: unknown): value is Tensor => value instanceof Tensor

function lengthOf({ leaves, paths }: Flattened<Tensor>, wanted: number | undefined): number {
  if (wanted !== undefined && !(Number.isInteger(wanted) && wanted >= 0))
    throw new ValueError('scan', `the length must be a whole number, 0 or more, not ${wanted}`)
  let length = wanted
  leaves.forEach((leaf, i) => {
    const name = paths[i] ? `the input ${paths[i]}` : 'the input'
    if (leaf.rank === 0) throw new ShapeError('scan', `${name} is a scalar, which has no first axis to go along`)
    if (length !== undefined && leaf.shape[0] !== length)
      throw new ShapeError(
        'scan',
        `${name} of shape ${formatShape(leaf.shape)} has ${leaf.shape[0]} slices, not ${length}`,
        {
          hint: 'All scanned tensors have one slice for each iteration.',
        },
      )
    length = leaf.shape[0]
  })
  if (length === undefined)
    throw new ValueError('scan', 'there is no tensor to go along', {
      hint: 'Say how often: scan(f, initial, undefined, { length: 10 }).',
    })
  return length
}

function checkCarries(before: Flattened<Tensor>, after: Flattened<Tensor>): void {
  if (before.structure !== after.structure)
    throw new ValueError(
      'scan',
      `the carry goes in as ${before.structure} and comes out as ${after.structure} (* is a tensor)`,
      {
        hint: 'Return [carry, result], with a carry built as the initial one is.',
      },
    )
  before.leaves.forEach((leaf, i) => {
    const other = after.leaves[i]!
    const name = before.paths[i] ? `carry ${before.paths[i]}` : 'the carry'
    if (!sameShape(leaf.shape, other.shape))
      throw new ShapeError(
        'scan',
        `${name} goes in as ${formatShape(leaf.shape)} and comes out as ${formatShape(other.shape)}`,
        {
          hint: 'It must keep its shape: what grows is a result, not a carry.',
        },
      )
    if (leaf.dtype !== other.dtype)
      throw new DtypeError('scan', `${name} goes in as ${leaf.dtype} and comes out as ${other.dtype}`, {
        hint: `Convert it with .cast('${leaf.dtype}') at the end of the body, or the initial one before the scan.`,
      })
  })
}
