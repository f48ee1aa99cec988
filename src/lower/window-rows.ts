/**
 * @file Windows as rows: each element is read where it lies, the columns of a segment are packed. Where windows are the elements of a
 * kernel and the sums go over all samples and places: gradients of convolutions' kernels.
 */
import { stridesOf } from '../base/shape.js'
import { type Affine, addAffine, affine, type Buffer, scaleAffine } from '../kernel/loop.js'
import { rowsFor, vectorsFor } from './contract.js'
import { product } from './contraction.js'
import { Epilogue } from './epilogue.js'
import type { ContractGroup } from './fuse.js'
import { alongAxes, transposed } from './pack.js'
import type { LowerContext } from './scope.js'
import { type Place, storesAlongRows, Windowed } from './windowed.js'

interface Range {
  readonly start: Affine
  readonly stop: Affine
  readonly limit: number
}

export class WindowRows extends Windowed {
  readonly #n: number
  /** At least one axis. */
  readonly #m: readonly number[]
  /** Axes of m that a tile covers, from this one on; or only a part of the last axis. */
  readonly #tileAxis: number
  readonly #tileRows: number
  readonly #panelSize: number
  readonly #right: Buffer
  readonly #totals: Buffer

  constructor(group: ContractGroup, context: LowerContext) {
    super(group, context)
    const { n } = group.contraction
    const { target } = context
    const m = (this.#m = group.contraction.m.length === 0 ? [1] : group.contraction.m)
    this.#n = n[0] ?? 1
    let axis = m.length
    let rows = 1
    while (axis > 0 && rows * m[axis - 1]! <= target.tileRows) rows *= m[--axis]!
    if (axis === m.length) rows = rowsFor(m[--axis]!, target)
    this.#tileAxis = axis
    this.#tileRows = rows
    // As many sums as keep multiply-adds busy, if there are registers for them.
    const wide = rows * target.tileVectors < 8 && rows * 3 <= 9 ? 3 : vectorsFor(rows, target)
    // Where one tile covers all rows, threads share the columns.
    const threads = axis === 0 && product(group.contraction.batch) === 1 ? this.scope.threads : 1
    const vectors = Math.min(wide, Math.ceil(this.#n / this.width / threads))
    this.#panelSize = vectors * this.width
    this.#right = this.scope.scratch(this.dtype, product(this.segments.inner) * this.#panelSize, true)
    this.#totals = this.scope.scratch(this.dtype, product(m) * this.#panelSize, true)
  }

  protected body(): void {
    const { scope } = this
    const { batch } = this.group.contraction
    const m = this.#m
    // Threads take batches, else parts of the first axis of rows: each packs the columns it needs.
    const alone = product(batch) > 1 || this.#tileAxis === 0
    const first = this.#tileAxis === 0 ? 1 : m[0]!
    const step = alone ? first : Math.ceil(first / scope.threads)
    scope.nest(batch, [], (b) =>
      scope.parallel({ stop: first, step }, (start) => {
        const rows = { start, stop: addAffine(start, step), limit: first }
        const whole = Math.floor(this.#n / this.#panelSize) * this.#panelSize
        scope.parallel({ stop: whole, step: this.#panelSize }, (j) => this.#panel(b, rows, j, this.#panelSize))
        if (whole < this.#n) this.#panel(b, rows, affine(whole), this.#n - whole)
      }),
    )
  }

  /** Calls `body` for each tile of rows: its place along m, and how many rows it has. */
  #tiles(range: Range, body: (at: Place, rows: number) => void): void {
    const { b } = this.scope
    const m = this.#m
    const axis = this.#tileAxis
    const inTile = (outer: Place) => {
      if (axis < m.length - 1 || this.#tileRows >= m[axis]!) {
        body([...outer, ...m.slice(axis).map(() => affine(0))], product(m.slice(axis)))
        return
      }
      const whole = Math.floor(m[axis]! / this.#tileRows) * this.#tileRows
      b.loop({ stop: whole, step: this.#tileRows }, (i) => body([...outer, i], this.#tileRows))
      if (whole < m[axis]!) body([...outer, affine(whole)], m[axis]! - whole)
    }
    if (axis === 0) inTile([])
    else b.loop(range, (first) => this.scope.nest(m.slice(1, axis), [first], inTile, true))
  }

  /** Row `r` of a tile. */
  #row(at: Place, r: number): Place {
    const m = this.#m
    const axis = this.#tileAxis
    let rest = r
    return at.map((index, d) => {
      if (d < axis) return index
      const inner = product(m.slice(d + 1))
      const step = Math.floor(rest / inner)
      rest -= step * inner
      return addAffine(index, step)
    })
  }

  #panel(b: Place, range: Range, j: Affine, columns: number): void {
    const { scope, width } = this
    const { lhs } = this.group.contraction
    const m = this.#m
    const vectors = Math.ceil(columns / width)
    const panel = vectors * width
    const total = (at: Place, v: number) => addAffine(scaleAffine(alongAxes(at, stridesOf(m)), panel), v * width)
    if (!this.isWhole)
      this.#tiles(range, (at, rows) => {
        for (let r = 0; r < rows; r++)
          for (let v = 0; v < vectors; v++) scope.b.store(this.#totals, total(this.#row(at, r), v), this.number(-0))
      })
    this.eachSegment((along, local) => {
      const packed = (at: Place) => scaleAffine(local(at), panel)
      this.#packRight(b, j, columns, panel, along, packed)
      this.#tiles(range, (at, rows) =>
        this.tile(
          rows,
          vectors,
          (body) => scope.nest(this.segments.inner, [], body, true),
          (r, k) => {
            const from = this.place('lhs', b, this.#row(at, r), along(k))
            return scope.b.load(scope.buffer(lhs.access.node, 'read'), from, width, 0)
          },
          (v, k) => scope.b.load(this.#right, addAffine(packed(k), v * width), width),
          (r, v, sum) => this.accumulate(this.#totals, total(this.#row(at, r), v), sum, this.isWhole),
        ),
      )
    })
    this.#finish(b, range, j, columns, total)
  }

  #finish(b: Place, range: Range, j: Affine, columns: number, total: (at: Place, v: number) => Affine): void {
    const { scope } = this
    const m = this.#m
    if (storesAlongRows(this.group)) {
      const ends = new Epilogue(scope, this.group, this.width, m.at(-1)!, 'rows')
      const outer = (body: (at: Place) => void) => {
        // Tiles that cover all rows are no part of the range.
        if (this.#tileAxis === 0) scope.nest(m.slice(0, -1), [], body, true)
        else scope.b.loop(range, (first) => scope.nest(m.slice(1, -1), [first], body, true))
      }
      outer((at) =>
        scope.b.loop({ stop: columns }, (c) => {
          const still = ends.still([...b, ...at, affine(0), addAffine(j, c)])
          ends.row((i, wide) => {
            const place = addAffine(total([...at, i], 0), c)
            const value = scope.b.load(this.#totals, place, wide, this.#stride(columns))
            ends.element([...b, ...at, i, addAffine(j, c)], wide, value, still)
          })
        }),
      )
      return
    }
    const ends = new Epilogue(scope, this.group, this.width, columns)
    this.#tiles(range, (at, rows) => {
      for (let r = 0; r < rows; r++) {
        const row = this.#row(at, r)
        const still = ends.still([...b, ...row, j])
        ends.row((c, wide) => {
          const value = scope.b.load(this.#totals, addAffine(total(row, 0), c), wide)
          ends.element([...b, ...row, addAffine(j, c)], wide, value, still)
        })
      }
    })
  }

  /** Columns of a row of totals. */
  #stride(columns: number): number {
    return Math.ceil(columns / this.width) * this.width
  }

  /** The columns of a segment, [k][column]; the last vector is filled with zeros. */
  #packRight(
    b: Place,
    j: Affine,
    columns: number,
    panel: number,
    along: (at: Place) => Place,
    packed: (at: Place) => Affine,
  ): void {
    const { scope, width } = this
    const { rhs } = this.group.contraction
    const buffer = scope.buffer(rhs.access.node, 'read')
    const free = rhs.free[0] ?? 0
    const { inner } = this.segments
    const extent = inner.at(-1)!
    // Where k lies along, squares are turned in registers, width columns by width elements of k.
    const squares =
      rhs.inner.at(-1) === 1 && columns >= width && extent >= width ? Math.floor(extent / width) * width : 0
    const turned = Math.floor(columns / width) * width
    const element = (at: Place, from: number) => {
      const start = this.place('rhs', b, [j], along(at))
      this.pieces(columns - from, (c, wide) => {
        const value = scope.b.load(buffer, addAffine(start, (from + c) * free), wide, free)
        scope.b.store(this.#right, addAffine(packed(at), from + c), value)
      })
      this.pieces(panel - columns, (c, wide) =>
        scope.b.store(this.#right, addAffine(packed(at), columns + c), this.number(0, wide)),
      )
    }
    scope.nest(
      inner.slice(0, -1),
      [],
      (outer) => {
        scope.b.loop({ stop: squares, step: width }, (first) => {
          const start = this.place('rhs', b, [j], along([...outer, first]))
          const source = {
            buffer,
            at: (_: Affine, offset: number, k: Affine) => addAffine(addAffine(start, offset * free), k),
            stride: free,
          }
          for (let c = 0; c < turned; c += width)
            transposed(scope, source, affine(0), c, affine(0), width).forEach((vector, u) => {
              scope.b.store(this.#right, addAffine(packed([...outer, addAffine(first, u)]), c), vector)
            })
        })
        if (squares > 0 && turned < panel) scope.b.loop({ stop: squares }, (k) => element([...outer, k], turned))
        scope.b.loop({ start: squares, stop: extent }, (k) => element([...outer, k], 0))
      },
      true,
    )
  }
}
