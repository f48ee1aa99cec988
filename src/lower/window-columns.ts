/**
 * @file Windows as columns: places of the output along the last axes, outputs as rows. A panel of places at a time is packed, runs
 * along the last axis by vectors; all rows are multiplied with it. Where outputs do not fill vectors.
 */
import { stridesOf } from '../base/shape.js'
import { type Affine, addAffine, affine, type Buffer, scaleAffine } from '../kernel/loop.js'
import { rowsFor, vectorsFor } from './contract.js'
import { product } from './contraction.js'
import { Epilogue } from './epilogue.js'
import type { ContractGroup } from './fuse.js'
import { alongAxes } from './pack.js'
import type { LowerContext } from './scope.js'
import type { Target } from './target.js'
import { type Place, Windowed } from './windowed.js'

export class WindowColumns extends Windowed {
  readonly #tileRows: number
  readonly #m: number
  readonly #left: Buffer
  readonly #right: Buffer
  readonly #totals: Buffer
  readonly #yExtent: number
  readonly #xExtent: number
  /** Rows of places in a panel, and places of a row. */
  readonly #yStep: number
  readonly #xStep: number
  /** Batch axes along which the left operand moves: it is packed once for each place along them. */
  readonly #moving: readonly number[]

  constructor(group: ContractGroup, context: LowerContext) {
    super(group, context)
    const { batch, m, n, lhs } = group.contraction
    this.#m = m[0] ?? 1
    this.#xExtent = n.at(-1) ?? 1
    this.#yExtent = n.at(-2) ?? 1
    const panel = fullestPanel(this.#m, this.#yExtent, this.#xExtent, this.width, context.target)
    this.#tileRows = panel.tileRows
    this.#yStep = panel.rows
    this.#xStep = panel.columns
    const most = panel.vectors * this.width
    this.#moving = lhs.batch.flatMap((stride, axis) => (stride === 0 ? [] : [axis]))
    const copies = product(this.#moving.map((axis) => batch[axis]!))
    this.#left = this.scope.scratch(this.dtype, copies * this.#m * this.k)
    this.#right = this.scope.scratch(this.dtype, product(this.segments.inner) * most, true)
    this.#totals = this.scope.scratch(this.dtype, this.#m * most, true)
  }

  protected body(): void {
    const { scope } = this
    const { batch, n } = this.group.contraction
    this.#packLeft()
    scope.nest([...batch, ...n.slice(0, -2)], [], (at) => {
      const [b, outer] = [at.slice(0, batch.length), at.slice(batch.length)]
      this.#steps(this.#yExtent, this.#yStep, true, (y, rows) =>
        this.#steps(this.#xExtent, this.#xStep, true, (x, columns) => {
          const places = n.length > 1 ? [...outer, y, x] : [x]
          this.#panel(b, places, rows, columns)
        }),
      )
    })
  }

  /** Calls `body` for full steps, and for what is left over. */
  #steps(extent: number, step: number, parallel: boolean, body: (at: Affine, count: number) => void): void {
    const whole = Math.floor(extent / step) * step
    const loop = parallel ? this.scope.parallel.bind(this.scope) : this.scope.b.loop.bind(this.scope.b)
    loop({ stop: whole, step }, (at) => body(at, step))
    if (whole < extent) body(affine(whole), extent - whole)
  }

  /** [place along the moving batch axes][tile][k][row] */
  #packLeft(): void {
    const { scope } = this
    const { batch, k, lhs } = this.group.contraction
    scope.nest(
      this.#moving.map((axis) => batch[axis]!),
      [],
      (moving) => {
        const b = batch.map((_, axis) => moving[this.#moving.indexOf(axis)] ?? affine(0))
        this.#steps(this.#m, this.#tileRows, true, (i, rows) =>
          scope.nest(
            k,
            [],
            (at) => {
              const linear = alongAxes(at, stridesOf(k))
              for (let r = 0; r < rows; r++) {
                const from = this.place('lhs', b, [addAffine(i, r)], at)
                const value = scope.b.load(scope.buffer(lhs.access.node, 'read'), from)
                scope.b.store(this.#left, this.#leftPlace(b, i, r, linear, rows), value)
              }
            },
            true,
          ),
        )
      },
    )
  }

  #leftPlace(b: Place, i: Affine, r: number, k: Affine, rows: number): Affine {
    const { batch } = this.group.contraction
    const strides = stridesOf(this.#moving.map((axis) => batch[axis]!))
    const copy = alongAxes(
      this.#moving.map((axis) => b[axis]!),
      strides,
    )
    const start = scaleAffine(addAffine(scaleAffine(copy, this.#m), i), this.k)
    return addAffine(addAffine(start, scaleAffine(k, rows)), r)
  }

  /** All rows of the result at `rows` × `columns` places from `places` on. */
  #panel(b: Place, places: Place, rows: number, columns: number): void {
    const { scope, width } = this
    const { k } = this.group.contraction
    const vectors = Math.ceil((rows * columns) / width)
    const panel = vectors * width
    const tiles = (body: (i: Affine, count: number) => void) => this.#steps(this.#m, this.#tileRows, false, body)
    const total = (i: Affine, r: number, v: number) => addAffine(scaleAffine(addAffine(i, r), panel), v * width)
    if (!this.isWhole)
      scope.b.loop({ stop: this.#m }, (i) => {
        for (let v = 0; v < vectors; v++) scope.b.store(this.#totals, total(i, 0, v), this.number(-0))
      })
    this.eachSegment((along, local) => {
      const packed = (at: Place) => scaleAffine(local(at), panel)
      this.#packRight(b, places, rows, columns, panel, along, packed)
      // What is packed lies by number: one loop over the segment.
      const length = product(this.segments.inner)
      const start = alongAxes(along(this.segments.inner.map(() => affine(0))), stridesOf(k))
      tiles((i, count) =>
        this.tile(
          count,
          vectors,
          (body) => scope.b.loop({ stop: length }, (at) => body([at])),
          (r, [at]) => scope.b.load(this.#left, this.#leftPlace(b, i, r, addAffine(start, at!), count), width, 0),
          (v, [at]) => scope.b.load(this.#right, addAffine(scaleAffine(at!, panel), v * width), width),
          (r, v, sum) => this.accumulate(this.#totals, total(i, r, v), sum, this.isWhole),
        ),
      )
    })
    this.#finish(b, places, rows, columns, panel)
  }

  /** [place in the segment][row of places][place]; what is left of the last vector is zero. */
  #packRight(
    b: Place,
    places: Place,
    rows: number,
    columns: number,
    panel: number,
    along: (at: Place) => Place,
    packed: (at: Place) => Affine,
  ): void {
    const { scope } = this
    const { rhs } = this.group.contraction
    const stride = rhs.free.at(-1) ?? 0
    scope.nest(
      this.segments.inner,
      [],
      (at) => {
        for (let y = 0; y < rows; y++)
          this.pieces(columns, (x, wide) => {
            const from = this.place('rhs', b, moved(places, y, x), along(at))
            const value = scope.b.load(scope.buffer(rhs.access.node, 'read'), from, wide, stride)
            scope.b.store(this.#right, addAffine(packed(at), y * columns + x), value)
          })
        const used = rows * columns
        this.pieces(panel - used, (x, wide) =>
          scope.b.store(this.#right, addAffine(packed(at), used + x), this.number(0, wide)),
        )
      },
      true,
    )
  }

  #finish(b: Place, places: Place, rows: number, columns: number, panel: number): void {
    const { scope } = this
    const ends = new Epilogue(scope, this.group, this.width, columns)
    const moving = [b.length, ...places.map((_, axis) => b.length + 1 + axis)]
    const fixed = ends.still([...b, affine(0), ...places], moving)
    scope.b.loop({ stop: this.#m }, (i) => {
      const ofRow = ends.still([...b, i, ...places], moving.slice(1), fixed)
      for (let y = 0; y < rows; y++)
        ends.row((x, wide) => {
          const at = addAffine(addAffine(scaleAffine(i, panel), y * columns), x)
          const value = scope.b.load(this.#totals, at, wide)
          ends.element([...b, i, ...moved(places, y, x)], wide, value, ofRow)
        })
    })
  }
}

interface Panel {
  readonly vectors: number
  /** Rows of places, and places of each. */
  readonly rows: number
  readonly columns: number
  /** Rows of the tile that keeps so many vectors of sums for each in registers. */
  readonly tileRows: number
}

/** The panel whose vectors the places fill best: as wide as the target's tile, or wider with fewer rows in a tile. */
function fullestPanel(m: number, yExtent: number, xExtent: number, width: number, target: Target): Panel {
  const least = vectorsFor(m, target)
  const sums = target.tileRows * target.tileVectors
  let best: Panel | undefined
  let most = 0
  for (let vectors = 1; vectors <= Math.max(least, Math.floor(sums / 3)); vectors++) {
    const columns = Math.min(xExtent, vectors * width)
    const rows = columns < xExtent ? 1 : Math.min(yExtent, Math.floor((vectors * width) / xExtent))
    const inRow = (count: number) =>
      Math.floor(xExtent / columns) * Math.ceil((count * columns) / width) +
      Math.ceil((count * (xExtent % columns)) / width)
    const used = Math.floor(yExtent / rows) * inRow(rows) + inRow(yExtent % rows)
    // Few vectors leave multiply-adds idle; many keep few rows in registers, which are read again for each.
    const filled = ((yExtent * xExtent) / (used * width)) * (1 - 0.03 * Math.abs(vectors - least))
    if (filled <= most) continue
    most = filled
    best = { vectors, rows, columns, tileRows: vectors <= least ? rowsFor(m, target) : rowsOf(m, sums / vectors) }
  }
  return best!
}

/** At most so many rows; as many as divide all, if at least three do. */
function rowsOf(m: number, most: number): number {
  const whole = Math.floor(Math.min(m, most))
  for (let rows = whole; rows >= 3; rows--) if (m % rows === 0) return rows
  return whole
}

/** Places with the last two axes moved on. */
function moved(places: Place, y: number, x: number | Affine): Place {
  const last = places.length - 1
  return places.map((place, axis) =>
    axis === last ? addAffine(place, x) : axis === last - 1 ? addAffine(place, y) : place,
  )
}
