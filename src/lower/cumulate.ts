/**
 * @file cumulativeSum as loops. In: its stage. Out: a kernel with one ascending chain for each place on the other axes,
 * which are shared by threads; lanes go along the last of them where it is innermost in memory.
 */
import type { Node } from '../graph/node.js'
import { loadedAs } from '../kernel/builder.js'
import { type Affine, addAffine, scaleAffine } from '../kernel/loop.js'
import { collapse } from './collapse.js'
import type { AloneGroup } from './fuse.js'
import { KernelScope, type LowerContext, type Lowered, lanesFor } from './scope.js'
import type { Stage } from './stage.js'
import { widths } from './target.js'

export function lowerCumulate(group: AloneGroup, context: LowerContext, name: string): Lowered {
  const scope = new KernelScope(context)
  const { b } = scope
  const [whole] = group.stages as [Stage]
  scope.countFlops(whole)
  scope.flops += whole.domain.reduce((n, extent) => n * extent, 1)
  const { stages, domain, kept } = collapse([whole], 0, whole.kept)
  const [stage] = stages as [Stage]
  const { reverse, exclusive } = (group.root as Node<'cumulativeSum'>).attrs
  const count = domain[kept]!

  const chain = (at: readonly Affine[], lanes: number): void => {
    const sum = b.variable(b.number(0, { dtype: loadedAs(group.root.type.dtype), lanes }))
    b.loop({ stop: count }, (k) => {
      const here = [...at, place(k)]
      const before = b.get(sum)
      const after = b.op('add', before, scope.evaluate(stage, here, lanes, kept - 1, new Map()))
      b.store(scope.buffer(group.root, 'write'), scope.place(stage.store, here), exclusive ? before : after)
      b.set(sum, after)
    })
  }
  const place = (k: Affine): Affine => (reverse ? addAffine(scaleAffine(k, -1), count - 1) : k)

  // A chain has as many steps as the axis is long, none of which may not be there.
  if (count === 0) return scope.finish(name)
  const byLanes = kept > 0 && stage.store.coefficients[kept - 1] === 1
  if (!byLanes) scope.nest(domain.slice(0, kept), [], (at) => chain(at, 1))
  else
    scope.nest(domain.slice(0, kept - 1), [], (outer) => {
      let done = 0
      for (const width of widths(lanesFor([stage], context.target), context.target)) {
        const end = Math.floor(domain[kept - 1]! / width) * width
        scope.parallel({ start: done, stop: end, step: width }, (i) => chain([...outer, i], width))
        done = end
      }
    })
  return scope.finish(name)
}
