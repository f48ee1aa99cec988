/**
 * @file Elementwise stages and reductions as loops. In: a group of stages. Out: a kernel.
 * Innermost loops run by lanes, with a scalar tail; a row's passes stand one after another in the loop over rows.
 */
import type { Node } from '../graph/node.js'
import type { ReduceKind } from '../graph/op.js'
import { type Affine, addAffine, affine, type Value, type Variable } from '../kernel/loop.js'
import { accumulate, accumulator, kindOf, segmentOf } from './accumulate.js'
import { type Collapsed, collapse } from './collapse.js'
import type { CopyGroup } from './fuse.js'
import { accesses, isChain, type LoopGroup } from './fuse-loops.js'
import {
  KernelScope,
  type Known,
  type LowerContext,
  type Lowered,
  lanesFor,
  neededSteps,
  rowKey,
  rowNumber,
} from './scope.js'
import { type Stage, turnedStage } from './stage.js'
import { type Target, widths } from './target.js'
import { combine } from './values.js'

export function lowerLoops(group: LoopGroup, context: LowerContext, name: string): Lowered {
  const scope = new KernelScope(context)
  const rows = group.passes.length === 1 && group.passes[0]!.kept === group.passes[0]!.domain.length ? 0 : group.rows
  for (const pass of group.passes) for (const stage of pass.stages) scope.countFlops(stage)
  // Several passes without rows around them hand scalars from one to the next.
  const serial = rows === 0 && group.passes.length > 1
  scope.nest(group.passes[0]!.domain.slice(0, rows), [], (row) => {
    // Values of this row alone: results of reductions and of stages without axes beyond the rows.
    const rowValues: RowValues = new Map()
    for (const pass of group.passes) {
      const collapsed = collapse(pass.stages, rows, pass.kept)
      lowerPass(scope, collapsed, row, rowValues, serial)
    }
  })
  return scope.finish(name)
}

export function lowerCopy(group: CopyGroup, context: LowerContext, name: string): Lowered {
  const scope = new KernelScope(context)
  for (const part of group.parts) {
    scope.countFlops(part)
    // A padded copy is filled first, then written over: threads wait in between (kernel/barriers.ts).
    lowerPass(scope, collapse([part], 0, part.kept), [], new Map(), false)
  }
  return scope.finish(name)
}

export function lowerPass(
  scope: KernelScope,
  pass: Collapsed,
  row: readonly Affine[],
  rowValues: RowValues,
  serial: boolean,
): void {
  const { rows, kept, domain, stages } = pass
  const reduces = stages.filter((stage) => stage.kind === 'rowReduce')
  if (reduces.length > 0) {
    const one = (at: readonly Affine[]) => {
      const results = isChain(reduces[0]!)
        ? chain(scope, pass, reduces, at, rowValues)
        : lanes(scope, pass, reduces, at, rowValues)
      reduces.forEach((stage, i) => {
        scope.keep(stage, at, results[i]!)
        if (kept === rows) rowValues.set(stage.root, results[i]!)
      })
    }
    scope.nest(domain.slice(rows, kept), row, one, serial)
    return
  }
  const wide = turned(pass, scope.context.target)
  if (wide) {
    const [along, stride] = [domain.length - 1, (stage: Stage) => stage.store.coefficients[domain.length - 1]!]
    scope.nest(
      wide.domain.slice(rows, along - 1),
      row,
      (outer) =>
        scope.b.loop({ stop: wide.domain[along - 1]! }, (inner) =>
          span(
            scope,
            wide,
            [...outer, inner],
            rowValues,
            wide.domain[along]!,
            scope.b.loop.bind(scope.b),
            true,
            (at, width, known) => {
              for (const stage of wide.stages) evaluateAndKeep(scope, stage, at, width, along, known, stride(stage))
            },
          ),
        ),
      serial,
    )
    return
  }
  const last = domain.length - 1
  if (last < rows) {
    // No axes beyond the rows: one scalar a row.
    for (const stage of stages) {
      const value = scope.evaluate(stage, row, 1, 0, ofThisRow(stage, rowValues))
      rowValues.set(stage.root, value)
      scope.keep(stage, row, value)
    }
    return
  }
  const each = (outer: readonly Affine[]) => {
    const loop = serial ? scope.b.loop.bind(scope.b) : scope.parallel.bind(scope)
    span(scope, pass, outer, rowValues, domain[last]!, loop, false, (at, width, known) => {
      for (const stage of stages) evaluateAndKeep(scope, stage, at, width, last, known)
    })
  }
  scope.nest(domain.slice(rows, last), row, each, serial)
}

function evaluateAndKeep(
  scope: KernelScope,
  stage: Stage,
  at: readonly Affine[],
  width: number,
  along: number,
  known: Known,
  stride = 1,
): void {
  const value = scope.evaluate(stage, at, width, along, known)
  known.set(stage.storeKey, value)
  scope.keep(stage, at, value, stride)
}

/**
 * The pass with its last two axes exchanged, where the last one is too short for vectors and the one before is not: what is
 * put side by side by twos or threes (gradients of pooling, upsampling) is then computed in vectors and stored lane by lane.
 */
function turned(pass: Collapsed, target: Target): Collapsed | undefined {
  const { rows, kept, domain, stages } = pass
  const last = domain.length - 1
  const [long, short] = [domain[last - 1] ?? 1, domain[last] ?? 1]
  if (last - 1 < rows || kept < domain.length || short > 4 || long < 8 || lanesFor(stages, target) === 1)
    return undefined
  // A copy alone would gain nothing.
  if (!stages.some((stage) => stage.kind === 'map' && stage.steps.some((step) => step.kind === 'op'))) return undefined
  const order = domain.map((_, axis) => (axis === last ? last - 1 : axis === last - 1 ? last : axis))
  return {
    rows,
    kept,
    domain: order.map((axis) => domain[axis]!),
    stages: stages.map((stage) => turnedStage(stage, order)),
  }
}

/** Scalars that this row has computed, by the node they belong to. */
type RowValues = Map<Node, Value>

function ofThisRow(stage: Stage, rowValues: RowValues): Known {
  const known: Known = new Map()
  for (const step of stage.steps) {
    const value = step.kind === 'access' ? rowValues.get(step.access.node) : undefined
    if (value) known.set(step.key, value)
  }
  return known
}

/** The innermost loop: whole vectors, then halves of them, the rest one by one. Loads that do not move stand before it. */
function span(
  scope: KernelScope,
  pass: Collapsed,
  outer: readonly Affine[],
  rowValues: RowValues,
  extent: number,
  loop: KernelScope['parallel'],
  isStrided: boolean,
  body: (at: readonly Affine[], width: number, known: Known) => void,
): void {
  const along = outer.length
  const contiguous =
    isStrided || pass.stages.every((stage) => stage.kind !== 'map' || stage.store.coefficients[along] === 1)
  const { target } = scope.context
  let done = 0
  for (const width of contiguous ? widths(lanesFor(pass.stages, target), target) : [1]) {
    const whole = Math.floor(extent / width) * width
    if (done === whole) continue
    const fixed = invariants(scope, pass, outer, width, rowValues)
    loop({ start: done, stop: whole, step: width }, (i) => body([...outer, i], width, new Map(fixed)))
    done = whole
  }
}

/** Values of steps that read the same element all along the innermost axis, loaded once. */
function invariants(
  scope: KernelScope,
  pass: Collapsed,
  outer: readonly Affine[],
  width: number,
  rowValues: RowValues,
): Known {
  const along = outer.length
  const known: Known = new Map()
  const made = new Set(pass.stages.map((stage) => stage.root))
  // Where rows begin comes first: what gives their numbers, one scalar each, is then needed no more.
  const scalars: Known = new Map()
  for (const stage of pass.stages)
    for (const step of stage.steps) {
      const number = step.kind === 'gather' ? rowNumber(step, stage, along) : undefined
      if (step.kind !== 'gather' || !number || known.has(rowKey(step, stage))) continue
      if (accesses(number).some((read) => made.has(read.node))) continue
      for (const [key, value] of ofThisRow(number, rowValues)) scalars.set(key, value)
      const one = scope.evaluate(number, [...outer, affine(0)], 1, along, scalars)
      known.set(rowKey(step, stage), scope.b.row(one, step.extent, step.stride).start)
    }
  for (const stage of pass.stages) {
    const needed = neededSteps(stage, known)
    for (const [i, step] of stage.steps.entries()) {
      if (step.kind !== 'access' || known.has(step.key) || !needed.has(i)) continue
      const ready = rowValues.get(step.access.node)
      if (ready) known.set(step.key, scope.b.splat(ready, width))
      else if ((step.access.offset.coefficients[along] ?? 0) === 0 && !made.has(step.access.node)) {
        const index = scope.place(
          { ...step.access.offset, coefficients: step.access.offset.coefficients.slice(0, along) },
          outer,
        )
        const value = scope.b.load(scope.buffer(step.access.node, 'read'), index)
        known.set(step.key, scope.b.splat(value, width))
      }
    }
  }
  return known
}

/** Element by element, ascending, in segments. */
function chain(
  scope: KernelScope,
  pass: Collapsed,
  reduces: readonly Stage[],
  at: readonly Affine[],
  rowValues: RowValues,
): Value[] {
  const { b } = scope
  const [extent, along] = innerAxis(pass)
  const accumulators = reduces.map((stage) => accumulator(b, stage, 1))
  const fixed = invariants(scope, pass, at, 1, rowValues)
  b.loop({ stop: extent }, (i) => {
    const known: Known = new Map(fixed)
    const here = pass.domain.length > along ? [...at, i] : at
    reduces.forEach((stage, r) => {
      const value = scope.evaluate(stage, here, 1, along, known)
      accumulate(b, stage, accumulators[r]!, value)
    })
  })
  return accumulators.map((accumulator) => b.get(accumulator))
}

/** Sixteen lanes, a tree of halves, segments in ascending order: the order of reduceOrder for long rows. */
function lanes(
  scope: KernelScope,
  pass: Collapsed,
  reduces: readonly Stage[],
  at: readonly Affine[],
  rowValues: RowValues,
): Value[] {
  const { b } = scope
  const [extent, along] = innerAxis(pass)
  const segmentLength = segmentOf(reduces[0]!)
  const width = rowWidth(lanesFor(pass.stages, scope.context.target), extent, scope.context.target)
  const vectors = 16 / width
  const fixedWide = width > 1 ? invariants(scope, pass, at, width, rowValues) : new Map<string, Value>()
  const fixed = invariants(scope, pass, at, 1, rowValues)

  const step = (accumulators: readonly Variable[][], q: number, place: Affine, lane?: number) => {
    const wide = lane === undefined ? width : 1
    const known: Known = new Map(wide === 1 ? fixed : fixedWide)
    const here = [...at, place]
    for (const stage of pass.stages) if (stage.kind === 'map') evaluateAndKeep(scope, stage, here, wide, along, known)
    reduces.forEach((stage, r) => {
      const value = scope.evaluate(stage, here, wide, along, known)
      const variable = accumulators[r]![q]!
      if (lane === undefined || width === 1) accumulate(b, stage, variable, value)
      else {
        const before = b.get(variable)
        b.set(variable, b.insert(before, lane, combine(b, kindOf(stage), b.extract(before, lane), value)))
      }
    })
  }

  const segment = (start: Affine, length: number): Value[] => {
    const accumulators = reduces.map((stage) => Array.from({ length: vectors }, () => accumulator(b, stage, width)))
    const whole = Math.floor(length / 16) * 16
    b.loop({ start, stop: addAffine(start, whole), step: 16 }, (i) => {
      for (let q = 0; q < vectors; q++) step(accumulators, q, addAffine(i, q * width))
    })
    for (let k = whole; k < length; ) {
      const q = Math.floor((k - whole) / width)
      if (k + width <= length) {
        step(accumulators, q, addAffine(start, k))
        k += width
      } else step(accumulators, q, addAffine(start, k), (k++ - whole) % width)
    }
    return reduces.map((stage, r) =>
      tree(
        scope,
        kindOf(stage),
        accumulators[r]!.map((variable) => b.get(variable)),
        width,
      ),
    )
  }

  if (extent <= segmentLength) return segment(affine(0), extent)
  const totals = reduces.map((stage) => accumulator(b, stage, 1))
  const addTo = (values: readonly Value[]) =>
    reduces.forEach((stage, r) => {
      accumulate(b, stage, totals[r]!, values[r]!)
    })
  const full = Math.floor(extent / segmentLength) * segmentLength
  b.loop({ stop: full, step: segmentLength }, (s) => addTo(segment(s, segmentLength)))
  if (full < extent) addTo(segment(affine(full), extent - full))
  return totals.map((total) => b.get(total))
}

/** Short rows take narrower vectors, unless they fill the wide ones: what is left over goes lane by lane. */
function rowWidth(lanes: number, extent: number, target: Target): number {
  const vectors = widths(lanes, target).filter((width) => width > 1)
  return vectors.find((width) => extent % width === 0 || extent >= 16 * width) ?? vectors.at(-1) ?? 1
}

/** Lanes i and i + 8, then i + 4, i + 2, i + 1. */
function tree(scope: KernelScope, kind: ReduceKind, vectors: readonly Value[], width: number): Value {
  const { b } = scope
  let level = vectors
  while (level.length > 1) {
    const half = level.length / 2
    level = level.slice(0, half).map((vector, i) => combine(b, kind, vector, level[i + half]!))
  }
  let scalars = Array.from({ length: width }, (_, lane) => (width === 1 ? level[0]! : b.extract(level[0]!, lane)))
  while (scalars.length > 1) {
    const half = scalars.length / 2
    scalars = scalars.slice(0, half).map((scalar, i) => combine(b, kind, scalar, scalars[i + half]!))
  }
  return scalars[0]!
}

const innerAxis = (pass: Collapsed): [extent: number, axis: number] => [pass.domain[pass.kept] ?? 1, pass.kept]
