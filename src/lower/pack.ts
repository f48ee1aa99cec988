/**
 * @file Operands of a contraction as the micro-kernel reads them: in place through strides, or packed so that a tile's
 * rows (or columns) for one k are neighbours. In: an operand. Out: a Source, and the loops that pack it.
 */
import { type Affine, addAffine, affine, type Buffer, scaleAffine, type Value } from '../kernel/loop.js'
import type { Operand } from './contraction.js'
import type { KernelScope } from './scope.js'
import { widths } from './target.js'

export interface Source {
  readonly buffer: Buffer
  /** Where element `offset` of the tile that begins at `tile` stands for a k; the tile has `count` rows or columns. */
  readonly at: (tile: Affine, offset: number, k: Affine, count: number) => Affine
  /** Distance in elements between neighbours of a tile. */
  readonly stride: number
}

/** Rows from `start` up to min(stop, limit): a block. */
export interface Rows {
  readonly start: Affine
  readonly stop: Affine
  readonly limit: number
}

/** An operand with one free and one inner axis as it lies in memory, at a place along its batch axes. */
export function inPlace(scope: KernelScope, operand: Operand, batch: readonly Affine[]): Source {
  const base = addAffine(alongAxes(batch, operand.batch), operand.access.offset.constant)
  const [free, inner] = [operand.free[0] ?? 0, operand.inner[0] ?? 0]
  return {
    buffer: scope.buffer(operand.access.node, 'read'),
    at: (tile, offset, k) =>
      addAffine(addAffine(base, scaleAffine(addAffine(tile, offset), free)), scaleAffine(k, inner)),
    stride: free,
  }
}

/** Σ stride · index; a place may have an index for an axis of size 1, which has no stride. */
export const alongAxes = (at: readonly Affine[], strides: readonly number[]): Affine =>
  at.reduce((sum, index, axis) => addAffine(sum, scaleAffine(index, strides[axis] ?? 0)), affine(0))

interface Shape {
  readonly k: number
  /** Lanes of a full vector. */
  readonly width: number
  /** Whether neighbours along k are neighbours in memory: squares are then transposed in registers. */
  readonly contiguous: boolean
}

/** Panels of columns, [panel][k][column]; the last one's ragged columns are filled with zeros. */
export function packRight(
  scope: KernelScope,
  from: Source,
  to: Buffer,
  shape: Shape & { n: number; panel: number },
): Source {
  const { k, width, n, panel } = shape
  const whole = Math.floor(n / panel) * panel
  const source: Source = {
    buffer: to,
    at: (tile, offset, at, count) => addAffine(addAffine(scaleAffine(tile, k), scaleAffine(at, count)), offset),
    stride: 1,
  }
  const pack = (j: Affine, columns: number) => {
    const count = Math.ceil(columns / width) * width
    const squares = shape.contiguous && columns === count ? Math.floor(k / width) * width : 0
    scope.b.loop({ stop: squares, step: width }, (at) => {
      for (let c = 0; c < count; c += width)
        transposed(scope, from, j, c, at, width).forEach((vector, u) => {
          scope.b.store(to, source.at(j, c, addAffine(at, u), count), vector)
        })
    })
    scope.b.loop({ start: squares, stop: k }, (at) => {
      for (let c = 0; c < count; c += width)
        scope.b.store(
          to,
          source.at(j, c, at, count),
          gathered(scope, from, j, c, at, Math.min(width, columns - c), width),
        )
    })
  }
  scope.parallel({ stop: whole, step: panel }, (j) => pack(j, panel))
  if (whole < n) pack(affine(whole), n - whole)
  return source
}

/** The rows of a block, [tile][k][row]. */
export function packLeft(
  scope: KernelScope,
  from: Source,
  to: Buffer,
  block: Rows,
  shape: Shape & { rows: number; step: number },
): Source {
  const { k, rows, step } = shape
  const source: Source = {
    buffer: to,
    at: (tile, offset, at, count) =>
      addAffine(
        addAffine(scaleAffine(addAffine(tile, scaleAffine(block.start, -1)), k), scaleAffine(at, count)),
        offset,
      ),
    stride: 1,
  }
  // The widest vectors that the rows of a tile fill.
  const width = widths(shape.width, scope.context.target).find((lanes) => rows % lanes === 0)!
  const squares = shape.contiguous && width > 1 ? Math.floor(k / width) * width : 0
  const { start, stop, limit } = block
  scope.b.loop({ start, stop, limit, step, parallel: !to.perThread && scope.threads > 1 }, (i) => {
    scope.b.loop({ stop: squares, step: width }, (at) => {
      for (let r = 0; r < rows; r += width)
        transposed(scope, from, i, r, at, width).forEach((vector, u) => {
          scope.b.store(to, source.at(i, r, addAffine(at, u), rows), vector)
        })
    })
    scope.b.loop({ start: squares, stop: k }, (at) => {
      for (let r = 0; r < rows; r += width)
        scope.b.store(to, source.at(i, r, at, rows), gathered(scope, from, i, r, at, width, width))
    })
  })
  return source
}

/** `width` neighbours of a tile for each of `width` values of k, read along k: one vector for each k. */
export function transposed(
  scope: KernelScope,
  from: Source,
  tile: Affine,
  offset: number,
  k: Affine,
  width: number,
): Value[] {
  const { b } = scope
  let rows = Array.from({ length: width }, (_, r) => b.load(from.buffer, from.at(tile, offset + r, k, width), width))
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

/** A vector of neighbours of a tile for one k; lanes from `count` on are zero. */
function gathered(
  scope: KernelScope,
  from: Source,
  tile: Affine,
  offset: number,
  k: Affine,
  count: number,
  width: number,
): Value {
  const { b } = scope
  if (count === width) return b.load(from.buffer, from.at(tile, offset, k, width), width, from.stride)
  let value = b.number(0, { dtype: from.buffer.dtype === 'float64' ? 'float64' : 'float32', lanes: width })
  for (let lane = 0; lane < count; lane++)
    value = b.insert(value, lane, b.load(from.buffer, from.at(tile, offset + lane, k, width)))
  return value
}
