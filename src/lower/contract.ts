/**
 * @file The contraction kernel: out[b, m, n] = Σₖ lhs[b, m, k] · rhs[b, k, n], with elementwise stages as its epilogue.
 *
 * Blocks of rows of the left operand and panels of columns of the right one are packed where that pays (pack.ts); a
 * micro-kernel keeps a tile of rows by vectors (target.ts) in registers over a segment of k and adds it to a block of
 * totals; when all segments are done the epilogue reads the totals (epilogue.ts). The order of k is the contract's:
 * ascending chains of 512, their sums added in ascending order, whatever the tiles.
 * Threads share the batch, else the blocks of rows, else (few rows, one block) the panels of columns.
 * After Goto & van de Geijn 2008, ACM TOMS 34(3).
 */
import type { FloatDType } from '../base/dtype.js'
import { floatArithmetic } from '../kernel/builder.js'
import { type Affine, addAffine, affine, type Buffer, scaleAffine, type Value } from '../kernel/loop.js'
import { type Contraction, product } from './contraction.js'
import { Epilogue, resultPlace } from './epilogue.js'
import type { ContractGroup } from './fuse.js'
import { inPlace, packLeft, packRight, type Rows, type Source, transposed } from './pack.js'
import { KernelScope, type LowerContext, type Lowered } from './scope.js'
import type { Stage } from './stage.js'
import { lanesOf, type Target } from './target.js'
import { flopsOf } from './values.js'

/**
 * The target's vectors of columns; with fewer rows more columns keep sums in flight. Not more than four: columns that are
 * a power of two apart in memory would push each other out of the first-level cache.
 */
export function vectorsFor(rows: number, { tileRows, tileVectors }: Target): number {
  const sums = tileRows * tileVectors
  return Math.min(4, Math.max(tileVectors, 2 ** Math.floor(Math.log2(sums / Math.max(1, rows)))))
}
/** So many sums keep the multiply-adds of a processor busy (two a cycle, four or five cycles each). */
const enoughSums = 10
/** Rows of a tile: the target's, or fewer where that leaves no row over and still enough sums (docs/tuning.md). */
export function rowsFor(m: number, { tileRows, tileVectors }: Target): number {
  if (tileRows <= 4 || m < tileRows) return tileRows <= 4 ? tileRows : evenRows(m, tileRows, 1)
  return evenRows(m, tileRows, Math.min(tileRows, Math.ceil(enoughSums / tileVectors)))
}
function evenRows(m: number, most: number, least: number): number {
  for (let rows = most; rows >= least && 2 * rows > most; rows--) if (m % rows === 0) return rows
  return most
}
/** Bytes of packed rows of the left operand that are worked on at a time: a part of the second-level cache. */
const blockBytes = 128 * 1024
/** With so few rows or fewer, columns are read in place where they can be, and threads share columns. */
const fewRows = 64

export function lowerContract(group: ContractGroup, context: LowerContext, name: string): Lowered {
  return new ContractKernel(group, context).lower(name)
}

class ContractKernel {
  readonly #scope: KernelScope
  readonly #group: ContractGroup
  readonly #dtype: FloatDType
  readonly #segment: number
  /** Lanes of a vector. */
  readonly #width: number
  readonly #tileRows: number
  /** Columns of a full tile. */
  readonly #panel: number
  readonly #blockRows: number
  /** There is one block of rows: threads share the panels, and its packed rows. */
  readonly #panels: boolean
  readonly #totals: Buffer
  readonly #packedLeft: Buffer | undefined
  readonly #packedRight: Buffer | undefined
  /** Columns are contiguous along k, and transposed into registers as they are read. */
  readonly #transposing: boolean

  constructor(group: ContractGroup, context: LowerContext) {
    const { rhs } = group.contraction
    const { batch, m, n, k } = sizesOf(group.contraction)
    const { target } = context
    this.#group = group
    this.#scope = new KernelScope(context)
    this.#dtype = group.root.type.dtype as FloatDType
    this.#segment = group.root.attrs.order.segment
    const width = (this.#width = lanesOf(this.#dtype, target))
    const tileRows = (this.#tileRows = rowsFor(m, target))
    const panel = (this.#panel = vectorsFor(m, target) * width)
    const bytes = this.#dtype === 'float64' ? 8 : 4
    const allRows = roundUp(m, tileRows)
    const cached = Math.floor(blockBytes / bytes / Math.max(1, k) / tileRows) * tileRows
    this.#blockRows = Math.min(allRows, Math.max(tileRows * 4, cached))
    const { threads } = this.#scope
    if (threads > 1 && batch === 1) {
      // Columns, if as fair: then a weight and its moments are always one thread's, in the forward pass and in the update.
      const rows = shareRows(Math.floor(m / tileRows), this.#blockRows / tileRows, threads)
      const panels = Math.floor(n / panel)
      const small = m <= fewRows || allRows <= this.#blockRows
      const columns = small && Math.ceil(panels / threads) / panels <= 1.1 * rows.share
      this.#blockRows = columns ? allRows : rows.block * tileRows
    }
    this.#panels = batch === 1 && m < this.#blockRows + tileRows
    // Columns that are neighbours in memory are read in place while few rows reuse them; others are packed.
    const [free, inner] = [rhs.free[0] ?? 0, rhs.inner[0] ?? 0]
    const few = m <= Math.min(fewRows, 8 * tileRows)
    const direct = (free === 1 || n === 1) && n % width === 0 && (few || k * n * bytes <= 16384)
    // One row or two use each column once or twice: packing it would not pay.
    this.#transposing = !direct && m <= 2 && inner === 1 && n % width === 0
    const packsLeft = m >= tileRows && n >= 4 * panel && m * k * bytes > 32768
    const scratch = (length: number, own: boolean) => this.#scope.scratch(this.#dtype, length, own)
    this.#packedRight = direct || this.#transposing ? undefined : scratch(k * roundUp(n, width), batch > 1)
    this.#packedLeft = packsLeft ? scratch(k * Math.min(this.#blockRows, allRows), !this.#panels) : undefined
    this.#totals = scratch(this.#blockRows * panel, true)
  }

  lower(name: string): Lowered {
    const scope = this.#scope
    const { contraction, epilogue: stages } = this.#group
    const { rhs } = contraction
    const { batch, m, n, k } = sizesOf(contraction)
    scope.flops = batch * m * n * (2 * k + stages.reduce((sum, stage) => sum + flopsPerElement(stage), 0))
    const whole = Math.floor(m / this.#tileRows) * this.#tileRows
    scope.nest(contraction.batch, [], (b) => {
      const direct = inPlace(scope, rhs, b)
      const shape = { k, width: this.#width, contiguous: rhs.inner[0] === 1, n, panel: this.#panel }
      const right = this.#packedRight ? packRight(scope, direct, this.#packedRight, shape) : direct
      scope.parallel({ stop: whole, step: this.#blockRows }, (start) => {
        this.#block(b, { start, stop: addAffine(start, this.#blockRows), limit: whole }, this.#tileRows, right)
      })
      if (whole < m) this.#block(b, { start: affine(whole), stop: affine(m), limit: m }, m - whole, right)
    })
    return scope.finish(name)
  }

  /** A block of rows, `rows` in each tile, against all panels. */
  #block(b: readonly Affine[], block: Rows, rows: number, right: Source): void {
    const scope = this.#scope
    const { lhs } = this.#group.contraction
    const { n, k } = sizesOf(this.#group.contraction)
    const direct = inPlace(scope, lhs, b)
    const shape = { k, width: this.#width, contiguous: lhs.inner[0] === 1, rows, step: this.#tileRows }
    const left = this.#packedLeft ? packLeft(scope, direct, this.#packedLeft, block, shape) : direct
    const whole = Math.floor(n / this.#panel) * this.#panel
    // Rows left over that the first thread has packed are its own to multiply.
    const parallel = scope.threads > 1 && !this.#packedLeft?.perThread
    scope.b.loop({ stop: whole, step: this.#panel, parallel }, (j) =>
      this.#panelOf(b, block, rows, left, right, j, this.#panel),
    )
    if (whole < n) this.#panelOf(b, block, rows, left, right, affine(whole), n - whole)
  }

  /** A block of rows against `columns` columns from j on. */
  #panelOf(
    b: readonly Affine[],
    block: Rows,
    rows: number,
    left: Source,
    right: Source,
    j: Affine,
    columns: number,
  ): void {
    const scope = this.#scope
    const width = this.#width
    const { contraction, root, epilogue: stages } = this.#group
    const { k } = sizesOf(contraction)
    const vectors = Math.ceil(columns / width)
    const tiles = (body: (i: Affine) => void) =>
      scope.b.loop({ start: block.start, stop: block.stop, limit: block.limit, step: this.#tileRows }, body)
    const total = (i: Affine, r: number, v: number) =>
      addAffine(scaleAffine(addAffine(addAffine(i, r), scaleAffine(block.start, -1)), this.#panel), v * width)
    /** Calls `body` for each vector of a tile, with its sum over k from `start` to `stop`. */
    const eachSum = (i: Affine, start: Affine, stop: Affine, body: (r: number, v: number, sum: Value) => void) => {
      const sums = this.#tile(i, j, start, stop, rows, vectors, left, right)
      for (let r = 0; r < rows; r++) for (let v = 0; v < vectors; v++) body(r, v, sums[r * vectors + v]!)
    }
    if (k <= this.#segment) {
      // One segment; with nothing to compute, tiles go straight to the result.
      const straight = stages.length === 0 && columns === vectors * width
      const out = straight ? scope.buffer(root, 'write') : this.#totals
      tiles((i) =>
        eachSum(i, affine(0), affine(k), (r, v, sum) => {
          const place = straight
            ? resultPlace(contraction, [...b, addAffine(i, r), addAffine(j, v * width)])
            : total(i, r, v)
          scope.b.store(out, place, sum)
        }),
      )
      if (straight) return
    } else {
      // −0 is the identity of a sum: the first segment is taken as it is.
      const zero = () => scope.b.number(-0, { dtype: this.#dtype, lanes: width })
      tiles((i) => {
        for (let r = 0; r < rows; r++)
          for (let v = 0; v < vectors; v++) scope.b.store(this.#totals, total(i, r, v), zero())
      })
      scope.b.loop({ stop: k, step: this.#segment }, (s) =>
        tiles((i) =>
          eachSum(i, s, addAffine(s, this.#segment), (r, v, sum) => {
            const place = total(i, r, v)
            scope.b.store(this.#totals, place, scope.b.op('add', scope.b.load(this.#totals, place, width), sum))
          }),
        ),
      )
    }
    const ends = new Epilogue(scope, this.#group, width, columns)
    const fixed = ends.still([...b, block.start, j], [b.length, b.length + 1])
    scope.b.loop({ start: block.start, stop: block.stop, limit: block.limit }, (i) => {
      const row = scaleAffine(addAffine(i, scaleAffine(block.start, -1)), this.#panel)
      const ofRow = ends.still([...b, i, j], [b.length + 1], fixed)
      ends.row((c, wide) => {
        const value = scope.b.load(this.#totals, addAffine(row, c), wide)
        ends.element([...b, i, addAffine(j, c)], wide, value, ofRow)
      })
    })
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
    const { b, context } = this.#scope
    const width = this.#width
    const { k } = sizesOf(this.#group.contraction)
    const arithmetic = floatArithmetic(b, this.#dtype, width, context.mode)
    const sums = Array.from({ length: rows * vectors }, () =>
      b.variable(b.number(0, { dtype: this.#dtype, lanes: width })),
    )
    const accumulate = (at: Affine, columns: readonly Value[], from: number) => {
      for (let r = 0; r < rows; r++) {
        const row = b.load(left.buffer, left.at(i, r, at, rows), width, 0)
        columns.forEach((column, v) => {
          const sum = sums[r * vectors + from + v]!
          b.set(sum, arithmetic.fma(row, column, b.get(sum)))
        })
      }
    }
    const squares = this.#transposing ? Math.floor(k / width) * width : 0
    if (squares > 0)
      b.loop({ start, stop, limit: squares, step: width }, (at) => {
        for (let v = 0; v < vectors; v++)
          transposed(this.#scope, right, j, v * width, at, width).forEach((column, u) => {
            accumulate(addAffine(at, u), [column], v)
          })
      })
    // One k at a time: V8 spills when it is unrolled (docs/decisions.md).
    if (squares < k)
      b.loop({ start: squares > 0 ? affine(squares) : start, stop, limit: k }, (at) => {
        const columns = Array.from({ length: vectors }, (_, v) =>
          b.load(right.buffer, right.at(j, v * width, at, vectors * width), width, right.stride),
        )
        accumulate(at, columns, 0)
      })
    return sums.map((sum) => b.get(sum))
  }
}

/**
 * Tiles of a block where threads share the blocks: at most twice as many blocks as need be, so that the busiest thread's
 * share is small.
 */
function shareRows(tiles: number, most: number, threads: number): { block: number; share: number } {
  let best = { block: most, share: 1 }
  const least = Math.ceil(tiles / threads / most)
  for (let blocks = least; blocks <= 2 * least; blocks++) {
    const block = Math.ceil(tiles / threads / blocks)
    const share = (Math.ceil(Math.ceil(tiles / block) / threads) * block) / tiles
    if (share < best.share) best = { block, share }
  }
  return best
}

const flopsPerElement = (stage: Stage): number =>
  stage.steps.reduce((sum, step) => sum + (step.kind === 'op' ? flopsOf(step.node.op) : 0), 0)
/** Extents of a contraction that is a product of matrices. */
const sizesOf = ({ batch, m, n, k }: Contraction) => ({
  batch: product(batch),
  m: m[0] ?? 1,
  n: n[0] ?? 1,
  k: k[0] ?? 1,
})
const roundUp = (x: number, to: number): number => Math.ceil(x / to) * to
