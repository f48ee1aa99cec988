/**
 * @file Reductions over axes that are not innermost, as loops. In: a group of them over one domain. Out: a kernel.
 * Lanes go along the last kept axis; the reduced axes are loops inside, so that each column is one ascending chain.
 */
import { type Affine, addAffine, affine, type Value } from '../kernel/loop.js'
import { accumulate, accumulator, segmentOf } from './accumulate.js'
import { collapse } from './collapse.js'
import type { ColumnGroup } from './fuse.js'
import { KernelScope, type Known, type LowerContext, type Lowered, lanesFor } from './scope.js'
import { widths } from './target.js'

export function lowerColumns(group: ColumnGroup, context: LowerContext, name: string): Lowered {
  const scope = new KernelScope(context)
  const { b } = scope
  for (const stage of group.stages) scope.countFlops(stage)
  const pass = collapse(group.stages, 0, group.stages[0]!.kept)
  const { stages, domain, kept } = pass
  const along = kept - 1
  const inner = domain.slice(kept)
  const segment = segmentOf(stages[0]!)
  const { target } = scope.context
  const width = lanesFor(stages, target)

  const block = (outer: readonly Affine[], place: Affine, wide: number, count: number) => {
    const places = Array.from({ length: count }, (_, v) => [...outer, addAffine(place, v * wide)])
    const chains = (reduced: (body: (rest: readonly Affine[]) => void) => void): Value[][] => {
      const accumulators = stages.map((stage) => places.map(() => accumulator(b, stage, wide)))
      reduced((rest) => {
        places.forEach((at, v) => {
          const known: Known = new Map()
          stages.forEach((stage, r) => {
            const value = scope.evaluate(stage, [...at, ...rest], wide, along, known)
            const variable = accumulators[r]![v]!
            accumulate(b, stage, variable, value)
          })
        })
      })
      return accumulators.map((list) => list.map((variable) => b.get(variable)))
    }
    const store = (values: readonly Value[][]) =>
      stages.forEach((stage, r) => {
        places.forEach((at, v) => {
          scope.keep(stage, [...at, ...inner.map(() => affine(0))], values[r]![v]!)
        })
      })
    const elements = inner.reduce((n, extent) => n * extent, 1)
    if (elements <= segment) {
      store(chains((body) => scope.nest(inner, [], body, true)))
      return
    }
    // Only one axis is left when there are several segments: collapse() made sure of it.
    const totals = stages.map((stage) => places.map(() => accumulator(b, stage, wide)))
    b.loop({ stop: inner[0]!, step: segment }, (s) => {
      const values = chains((body) =>
        b.loop({ start: s, stop: addAffine(s, segment), limit: inner[0]! }, (i) => body([i])),
      )
      stages.forEach((stage, r) => {
        places.forEach((_, v) => {
          const total = totals[r]![v]!
          accumulate(b, stage, total, values[r]![v]!)
        })
      })
    })
    store(totals.map((list) => list.map((total) => b.get(total))))
  }

  scope.nest(domain.slice(0, along), [], (outer) => {
    const extent = domain[along]!
    let done = width === 1 ? 0 : Math.floor(extent / (4 * width)) * 4 * width
    scope.parallel({ stop: done, step: 4 * width }, (i) => block(outer, i, width, 4))
    for (const wide of widths(width, target)) {
      const whole = Math.floor(extent / wide) * wide
      scope.parallel({ start: done, stop: whole, step: wide }, (i) => block(outer, i, wide, 1))
      done = whole
    }
  })
  return scope.finish(name)
}
