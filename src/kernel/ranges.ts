/**
 * @file Where the loops of a kernel run, and what affine indices can therefore be.
 * In: the loops, entered from outside in. Out: lower and upper bounds of affine expressions; the same expressions over
 * counters that start at zero; lengths of loops where they are constant.
 *
 * for i = ii to min(ii + 64, 100): i − ii is in 0..63, i is in 0..99, and over counters i is ii + i′.
 */
import { type Affine, addAffine, affine, type LoopVariable, type Statement, scaleAffine } from './loop.js'

export type Loop = Extract<Statement, { kind: 'loop' }>

/** What is known about one loop. */
export interface LoopRange {
  readonly depth: number
  readonly step: number
  /** The start over variables, and over counters, of the loops outside. */
  readonly origin: Affine
  readonly start: Affine
  /** stop − start and limit − start, over counters: the loop runs while its counter is below both. */
  readonly lengths: readonly Affine[]
  /** Length bounds: `shortest === longest` means that it is constant. The counter runs 0, step... below the length. */
  readonly shortest: number
  readonly longest: number
  /** The first and the last value that the loop's variable can have. */
  readonly first: number
  readonly last: number
}

type Side = 'low' | 'high'

export class LoopRanges {
  readonly #ranges = new Map<LoopVariable, LoopRange>()

  /** Enters a loop; those around it have been entered before. */
  enter(loop: Loop, depth: number): LoopRange {
    const start = this.counters(loop.start)
    const ends = loop.limit === undefined ? [loop.stop] : [loop.stop, affine(loop.limit)]
    const lengths = ends.map((end) => addAffine(this.counters(end), scaleAffine(start, -1)))
    const raw = ends.map((end) => addAffine(end, scaleAffine(loop.start, -1)))
    const longest = Math.min(...raw.map((length) => this.high(length)))
    const shortest = Math.min(...raw.map((length) => this.low(length)))
    const first = this.low(loop.start)
    let last = Math.min(...ends.map((end) => this.high(end))) - 1
    // If every start leaves the same remainder modulo the step, so does every value.
    const aligned = start.terms.every((term) => (term.coefficient * this.of(term.loop).step) % loop.step === 0)
    if (aligned) last -= modulo(last - start.constant, loop.step)
    const range = { depth, step: loop.step, origin: loop.start, start, lengths, shortest, longest, first, last }
    this.#ranges.set(loop.loop, range)
    return range
  }

  has(loop: LoopVariable): boolean {
    return this.#ranges.has(loop)
  }

  of(loop: LoopVariable): LoopRange {
    return this.#ranges.get(loop)!
  }

  /** The expression over counters: loop = start + counter. Terms go from the outermost loop inwards. */
  counters(index: Affine): Affine {
    let result = index
    for (const { loop, coefficient } of index.terms) {
      const { start } = this.of(loop)
      if (start.constant !== 0 || start.terms.length > 0) result = addAffine(result, scaleAffine(start, coefficient))
    }
    return { constant: result.constant, terms: this.#sorted(result) }
  }

  /** Terms by depth, outermost loop first. */
  #sorted(index: Affine): Affine['terms'] {
    if (index.terms.length < 2) return index.terms
    return [...index.terms].sort((a, b) => this.of(a.loop).depth - this.of(b.loop).depth)
  }

  low(index: Affine): number {
    return this.#bound(index, 'low')
  }

  high(index: Affine): number {
    return this.#bound(index, 'high')
  }

  /**
   * Each loop's variable is bounded by its values or, relative to its start, by its counter; which of them is tighter
   * depends on the rest of the expression, so both are tried. `index` is over variables.
   */
  #bound(index: Affine, side: Side): number {
    if (index.terms.length === 0) return index.constant
    const terms = this.#sorted(index)
    const { loop, coefficient } = terms.at(-1)!
    const range = this.of(loop)
    const rest: Affine = { constant: index.constant, terms: terms.slice(0, -1) }
    const upper = coefficient > 0 === (side === 'high')
    const byValue = this.#bound(rest, side) + coefficient * (upper ? range.last : range.first)
    if (range.origin.terms.length === 0) return byValue
    const furthest = Math.max(0, Math.ceil(range.longest / range.step) - 1) * range.step
    const start = scaleAffine(range.origin, coefficient)
    const byCounter = this.#bound(addAffine(rest, start), side) + coefficient * (upper ? furthest : 0)
    return side === 'high' ? Math.min(byValue, byCounter) : Math.max(byValue, byCounter)
  }
}

const modulo = (a: number, n: number): number => ((a % n) + n) % n
