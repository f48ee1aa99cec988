/**
 * @file Loops over the inner axes of a contraction whose sums are cut into segments. In: extents and how many elements a
 * segment has. Out: loops over segments, and loops within one; the order is row-major throughout.
 *
 * segmentLoops([64, 28, 28], 392) → segments over [64, 2], each [14, 28]
 */
export interface SegmentLoops {
  /** Loops over segments: whole axes, then the parts of the axis that is cut. */
  readonly outer: readonly number[]
  /** Loops within a segment: a part of the axis that is cut, then whole axes. */
  readonly inner: readonly number[]
  /** Which axis is cut; the axes before it are outer ones, those after it inner ones. */
  readonly cut: number
}

/** Undefined where segments do not end where loops do. */
export function segmentLoops(extents: readonly number[], segment: number): SegmentLoops | undefined {
  let inside = 1
  let cut = extents.length - 1
  while (cut > 0 && inside * extents[cut]! <= segment) inside *= extents[cut--]!
  if (cut < 0) return { outer: [1], inner: [1], cut: 0 }
  const extent = extents[cut]!
  const part = Math.min(extent, segment / inside)
  // With all elements in one segment its length does not matter.
  const ends =
    Number.isInteger(part) && extent % part === 0 && (part * inside === segment || (cut === 0 && part === extent))
  if (!ends) return undefined
  return { outer: [...extents.slice(0, cut), extent / part], inner: [part, ...extents.slice(cut + 1)], cut }
}
