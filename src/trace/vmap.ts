/**
 * @file vmap: a function of one sample as a function of many. In: a function of tensors, and which axis of each argument goes
 * over the samples. Out: a function of tensors with that axis. The function runs once, on one sample of unknown values; what it
 * recorded is then batched, operation by operation (transform/batch.ts).
 *
 * vmap(grad(loss), [null, 0])(weights, inputs) is the gradient of each sample.
 */
import { describeValue } from '../base/describe.js'
import { ArgumentError, ShapeError, TraceError } from '../base/errors.js'
import { formatShape, normalizeAxis } from '../base/shape.js'
import { flatten } from '../base/tree.js'
import { input, type Node, topological } from '../graph/node.js'
import { batched, stretched, toFront, toPlace } from '../transform/batch.js'
import { expectTensor } from './arguments.js'
import { record, Tensor, withoutEvaluation } from './tensor.js'
import { currentTrace } from './trace.js'
import { isTensor, TensorValue } from './value.js'

/** A result whose tensors have one axis more. */
export type Mapped<R> = R extends Tensor ? Tensor : { readonly [K in keyof R]: Mapped<R[K]> }

/**
 * f over an axis of its arguments, all samples at once: what a loop over `slice` and a `stack` of the results would give, to the
 * bit of each sum. `inAxes` is the axis of each argument (one for all, or a list; null: the argument is the same for all
 * samples), `outAxes` the axis of each result, in the order of `f`'s tensors. As jax.vmap and torch.vmap.
 * - f sees tensors without the axis, and returns a tensor, or tensors in arrays and objects.
 * - Random draws in f are the same for all samples. f may read Variables, and must not assign what depends on a sample.
 * - grad of vmap and vmap of grad both work; so does vmap of vmap.
 * Throws for arguments without the axis, and where sizes differ.
 * Example: vmap((x, y) => x.mul(y).sum(), [0, 1])(a, b) is, for a [n, k] and b [k, n], the diagonal of a · b.
 */
export function vmap<A extends readonly Tensor[], R>(
  f: (...inputs: A) => R,
  inAxes: number | readonly (number | null)[] = 0,
  outAxes: number | readonly number[] = 0,
): (...inputs: { readonly [K in keyof A]: Tensor }) => Mapped<R> {
  if (typeof f !== 'function') throw new ArgumentError('vmap', `is given ${describeValue(f)}, not a function`)
  return (...inputs) => {
    const trace = currentTrace()
    const axes = axesOf(inAxes, inputs)
    const size = sizeOfBatch(inputs, axes)
    const known = new Map<Node, Node>()
    const one = inputs.map((value, i) => {
      const axis = axes[i]!
      if (axis === null) return value
      const whole = toFront(TensorValue.nodeOf(value), axis)
      const sample = input(whole.type.dtype, whole.type.shape.slice(1))
      known.set(sample, whole)
      return new Tensor(sample, trace)
    })
    const assigned = new Set(trace?.assigned)
    const result = withoutEvaluation(() => f(...(one as readonly Tensor[] as A)))
    const leaked = trace?.assigned.filter((node) => !assigned.has(node)) ?? []
    if (leaked.length > 0 && topological(leaked).some((node) => known.has(node)))
      throw new TraceError('vmap', 'the function assigns a Variable a value of one sample', {
        hint: 'Return it, and assign what all samples have in common.',
      })
    const { leaves, rebuild } = flatten<Tensor>(result, (value): value is Tensor => isTensor(value))
    if (leaves.length === 0)
      throw new ArgumentError('vmap', `the function returns ${describeValue(result)}, which holds no tensor`)
    const nodes = withoutEvaluation(() => leaves.map((leaf) => TensorValue.nodeOf(leaf)))
    const places = placesOf(outAxes, nodes)
    const outputs = batched(nodes, known, size).map(({ node, isBatched }, i) =>
      record(inputs, () => toPlace(isBatched ? node : stretched(node, size), places[i]!)),
    )
    return rebuild(outputs) as Mapped<R>
  }
}

function axesOf(inAxes: number | readonly (number | null)[], inputs: readonly Tensor[]): (number | null)[] {
  if (typeof inAxes !== 'number' && inAxes.length !== inputs.length)
    throw new ArgumentError('vmap', `inAxes has ${inAxes.length} entries for ${inputs.length} arguments`)
  const axes = inputs.map((value, i) => {
    expectTensor('vmap', `argument ${i + 1}`, value)
    const axis = typeof inAxes === 'number' ? inAxes : inAxes[i]!
    return axis === null ? null : normalizeAxis('vmap', axis, value.rank)
  })
  if (axes.every((axis) => axis === null))
    throw new ArgumentError('vmap', 'no argument has an axis to map over', {
      hint: 'Name one in inAxes: an axis for each argument, null where all samples share it.',
    })
  return axes
}

function sizeOfBatch(inputs: readonly Tensor[], axes: readonly (number | null)[]): number {
  const sizes = inputs.flatMap((value, i) => (axes[i] === null ? [] : [value.shape[axes[i]!] as number]))
  if (sizes.some((size) => size !== sizes[0]))
    throw new ShapeError(
      'vmap',
      `sizes differ: ${inputs.map((value, i) => `${formatShape(value.shape)} along ${axes[i] ?? 'none'}`).join(', ')}`,
    )
  return sizes[0]!
}

function placesOf(outAxes: number | readonly number[], nodes: readonly Node[]): number[] {
  if (typeof outAxes !== 'number' && outAxes.length !== nodes.length)
    throw new ArgumentError('vmap', `outAxes has ${outAxes.length} entries for ${nodes.length} results`)
  return nodes.map(({ type }, i) =>
    normalizeAxis('vmap', typeof outAxes === 'number' ? outAxes : outAxes[i]!, type.shape.length + 1),
  )
}
