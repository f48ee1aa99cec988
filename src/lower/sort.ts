/**
 * @file argsort as loops: merge sort from below, each place on the other axes a row of its own, which threads share.
 *
 * Runs of 1, 2, 4, … sorted elements are merged pairwise from one pair of scratch areas (values, places) into another. What
 * is taken next, of the left run or of the right, is a choice between two loads: no loop depends on values, and rows are
 * where places known only at run time are clamped by definition. Left before right among equals: the sort is stable.
 */
import { isFloat } from '../base/dtype.js'
import { sizeOf } from '../base/shape.js'
import type { Node } from '../graph/node.js'
import { loadedAs } from '../kernel/builder.js'
import { type Affine, addAffine, affine, type Buffer, type Value } from '../kernel/loop.js'
import { collapse } from './collapse.js'
import type { AloneGroup } from './fuse.js'
import { KernelScope, type LowerContext, type Lowered } from './scope.js'
import type { Stage } from './stage.js'

export function lowerSort(group: AloneGroup, context: LowerContext, name: string): Lowered {
  const scope = new KernelScope(context)
  const { b } = scope
  const [whole] = group.stages as [Stage]
  const root = group.root as Node<'argsort'>
  const { descending } = root.attrs
  const { stages, domain, kept } = collapse([whole], 0, whole.kept)
  const [stage] = stages as [Stage]
  const count = domain[kept]!
  if (sizeOf(domain) === 0) return scope.finish(name)
  scope.countFlops(whole)
  scope.flops += sizeOf(domain) * Math.ceil(Math.log2(Math.max(1, count)))

  const dtype = root.operands[0]!.type.dtype
  const area = () => ({
    values: scope.scratch(loadedAs(dtype), count, true),
    places: scope.scratch('int32', count, true),
  })
  type Area = ReturnType<typeof area>
  const int = (value: number): Value => b.number(value, { dtype: 'int32', lanes: 1 })
  const element = (buffer: Buffer, at: Value): Value => b.load(buffer, affine(0), 1, 1, b.row(at, count, 1))
  /** Whether x stands before y in ascending order; NaN is greatest. */
  const less = (x: Value, y: Value): Value => {
    const below = b.op('less', x, y)
    return isFloat(dtype) ? b.op('or', below, b.op('and', b.op('notEqual', y, y), b.op('equal', x, x))) : below
  }

  /** Pairs of runs of `width` elements; what comes of them is stored by `put`. */
  const merge = (width: number, from: Area, put: (k: Affine, value: Value, place: Value) => void): void =>
    b.loop({ stop: count, step: 2 * width }, (start) => {
      const [middle, end] = [width, 2 * width].map((n) => b.op('minimum', b.index(addAffine(start, n)), int(count)))
      const left = b.variable(b.index(start))
      const right = b.variable(middle!)
      b.loop({ start, stop: addAffine(start, 2 * width), limit: count }, (k) => {
        const [i, j] = [b.get(left), b.get(right)]
        const [x, y] = [element(from.values, i), element(from.values, j)]
        const sooner = descending ? less(x, y) : less(y, x)
        const isLeftOver = b.op('lessEqual', middle!, i)
        const fromRight = b.op('and', b.op('less', j, end!), b.op('or', isLeftOver, sooner))
        put(
          k,
          b.op('select', fromRight, y, x),
          b.op('select', fromRight, element(from.places, j), element(from.places, i)),
        )
        b.set(left, b.op('add', i, b.op('select', fromRight, int(0), int(1))))
        b.set(right, b.op('add', j, b.op('select', fromRight, int(1), int(0))))
      })
    })

  const areas = count > 1 ? [area(), area()] : []
  scope.nest(domain.slice(0, kept), [], (row) => {
    const out = (k: Affine, place: Value): void =>
      b.store(scope.buffer(root, 'write'), scope.place(stage.store, [...row, k]), place)
    if (count === 1) {
      out(affine(0), int(0))
      return
    }
    b.loop({ stop: count }, (k) => {
      b.store(areas[0]!.values, k, scope.evaluate(stage, [...row, k], 1, kept, new Map()))
      b.store(areas[0]!.places, k, b.index(k))
    })
    for (let width = 1, turn = 0; width < count; width *= 2, turn = 1 - turn) {
      const to = areas[1 - turn]!
      const isLast = 2 * width >= count
      merge(width, areas[turn]!, (k, value, place) => {
        if (isLast) {
          out(k, place)
          return
        }
        b.store(to.values, k, value)
        b.store(to.places, k, place)
      })
    }
  })
  return scope.finish(name)
}
