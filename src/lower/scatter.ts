/**
 * @file scatterAdd as loops. In: its stages. Out: a kernel that copies x, then adds the updates one after another.
 *
 * The order of the sums is that of the updates: threads share the elements of a row, each of which is one chain, and never
 * the updates. A row is found as gather finds it, and its lanes are loaded, added to and stored again.
 */
import { type Affine, addAffine, affine } from '../kernel/loop.js'
import { collapse } from './collapse.js'
import type { AloneGroup } from './fuse.js'
import { lowerPass } from './loops.js'
import { KernelScope, type LowerContext, type Lowered, lanesFor } from './scope.js'
import type { Stage } from './stage.js'
import { widths } from './target.js'

export function lowerScatter(group: AloneGroup, context: LowerContext, name: string): Lowered {
  const scope = new KernelScope(context)
  const { b } = scope
  const [fill, ...others] = group.stages as [Stage, Stage, Stage]
  scope.countFlops(fill)
  for (const stage of others) scope.countFlops(stage)
  scope.flops += others[0]!.domain.reduce((n, extent) => n * extent, 1)
  lowerPass(scope, collapse([fill], 0, fill.kept), [], new Map(), false)

  const { stages, domain, kept } = collapse(others, 0, others[0]!.kept)
  const [updates, numbers] = stages as [Stage, Stage]
  const [extent, ...rest] = group.root.type.shape as [number, ...number[]]
  const stride = rest.reduce((n, size) => n * size, 1)
  const { target } = scope.context
  const last = domain.length - 1
  const full = lanesFor([updates], target)

  /** All updates, ascending; `row` goes through what of a row is wanted, in steps that it is given. */
  const all = (row: (add: (at: readonly Affine[], lanes: number) => void) => void): void =>
    scope.nest(
      domain.slice(0, kept),
      [],
      (which) => {
        const whole = [...which, ...domain.slice(kept).map(() => affine(0))]
        const start = b.row(scope.evaluate(numbers, whole, 1, last, new Map()), extent, stride)
        row((within, lanes) => {
          const at = [...which, ...within]
          const value = scope.evaluate(updates, at, lanes, last, new Map())
          const buffer = scope.buffer(group.root, 'write')
          const place = scope.place(updates.store, at)
          const sum = b.op('add', b.load(scope.buffer(group.root, 'read'), place, lanes, 1, start), value)
          b.store(buffer, place, sum, start)
        })
      },
      true,
    )

  const columns = domain.slice(kept)
  if (columns.length === 0) all((add) => add([], 1))
  else if (columns.length > 1)
    // Threads share the first axis of a row.
    scope.parallel({ stop: columns[0]! }, (first) =>
      all((add) =>
        scope.nest(
          columns.slice(1, -1),
          [first],
          (outer) => byWidths(columns[columns.length - 1]!, (i, lanes) => add([...outer, i], lanes)),
          true,
        ),
      ),
    )
  else if (scope.threads === 1) all((add) => byWidths(columns[0]!, (i, lanes) => add([i], lanes)))
  else {
    // Each thread has neighbouring vectors of every row, lines of the cache apart where there are enough.
    const count = columns[0]!
    const whole = Math.floor(count / full) * full
    const share = Math.ceil(Math.max(whole / scope.threads, 16) / full) * full
    scope.parallel({ stop: whole, step: share }, (from) =>
      all((add) =>
        b.loop({ start: from, stop: addAffine(from, share), limit: whole, step: full }, (i) => add([i], full)),
      ),
    )
    if (whole < count) all((add) => b.loop({ start: whole, stop: count }, (i) => add([i], 1)))
  }
  return scope.finish(name)

  function byWidths(count: number, body: (i: Affine, lanes: number) => void): void {
    let done = 0
    for (const width of widths(full, target)) {
      const whole = Math.floor(count / width) * width
      b.loop({ start: done, stop: whole, step: width }, (i) => body(i, width))
      done = whole
    }
  }
}
