/**
 * @file Windows as rows against columns that all samples share: convolutions whose outputs fill vectors. The columns, which are the
 * layer's weights, are packed once; each element of a window is read where it lies; a row of places is finished at a time.
 */
import { stridesOf } from '../base/shape.js'
import { type Affine, addAffine, affine, type Buffer, scaleAffine } from '../kernel/loop.js'
import { vectorsFor } from './contract.js'
import { product } from './contraction.js'
import { Epilogue } from './epilogue.js'
import type { ContractGroup } from './fuse.js'
import { alongAxes } from './pack.js'
import type { LowerContext } from './scope.js'
import type { Target } from './target.js'
import { type Place, storesAlongRows, Windowed } from './windowed.js'

export class SharedColumns extends Windowed {
  readonly #n: number
  /** The last row axis: places that follow each other. */
  readonly #extent: number
  readonly #most: number
  readonly #panelSize: number
  /** Batch axes along which the columns move: they are packed once for each place along them. */
  readonly #moving: readonly number[]
  readonly #right: Buffer
  readonly #totals: Buffer

  constructor(group: ContractGroup, context: LowerContext) {
    super(group, context)
    const { batch, m, n, rhs } = group.contraction
    this.#n = n[0] ?? 1
    this.#extent = m.at(-1) ?? 1
    const vectors = Math.min(vectorsFor(this.#extent, context.target), Math.ceil(this.#n / this.width))
    this.#panelSize = vectors * this.width
    this.#most = mostRows(vectors, context.target)
    this.#moving = rhs.batch.flatMap((stride, axis) => (stride === 0 ? [] : [axis]))
    const copies = product(this.#moving.map((axis) => batch[axis]!))
    this.#right = this.scope.scratch(this.dtype, copies * this.#packedSize)
    this.#totals = this.scope.scratch(this.dtype, this.#extent * this.#panelSize, true)
  }

  /** Elements of all packed columns of one place along the moving axes. */
  get #packedSize(): number {
    return this.k * Math.ceil(this.#n / this.width) * this.width
  }

  protected body(): void {
    const { scope } = this
    const { batch, m } = this.group.contraction
    this.#packRight()
    scope.nest([...batch, ...m.slice(0, -1)], [], (at) => {
      const [b, outer] = [at.slice(0, batch.length), at.slice(batch.length)]
      this.#panels((j, columns) => this.#row(b, outer, j, columns))
    })
  }

  /** Calls `body` for each panel of columns. */
  #panels(body: (j: Affine, columns: number) => void): void {
    const whole = Math.floor(this.#n / this.#panelSize) * this.#panelSize
    this.scope.parallel({ stop: whole, step: this.#panelSize }, (j) => body(j, this.#panelSize))
    if (whole < this.#n) body(affine(whole), this.#n - whole)
  }

  /** Where column j of a place along k stands, of a panel `panel` wide. */
  #packed(b: Place, j: Affine, k: Affine, panel: number): Affine {
    const { batch } = this.group.contraction
    const strides = stridesOf(this.#moving.map((axis) => batch[axis]!))
    const copy = alongAxes(
      this.#moving.map((axis) => b[axis]!),
      strides,
    )
    return addAffine(addAffine(scaleAffine(copy, this.#packedSize), scaleAffine(j, this.k)), scaleAffine(k, panel))
  }

  /** [place along the moving batch axes][panel][k][column]; the last vector is filled with zeros. */
  #packRight(): void {
    const { scope } = this
    const { batch, k, rhs } = this.group.contraction
    const buffer = scope.buffer(rhs.access.node, 'read')
    const stride = rhs.free[0] ?? 0
    scope.nest(
      this.#moving.map((axis) => batch[axis]!),
      [],
      (moving) => {
        const b = batch.map((_, axis) => moving[this.#moving.indexOf(axis)] ?? affine(0))
        this.#panels((j, columns) => {
          const panel = Math.ceil(columns / this.width) * this.width
          scope.nest(
            k,
            [],
            (at) => {
              const from = this.place('rhs', b, [j], at)
              const to = this.#packed(b, j, alongAxes(at, stridesOf(k)), panel)
              this.pieces(columns, (c, wide) => {
                const value = scope.b.load(buffer, addAffine(from, c * stride), wide, stride)
                scope.b.store(this.#right, addAffine(to, c), value)
              })
              this.pieces(panel - columns, (c, wide) =>
                scope.b.store(this.#right, addAffine(to, columns + c), this.number(0, wide)),
              )
            },
            true,
          )
        })
      },
    )
  }

  /** Tiles of nearly equal size cover the row of places. */
  #tiles(body: (i: Affine, rows: number) => void): void {
    const count = Math.ceil(this.#extent / this.#most)
    const rows = Math.ceil(this.#extent / count)
    const larger = (this.#extent - count * (rows - 1)) * rows
    this.scope.b.loop({ stop: larger, step: rows }, (i) => body(i, rows))
    if (rows > 1) this.scope.b.loop({ start: larger, stop: this.#extent, step: rows - 1 }, (i) => body(i, rows - 1))
  }

  /** A row of places against `columns` columns from j on. */
  #row(b: Place, outer: Place, j: Affine, columns: number): void {
    const { scope, width } = this
    const { k, lhs } = this.group.contraction
    const buffer = scope.buffer(lhs.access.node, 'read')
    const vectors = Math.ceil(columns / width)
    const panel = vectors * width
    const total = (i: Affine, v: number) => addAffine(scaleAffine(i, panel), v * width)
    if (!this.isWhole)
      scope.b.loop({ stop: this.#extent }, (i) => {
        for (let v = 0; v < vectors; v++) scope.b.store(this.#totals, total(i, v), this.number(-0))
      })
    this.eachSegment((along) =>
      this.#tiles((i, rows) =>
        this.tile(
          rows,
          vectors,
          (body) => scope.nest(this.segments.inner, [], body, true),
          (r, at) => {
            const from = this.place('lhs', b, [...outer, addAffine(i, r)], along(at))
            return scope.b.load(buffer, from, width, 0)
          },
          (v, at) => {
            const from = this.#packed(b, j, alongAxes(along(at), stridesOf(k)), panel)
            return scope.b.load(this.#right, addAffine(from, v * width), width)
          },
          (r, v, sum) => this.accumulate(this.#totals, total(addAffine(i, r), v), sum, this.isWhole),
        ),
      ),
    )
    if (storesAlongRows(this.group)) {
      const ends = new Epilogue(scope, this.group, width, this.#extent, 'rows')
      scope.b.loop({ stop: columns }, (c) => {
        const still = ends.still([...b, ...outer, affine(0), addAffine(j, c)])
        ends.row((i, wide) => {
          const value = scope.b.load(this.#totals, addAffine(total(i, 0), c), wide, panel)
          ends.element([...b, ...outer, i, addAffine(j, c)], wide, value, still)
        })
      })
      return
    }
    const ends = new Epilogue(scope, this.group, width, columns)
    scope.b.loop({ stop: this.#extent }, (i) => {
      const still = ends.still([...b, ...outer, i, j])
      ends.row((c, wide) => {
        const value = scope.b.load(this.#totals, addAffine(total(i, 0), c), wide)
        ends.element([...b, ...outer, i, addAffine(j, c)], wide, value, still)
      })
    })
  }
}

/** Rows of a tile: with all registers full of sums, compilers keep elements of windows in memory twice. */
const mostRows = (vectors: number, { tileRows, tileVectors }: Target): number =>
  Math.max(1, Math.floor((tileRows * tileVectors) / vectors))
