/**
 * @file The contraction kernel: out[b, m, n] = Σₖ lhs[b, m, k] · rhs[b, k, n], with elementwise stages as its epilogue.
 *
 * Blocks of rows of the left operand and panels of columns of the right one are packed where that pays; a micro-kernel
 * keeps a tile of rows by vectors (lower/target.ts) in registers over a segment of k, and adds it to a block of totals; when all
 * segments are done the epilogue reads the totals. The order of k is the contract's: ascending chains of 512, their sums
 * added in ascending order, whatever the tiles. After Goto & van de Geijn 2008, ACM TOMS 34(3).
 */

import type { Node } from '../graph/node.js'
import { floatArithmetic } from '../kernel/builder.js'
import { type Affine, addAffine, affine, type Buffer, scaleAffine, type Value, type Variable } from '../kernel/loop.js'
import { mergeOffset, type Operand } from './contraction.js'
import type { ContractGroup } from './fuse.js'
import { KernelScope, type Known, type LowerContext, type Lowered, lanesFor } from './scope.js'
import { accessKey, type Offset, type Stage } from './stage.js'
import { lanesOf, type Target, widths } from './target.js'
import { flopsOf } from './values.js'

/**
 * The target's vectors of columns; with fewer rows more columns keep sums in flight. Not more than four: columns that are
 * a power of two apart in memory would push each other out of the first-level cache.
 */
function vectorsFor(rows: number, { tileRows, tileVectors }: Target): number {
  const sums = tileRows * tileVectors
  return Math.min(4, Math.max(tileVectors, 2 ** Math.floor(Math.log2(sums / Math.max(1, rows)))))
}
/** Rows of a tile: the target's, or fewer where that leaves no row over. */
function rowsFor(m: number, { tileRows }: Target): number {
  if (tileRows <= 4) return tileRows
  for (let rows = tileRows; 2 * rows > tileRows; rows--) if (m % rows === 0) return rows
  return tileRows
}
/** Bytes of packed rows of the left operand that are worked on at a time: a part of the second-level cache. */
const blockBytes = 128 * 1024

interface Source {
  /** Index of element (row or column `free`, `k`) of the current batch and block. */
  readonly buffer: Buffer
  readonly at: (free: Affine, k: Affine) => Affine
  /** Distance in elements between neighbours along the free axis. */
  readonly freeStride: number
}

export function lowerContract(group: ContractGroup, context: LowerContext, name: string): Lowered {
  return new ContractKernel(group, context).lower(name)
}

class ContractKernel {
  readonly scope: KernelScope
  readonly group: ContractGroup
  readonly width: number
  readonly tileRows: number
  readonly tileVectors: number
  readonly panel: number
  readonly segment: number
  readonly blockRows: number
  readonly totals: Buffer
  readonly packedLeft: Buffer | undefined
  readonly packedRight: Buffer | undefined
  readonly transposing: boolean

  constructor(group: ContractGroup, context: LowerContext) {
    this.group = group
    this.scope = new KernelScope(context)
    const { m, n, k, rhs } = group.contraction
    const dtype = group.root.type.dtype
    const { target } = context
    this.width = lanesOf(dtype, target)
    const tileRows = (this.tileRows = rowsFor(m, target))
    this.tileVectors = vectorsFor(m, target)
    this.panel = this.tileVectors * this.width
    this.segment = group.root.attrs.order.segment
    const bytes = dtype === 'float64' ? 8 : 4
    this.blockRows = Math.min(
      roundUp(m, tileRows),
      Math.max(tileRows * 4, Math.floor(blockBytes / bytes / Math.max(1, k) / tileRows) * tileRows),
    )
    // Columns that are neighbours in memory are read in place while few rows reuse them; others are packed.
    const inPlace = (rhs.free === 1 || n === 1) && n % this.width === 0 && (m <= 64 || k * n * bytes <= 16384)
    const packLeft = m >= tileRows && n >= 4 * this.panel && m * k * bytes > 32768
    // One row or two use each column once or twice: it is transposed into registers as it is read.
    this.transposing = !inPlace && m <= 2 && rhs.inner === 1 && n % this.width === 0
    this.packedRight = inPlace || this.transposing ? undefined : this.scope.scratch(dtype, k * this.#panelsWidth())
    this.packedLeft = packLeft
      ? this.scope.scratch(dtype, k * Math.min(this.blockRows, roundUp(m, tileRows)))
      : undefined
    this.totals = this.scope.scratch(dtype, this.blockRows * this.panel)
  }

  /** Columns of all panels together: the last may be one vector wide. */
  #panelsWidth(): number {
    return roundUp(this.group.contraction.n, this.width)
  }

  lower(name: string): Lowered {
    const { scope, group } = this
    const { batch, m, n, k, lhs, rhs } = group.contraction
    scope.flops = batch * m * n * (2 * k + group.epilogue.reduce((sum, stage) => sum + flopsPerElement(stage), 0))
    const { tileRows } = this
    const wholeRows = Math.floor(m / tileRows) * tileRows
    scope.b.loop({ stop: batch }, (b) => {
      const right = this.packedRight ? this.#packRight(rhs, b) : this.#inPlace(rhs, b)
      scope.b.loop({ stop: wholeRows, step: this.blockRows }, (block) => {
        this.#rows(b, block, { stop: addAffine(block, this.blockRows), limit: wholeRows }, tileRows, lhs, right)
      })
      if (wholeRows < m) this.#rows(b, affine(wholeRows), { stop: affine(m), limit: m }, m - wholeRows, lhs, right)
    })
    return scope.finish(name)
  }

  #inPlace(operand: Operand, b: Affine): Source {
    const buffer = this.scope.buffer(operand.access.node, 'read')
    const base = addAffine(scaleAffine(b, operand.batch), operand.access.offset.constant)
    return {
      buffer,
      at: (free, k) => addAffine(addAffine(base, scaleAffine(free, operand.free)), scaleAffine(k, operand.inner)),
      freeStride: operand.free,
    }
  }

  /** Panels of columns: [panel][k][column], ragged columns filled with zeros. */
  #packRight(operand: Operand, b: Affine): Source {
    const { n, k } = this.group.contraction
    const { width, panel, scope } = this
    const from = this.#inPlace(operand, b)
    const to = this.packedRight!
    const whole = Math.floor(n / panel) * panel
    // Rows of the result's columns that are contiguous along k are transposed in registers, a square at a time.
    const square = (columns: number) =>
      operand.inner === 1 && columns % width === 0 ? Math.floor(k / width) * width : 0
    const pack = (j: Affine, vectors: number, columns: number) => {
      scope.b.loop({ stop: square(columns), step: width }, (at) => {
        for (let v = 0; v < vectors; v++)
          this.#transpose(from, addAffine(j, v * width), at, width).forEach((vector, u) => {
            const place = addAffine(scaleAffine(addAffine(at, u), vectors * width), v * width)
            scope.b.store(to, addAffine(scaleAffine(j, k), place), vector)
          })
      })
      scope.b.loop({ start: square(columns), stop: k }, (at) => {
        for (let v = 0; v < vectors; v++) {
          const value = this.#gather(from, addAffine(j, v * width), at, Math.min(width, columns - v * width))
          scope.b.store(to, addAffine(addAffine(scaleAffine(j, k), scaleAffine(at, vectors * width)), v * width), value)
        }
      })
    }
    scope.b.loop({ stop: whole, step: panel }, (j) => pack(j, this.tileVectors, panel))
    if (whole < n) pack(affine(whole), Math.ceil((n - whole) / width), n - whole)
    return { buffer: to, at: (j, at) => addAffine(scaleAffine(j, k), at), freeStride: 1 }
  }

  /** width × width elements, `width` along the free axis from `start` and along k from `k`: one vector for each k. */
  #transpose(from: Source, start: Affine, k: Affine, width: number): Value[] {
    const { b } = this.scope
    let rows = Array.from({ length: width }, (_, r) => b.load(from.buffer, from.at(addAffine(start, r), k), width))
    // Rows r and r + 1, then r and r + 2..., interleave runs of 1, 2... lanes: a butterfly of log2(width) steps.
    const interleave = (run: number, half: number) =>
      Array.from({ length: width }, (_, lane) => {
        const at = half * (width / 2) + Math.floor(lane / (2 * run)) * run + (lane % run)
        return lane % (2 * run) < run ? at : at + width
      })
    for (let run = 1; run < width; run *= 2) {
      const next: Value[] = []
      for (let r = 0; r < width; r += 2 * run)
        for (let i = 0; i < run; i++)
          for (const half of [0, 1]) next.push(b.shuffle(rows[r + i]!, rows[r + i + run]!, interleave(run, half)))
      rows = next
    }
    return rows
  }

  #gather(from: Source, start: Affine, k: Affine, count: number, width = this.width): Value {
    const { scope } = this
    if (count >= width) return scope.b.load(from.buffer, from.at(start, k), width, from.freeStride)
    const dtype = this.group.root.type.dtype as 'float32' | 'float64'
    let value = scope.b.number(0, { dtype, lanes: width })
    for (let lane = 0; lane < count; lane++)
      value = scope.b.insert(value, lane, scope.b.load(from.buffer, from.at(addAffine(start, lane), k)))
    return value
  }

  /** Rows of a block: [tile][k][row]. */
  #packLeft(from: Source, block: Affine, range: { stop: Affine; limit: number }, rows: number): Source {
    const { scope, tileRows } = this
    const { k } = this.group.contraction
    const to = this.packedLeft!
    // The widest vectors that rows of a tile fill.
    const width = widths(this.width, scope.context.target).find((lanes) => rows % lanes === 0)!
    scope.b.loop({ start: block, stop: range.stop, limit: range.limit, step: tileRows }, (i) => {
      const base = scaleAffine(addAffine(i, scaleAffine(block, -1)), k)
      const square = this.group.contraction.lhs.inner === 1 && width > 1 ? Math.floor(k / width) * width : 0
      scope.b.loop({ stop: square, step: width }, (at) => {
        for (let r = 0; r < rows; r += width)
          this.#transpose(from, addAffine(i, r), at, width).forEach((vector, u) => {
            scope.b.store(to, addAffine(addAffine(base, scaleAffine(addAffine(at, u), rows)), r), vector)
          })
      })
      scope.b.loop({ start: square, stop: k }, (at) => {
        const place = addAffine(base, scaleAffine(at, rows))
        if (width > 1)
          for (let r = 0; r < rows; r += width)
            scope.b.store(to, addAffine(place, r), this.#gather(from, addAffine(i, r), at, width, width))
        else
          for (let r = 0; r < rows; r++)
            scope.b.store(to, addAffine(place, r), scope.b.load(from.buffer, from.at(addAffine(i, r), at)))
      })
    })
    // Element (row r of tile i, k) stands at (i − block)·K + k·rows + r; tiles call with i + r, r < rows.
    return {
      buffer: to,
      at: (i, at) => addAffine(addAffine(scaleAffine(addAffine(i, scaleAffine(block, -1)), k), at), 0),
      freeStride: 1,
    }
  }

  /** One block of rows against all panels. `rows`: of each tile. */
  #rows(
    b: Affine,
    block: Affine,
    range: { stop: Affine; limit: number },
    rows: number,
    operand: Operand,
    right: Source,
  ): void {
    const { scope, panel, width } = this
    const { n } = this.group.contraction
    const direct = this.#inPlace(operand, b)
    const left = this.packedLeft ? this.#packLeft(direct, block, range, rows) : direct
    const whole = Math.floor(n / panel) * panel
    const column = (j: Affine, vectors: number, columns: number) =>
      this.#panelOf(b, block, range, rows, left, right, j, vectors, columns)
    scope.b.loop({ stop: whole, step: panel }, (j) => column(j, this.tileVectors, panel))
    if (whole < n) column(affine(whole), Math.ceil((n - whole) / width), n - whole)
  }

  #panelOf(
    b: Affine,
    block: Affine,
    range: { stop: Affine; limit: number },
    rows: number,
    left: Source,
    right: Source,
    j: Affine,
    vectors: number,
    columns: number,
  ): void {
    const { scope, group, segment, totals, panel, width, tileRows } = this
    const { k } = group.contraction
    const tiles = (body: (i: Affine) => void) =>
      scope.b.loop({ start: block, stop: range.stop, limit: range.limit, step: tileRows }, body)
    const total = (i: Affine, r: number, v: number) =>
      addAffine(scaleAffine(addAffine(addAffine(i, r), scaleAffine(block, -1)), panel), v * width)
    const eachVector = (body: (r: number, v: number) => void) => {
      for (let r = 0; r < rows; r++) for (let v = 0; v < vectors; v++) body(r, v)
    }

    if (k <= segment && group.epilogue.length === 0 && columns === vectors * width) {
      // Nothing to add and nothing to compute: tiles go straight to the result.
      const out = scope.buffer(group.root, 'write')
      tiles((i) => {
        const tile = this.#tile(i, j, affine(0), affine(k), rows, vectors, left, right)
        eachVector((r, v) =>
          scope.b.store(out, this.#result(b, addAffine(i, r), addAffine(j, v * width)), tile[r * vectors + v]!),
        )
      })
      return
    }
    if (k <= segment)
      tiles((i) => {
        const tile = this.#tile(i, j, affine(0), affine(k), rows, vectors, left, right)
        eachVector((r, v) => scope.b.store(totals, total(i, r, v), tile[r * vectors + v]!))
      })
    else {
      // −0 is the identity of a sum: the first segment is taken as it is.
      const dtype = group.root.type.dtype as 'float32' | 'float64'
      tiles((i) =>
        eachVector((r, v) => scope.b.store(totals, total(i, r, v), scope.b.number(-0, { dtype, lanes: width }))),
      )
      scope.b.loop({ stop: k, step: segment }, (s) =>
        tiles((i) => {
          const tile = this.#tile(i, j, s, addAffine(s, segment), rows, vectors, left, right)
          eachVector((r, v) => {
            const place = total(i, r, v)
            scope.b.store(totals, place, scope.b.op('add', scope.b.load(totals, place, width), tile[r * vectors + v]!))
          })
        }),
      )
    }
    this.#epilogue(b, block, range, j, columns)
  }

  #result(b: Affine, i: Affine, j: Affine): Affine {
    const { m, n } = this.group.contraction
    return addAffine(addAffine(scaleAffine(b, m * n), scaleAffine(i, n)), j)
  }

  /** Accumulates rows × vectors over k from `start` to min(stop, K), each element one ascending chain from zero. */
  #tile(
    i: Affine,
    j: Affine,
    start: Affine,
    stop: Affine,
    rows: number,
    vectors: number,
    left: Source,
    right: Source,
  ): Value[] {
    const { scope, width, group } = this
    const { b } = scope
    const { k } = group.contraction
    const dtype = group.root.type.dtype as 'float32' | 'float64'
    const arithmetic = floatArithmetic(b, dtype, width, scope.context.mode)
    const sums: Variable[] = Array.from({ length: rows * vectors }, () =>
      b.variable(b.number(0, { dtype, lanes: width })),
    )
    // Packed panels advance by their own width per k, operands in place by their stride.
    const packedColumns = this.packedRight ? vectors * width : 1
    const packedRows = this.packedLeft ? rows : 1
    const body = (at: Affine) => {
      const columns = Array.from({ length: vectors }, (_, v) => {
        const place = this.packedRight
          ? addAffine(right.at(j, scaleAffine(at, packedColumns)), v * width)
          : right.at(addAffine(j, v * width), at)
        return b.load(right.buffer, place, width, this.packedRight ? 1 : right.freeStride)
      })
      for (let r = 0; r < rows; r++) {
        const place = this.packedLeft
          ? addAffine(left.at(i, scaleAffine(at, packedRows)), r)
          : left.at(addAffine(i, r), at)
        const row = b.load(left.buffer, place, width, 0)
        columns.forEach((column, v) => {
          const sum = sums[r * vectors + v]!
          b.set(sum, arithmetic.fma(row, column, b.get(sum)))
        })
      }
    }
    const squares = this.transposing ? Math.floor(k / width) * width : 0
    if (squares > 0)
      b.loop({ start, stop, limit: squares, step: width }, (at) => {
        for (let v = 0; v < vectors; v++)
          this.#transpose(right, addAffine(j, v * width), at, width).forEach((column, u) => {
            for (let r = 0; r < rows; r++) {
              const row = b.load(left.buffer, left.at(addAffine(i, r), addAffine(at, u)), width, 0)
              const sum = sums[r * vectors + v]!
              b.set(sum, arithmetic.fma(row, column, b.get(sum)))
            }
          })
      })
    if (squares < k) b.loop({ start: squares > 0 ? affine(squares) : start, stop, limit: k }, body)
    return sums.map((sum) => b.get(sum))
  }

  /** Stores the totals of a block and panel, and what the fused stages make of them. */
  #epilogue(b: Affine, block: Affine, range: { stop: Affine; limit: number }, j: Affine, columns: number): void {
    const { scope, group, totals, panel } = this
    const { root, contraction, epilogue } = group
    const lanes = epilogue.length === 0 ? this.width : lanesFor(epilogue, scope.context.target)
    const width = lanes === this.width ? lanes : 1
    const merged = epilogue.map((stage) => mergeStage(stage, (offset) => mergeOffset(contraction, offset)!))
    const rootKey = epilogue[0] ? accessKey(scope.context.ids.get(root), epilogue[0].store) : ''
    // Runs of columns by width: full vectors, halves of them, one by one.
    const runs: { wide: number; from: number; to: number }[] = []
    for (const wide of widths(width, scope.context.target)) {
      const from = runs.at(-1)?.to ?? 0
      const to = Math.floor(columns / wide) * wide
      if (from < to) runs.push({ wide, from, to })
    }
    // What does not move along the columns is read once a row, what does not move at all once a panel.
    const made = new Set([root, ...epilogue.map((stage) => stage.root)])
    const still = (at: readonly Affine[], moves: (coefficients: readonly number[]) => boolean): Map<number, Known> =>
      new Map(runs.map(({ wide }) => [wide, stillValues(scope, merged, made, at, wide, moves)]))
    const fixed = still([b, block, j], ([, m, n]) => m === 0 && n === 0)
    scope.b.loop({ start: block, stop: range.stop, limit: range.limit }, (i) => {
      const row = scaleAffine(addAffine(i, scaleAffine(block, -1)), panel)
      const ofRow = still([b, i, j], ([, m, n]) => m !== 0 && n === 0)
      const element = (c: Affine, wide: number) => {
        const value = scope.b.load(totals, addAffine(row, c), wide)
        const at = [b, i, addAffine(j, c)]
        const known: Known = new Map([...fixed.get(wide)!, ...ofRow.get(wide)!, [rootKey, value]])
        if (scope.context.needsMemory(root))
          scope.b.store(scope.buffer(root, 'write'), this.#result(b, i, addAffine(j, c)), value)
        for (const stage of merged) {
          const result = scope.evaluate(stage, at, wide, 2, known)
          known.set(stage.storeKey, result)
          if (scope.context.needsMemory(stage.root))
            scope.b.store(scope.buffer(stage.root, 'write'), scope.place(stage.store, at), result)
        }
      }
      for (const { wide, from, to } of runs)
        if (wide === 1 && width > 1) scope.b.loop({ start: from, stop: to }, (c) => element(c, 1))
        else for (let c = from; c < to; c += wide) element(affine(c), wide)
    })
  }
}

/** Values of accesses that move as `moves` says, loaded at `at` and repeated in every lane. */
function stillValues(
  scope: KernelScope,
  stages: readonly Stage[],
  made: ReadonlySet<Node>,
  at: readonly Affine[],
  width: number,
  moves: (coefficients: readonly number[]) => boolean,
): Known {
  const known: Known = new Map()
  for (const stage of stages)
    for (const step of stage.steps) {
      if (step.kind !== 'access' || known.has(step.key) || made.has(step.access.node)) continue
      const { node, offset } = step.access
      if (!moves(offset.coefficients)) continue
      const value = scope.b.load(scope.buffer(node, 'read'), scope.place(offset, at))
      known.set(step.key, scope.b.splat(value, width))
    }
  return known
}

/** A stage over (batch, m, n) instead of the result's own axes. */
function mergeStage(
  stage: Stage,
  merge: (offset: Offset) => { constant: number; batch: number; m: number; n: number },
): Stage {
  const move = (offset: Offset): Offset => {
    const { constant, batch, m, n } = merge(offset)
    return { constant, coefficients: [batch, m, n] }
  }
  return {
    ...stage,
    store: move(stage.store),
    steps: stage.steps.map((step) =>
      step.kind === 'access'
        ? { ...step, access: { node: step.access.node, offset: move(step.access.offset) } }
        : step.kind === 'iota'
          ? { ...step, at: move(step.at) }
          : step,
    ),
  }
}

const flopsPerElement = (stage: Stage): number =>
  stage.steps.reduce((sum, step) => sum + (step.kind === 'op' ? flopsOf(step.node.op) : 0), 0)
const roundUp = (x: number, to: number): number => Math.ceil(x / to) * to
