/**
 * @file Contractions of windows: convolutions and their gradients, without a copy of the windows. The rows are windows
 * (WindowRows: read in place, element after element) or the columns are (WindowColumns: a panel at a time is packed, runs
 * along the last axis by vectors). The sums go by segments of k, as in contract.ts.
 */
import type { FloatDType } from '../base/dtype.js'
import { stridesOf } from '../base/shape.js'
import { floatArithmetic } from '../kernel/builder.js'
import { type Affine, addAffine, affine, type Buffer, scaleAffine, type Value } from '../kernel/loop.js'
import { rowsFor, vectorsFor } from './contract.js'
import { product } from './contraction.js'
import { Epilogue } from './epilogue.js'
import type { ContractGroup } from './fuse.js'
import { alongAxes } from './pack.js'
import { KernelScope, type LowerContext, type Lowered } from './scope.js'
import { type SegmentLoops, segmentLoops } from './segments.js'
import { lanesOf, type Target, widths } from './target.js'
import { flopsOf } from './values.js'

export function lowerWindowed(group: ContractGroup, context: LowerContext, name: string): Lowered {
  const Kernel = group.contraction.windows === 'rows' ? WindowRows : WindowColumns
  return new Kernel(group, context).lower(name)
}

type Place = readonly Affine[]

abstract class Windowed {
  protected readonly scope: KernelScope
  protected readonly group: ContractGroup
  protected readonly dtype: FloatDType
  /** Lanes of a vector. */
  protected readonly width: number
  protected readonly k: number
  protected readonly segments: SegmentLoops

  constructor(group: ContractGroup, context: LowerContext) {
    this.group = group
    this.scope = new KernelScope(context)
    this.dtype = group.root.type.dtype as FloatDType
    this.width = lanesOf(this.dtype, context.target)
    this.k = product(group.contraction.k)
    this.segments = segmentLoops(group.contraction.k, group.root.attrs.order.segment)!
  }

  lower(name: string): Lowered {
    const { contraction, epilogue } = this.group
    const each = epilogue
      .flatMap((stage) => stage.steps)
      .reduce((sum, step) => sum + (step.kind === 'op' ? flopsOf(step.node.op) : 0), 0)
    this.scope.flops = product([...contraction.batch, ...contraction.m, ...contraction.n]) * (2 * this.k + each)
    this.body()
    return this.scope.finish(name)
  }

  protected abstract body(): void

  protected number(value: number, lanes = this.width): Value {
    return this.scope.b.number(value, { dtype: this.dtype, lanes })
  }

  /** Where the operand's element stands. */
  protected place(side: 'lhs' | 'rhs', batch: Place, free: Place, inner: Place): Affine {
    const operand = this.group.contraction[side]
    const start = addAffine(alongAxes(batch, operand.batch), operand.access.offset.constant)
    return addAffine(addAffine(start, alongAxes(free, operand.free)), alongAxes(inner, operand.inner))
  }

  /**
   * Calls `body` for each segment of k, with what takes a place in the segment's own loops to one along k, and to its number
   * within the segment.
   */
  protected eachSegment(body: (along: (at: Place) => Place, local: (at: Place) => Affine) => void): void {
    const { outer, inner, cut } = this.segments
    this.scope.nest(
      outer,
      [],
      (segment) =>
        body(
          // The outer loops, the axis that is cut from where the segment begins, the axes after it.
          (at) => [...segment.slice(0, cut), addAffine(scaleAffine(segment[cut]!, inner[0]!), at[0]!), ...at.slice(1)],
          (at) => alongAxes(at, stridesOf(inner)),
        ),
      true,
    )
  }

  /** Whether k is one segment. */
  protected get isWhole(): boolean {
    return product(this.segments.outer) === 1
  }

  /**
   * Sums of a tile of rows × vectors, each one ascending chain from zero over what `loops` calls its body for. Calls `body`
   * with each.
   */
  protected tile(
    rows: number,
    vectors: number,
    loops: (body: (at: Place) => void) => void,
    left: (row: number, at: Place) => Value,
    right: (vector: number, at: Place) => Value,
    body: (row: number, vector: number, sum: Value) => void,
  ): void {
    const { b, context } = this.scope
    const arithmetic = floatArithmetic(b, this.dtype, this.width, context.mode)
    const sums = Array.from({ length: rows * vectors }, () => b.variable(this.number(0)))
    loops((at) => {
      const columns = Array.from({ length: vectors }, (_, v) => right(v, at))
      for (let r = 0; r < rows; r++) {
        const row = left(r, at)
        columns.forEach((column, v) => {
          const sum = sums[r * vectors + v]!
          b.set(sum, arithmetic.fma(row, column, b.get(sum)))
        })
      }
    })
    for (let r = 0; r < rows; r++) for (let v = 0; v < vectors; v++) body(r, v, b.get(sums[r * vectors + v]!))
  }

  /** Total and sum of one more segment. */
  protected accumulate(totals: Buffer, place: Affine, sum: Value, isOnly: boolean): void {
    const { b } = this.scope
    b.store(totals, place, isOnly ? sum : b.op('add', b.load(totals, place, this.width), sum))
  }

  /** Calls `body` with pieces of `count` neighbours: full vectors, halves of them, single elements. */
  protected pieces(count: number, body: (at: number, wide: number) => void): void {
    let done = 0
    for (const wide of widths(this.width, this.scope.context.target))
      for (; done + wide <= count; done += wide) body(done, wide)
  }
}

/** Windows are columns: places of the output along the last axes, outputs are rows. */
class WindowColumns extends Windowed {
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
    const fixed = ends.still([...b, affine(0), ...places], b.length)
    scope.b.loop({ stop: this.#m }, (i) => {
      const ofRow = ends.still([...b, i, ...places], b.length + 1, fixed)
      for (let y = 0; y < rows; y++)
        ends.row((x, wide) => {
          const at = addAffine(addAffine(scaleAffine(i, panel), y * columns), x)
          const value = scope.b.load(this.#totals, at, wide)
          ends.element([...b, i, ...moved(places, y, x)], wide, value, ofRow)
        })
    })
  }
}

/** Windows are rows, read in place; columns are outputs. */
class WindowRows extends Windowed {
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
    const vectors = Math.min(wide, Math.ceil(this.#n / this.width))
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
  #tiles(range: { start: Affine; stop: Affine; limit: number }, body: (at: Place, rows: number) => void): void {
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

  #panel(b: Place, range: { start: Affine; stop: Affine; limit: number }, j: Affine, columns: number): void {
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
    const ends = new Epilogue(scope, this.group, width, columns)
    this.#tiles(range, (at, rows) => {
      for (let r = 0; r < rows; r++) {
        const row = this.#row(at, r)
        const still = ends.still([...b, ...row, j], b.length + m.length)
        ends.row((c, wide) => {
          const value = scope.b.load(this.#totals, addAffine(total(row, 0), c), wide)
          ends.element([...b, ...row, addAffine(j, c)], wide, value, still)
        })
      }
    })
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
    const { scope } = this
    const { rhs } = this.group.contraction
    const buffer = scope.buffer(rhs.access.node, 'read')
    scope.nest(
      this.segments.inner,
      [],
      (at) => {
        const from = this.place('rhs', b, [j], along(at))
        this.pieces(columns, (c, wide) => {
          const value = scope.b.load(buffer, addAffine(from, c * (rhs.free[0] ?? 0)), wide, rhs.free[0] ?? 0)
          scope.b.store(this.#right, addAffine(packed(at), c), value)
        })
        this.pieces(panel - columns, (c, wide) =>
          scope.b.store(this.#right, addAffine(packed(at), columns + c), this.number(0, wide)),
        )
      },
      true,
    )
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
