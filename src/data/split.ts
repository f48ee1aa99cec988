/**
 * @file Which samples belong to which part: indices of a split into training, validation and test, and of k folds.
 * In: how many samples, a seed, and what they must respect (classes, groups, time). Out: indices; no data are touched.
 *
 * const { train, validation, test } = splitIndices({ count: 150, shares: { train: 0.6, validation: 0.2, test: 0.2 }, seed: 1 })
 * for (const { train, validation } of foldIndices({ count: 150, folds: 5, seed: 1, stratify: labels })) ...
 */
import { ShapeError, ValueError } from '../base/errors.js'
import { checkNames } from '../base/options.js'
import { RandomStream } from '../numerics/random.js'

/** Something for each part of a data set. */
export interface Split<T> {
  readonly train: T
  readonly validation: T
  readonly test: T
}

/** Shares of a split; they sum to 1. */
export interface SplitFractions {
  readonly train: number
  readonly validation: number
  readonly test: number
}

/** One value a sample, by which samples are the same: class labels, names of patients. */
export type Keys = ArrayLike<number> | ArrayLike<string>

/** What the parts of a split must respect. */
export interface SplitBy {
  /** A class for each sample: every part gets its share of each class. */
  readonly stratify?: Keys
  /** A group for each sample (a patient, a user): all samples of a group are in one part. */
  readonly groups?: Keys
  /** When each sample was taken: earlier samples are learned from, later ones test. Not together with the other two. */
  readonly time?: ArrayLike<number>
}

/** Of `splitIndices`. */
export interface SplitIndicesOptions extends SplitBy {
  /** How many samples there are. */
  readonly count: number
  readonly shares: SplitFractions
  /** The same seed draws the same parts. By time nothing is drawn. */
  readonly seed: number
}

/** Of `foldIndices`. */
export interface FoldIndicesOptions extends SplitBy {
  /** How many samples there are. */
  readonly count: number
  /** How many folds: 2 or more. */
  readonly folds: number
  /** The same seed draws the same folds. By time nothing is drawn. */
  readonly seed: number
}

/** The samples that one round of a cross-validation learns from, and those that judge it. */
export interface FoldIndices {
  readonly train: Uint32Array
  readonly validation: Uint32Array
}

/**
 * Cuts the samples 0..count−1 into three parts.
 * - Drawn by seed: the sizes are the nearest integers to count · share that sum to count (largest remainder).
 * - `stratify`: every class is spread evenly: the members of a class follow one another in one list, and each part takes its
 *   share of every stretch of that list, so that both the sizes of the parts and the share of each class are within one of exact.
 * - `groups`: whole groups are dealt in random order to the part that lacks most; sizes are near their shares as far as
 *   groups allow, and no part is empty. With `stratify`, what a part lacks is counted class by class.
 * - `time`: the earliest samples train, the latest test; samples of the same moment are never separated, so that a cut moves
 *   to the nearest change of time. Each part is in order of time.
 * Throws ValueError for shares that do not sum to 1, too few groups or moments, `time` with another; ShapeError for lengths that differ.
 */
export function splitIndices(options: SplitIndicesOptions): Split<Uint32Array> {
  checkNames('split', options, ['count', 'shares', 'seed', 'stratify', 'groups', 'time'])
  const { count, seed, stratify, groups, time } = options
  checkNames('split', options.shares, ['train', 'validation', 'test'])
  const shares = [options.shares.train, options.shares.validation, options.shares.test]
  const sum = shares.reduce((total, share) => total + share, 0)
  if (shares.some((share) => !(share >= 0 && share <= 1)) || Math.abs(sum - 1) > 1e-9 || !(shares[0]! > 0))
    throw new ValueError('split', `train, validation and test must be shares that sum to 1, got ${shares.join(', ')}`, {
      hint: 'For example { train: 0.6, validation: 0.2, test: 0.2 }.',
    })
  checkBy('split', count, options)
  if (time) return split(cutByTime('split', time, largestRemainder(count, shares)))
  const random = new RandomStream(seed, 'split')
  if (groups) return split(dealGroups('split', groups, stratify, shares, random, false))
  const order = random.permutation(count)
  if (stratify) return split(deal(groupByClass(order, codesOf(stratify)), shares, random))
  return split(cut(order, largestRemainder(count, shares)))
}

/**
 * Draws `folds` rounds of a cross-validation: every sample judges in one round and is learned from in all others; indices
 * ascend. The folds' sizes differ by at most one; with `stratify`, so does the number of each class in them. With `groups`,
 * a group is never on both sides, and the largest are dealt first, each to the fold that lacks most.
 * By `time`, the samples in order are cut into folds + 1 stretches: round i learns from the first i, and stretch i + 1 judges, so
 * that nothing is foretold from what came later (the first stretch never judges).
 * Throws ValueError for fewer samples, groups or moments than folds, and as `splitIndices` does.
 */
export function foldIndices(options: FoldIndicesOptions): FoldIndices[] {
  checkNames('kFold', options, ['count', 'folds', 'seed', 'stratify', 'groups', 'time'])
  const { count, folds, seed, stratify, groups, time } = options
  if (!Number.isInteger(folds) || folds < 2)
    throw new ValueError('kFold', `the number of folds must be a whole number of 2 or more, not ${String(folds)}`)
  checkBy('kFold', count, options)
  const stretches = time ? folds + 1 : folds
  if (count < stretches)
    throw new ValueError('kFold', `${count} samples are too few for ${folds} folds${time ? ' by time' : ''}`, {
      hint: `There must be ${stretches} or more.`,
    })
  const equal = Array.from({ length: stretches }, () => 1 / stretches)
  if (time) {
    const parts = cutByTime('kFold', time, largestRemainder(count, equal))
    return parts
      .slice(1)
      .map((validation, i) => ({ train: sorted(parts.slice(0, i + 1)), validation: sorted([validation]) }))
  }
  const random = new RandomStream(seed, 'folds')
  const order = random.permutation(count)
  const parts = groups
    ? dealGroups('kFold', groups, stratify, equal, random, true)
    : stratify
      ? dealInTurn(groupByClass(order, codesOf(stratify)), folds)
      : cut(order, largestRemainder(count, equal))
  return parts.map((validation, k) => ({
    train: sorted(parts.filter((_, i) => i !== k)),
    validation: sorted([validation]),
  }))
}

const split = ([train, validation, test]: readonly Uint32Array[]): Split<Uint32Array> => ({
  train: train!,
  validation: validation!,
  test: test!,
})

const sorted = (parts: readonly Uint32Array[]): Uint32Array =>
  Uint32Array.from(parts.flatMap((part) => [...part])).sort()

function checkBy(operation: string, count: number, { stratify, groups, time }: SplitBy): void {
  if (!Number.isInteger(count) || count < 0)
    throw new ValueError(operation, `the number of samples must be a whole number, not ${String(count)}`)
  if (count === 0) throw new ValueError(operation, 'there are no samples to split')
  for (const [name, values] of Object.entries({ stratify, groups, time })) {
    if (values === undefined) continue
    if (typeof values !== 'object' || values === null || typeof values.length !== 'number')
      throw new ValueError(operation, `${name} must be a list with a value for each sample, not ${typeof values}`)
    if (values.length !== count)
      throw new ShapeError(operation, `${name} has ${values.length} values for ${count} samples`)
    for (let i = 0; i < count; i++)
      if (typeof values[i] === 'number' ? Number.isNaN(values[i]) : typeof values[i] !== 'string' || name === 'time')
        throw new ValueError(operation, `${name} is ${String(values[i])} for sample ${i}`, {
          hint:
            name === 'time'
              ? 'Times are numbers, such as milliseconds (Date.parse).'
              : 'It must be a number or a text.',
        })
  }
  if (time && (stratify || groups))
    throw new ValueError(operation, `time cannot be joined with ${stratify ? 'stratify' : 'groups'}`, {
      hint: 'The order of time leaves nothing to choose.',
    })
}

/** Numbers 0, 1, ... for the different values, in ascending order of the values. */
function codesOf(keys: Keys): Uint32Array {
  const values = Array.from(keys as ArrayLike<number | string>)
  const different = [...new Set(values)].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  const codes = new Map(different.map((value, code) => [value, code]))
  return Uint32Array.from(values, (value) => codes.get(value)!)
}

/** Integer parts of `count · shares` that sum to `count`; what is left over goes to the largest remainders. */
function largestRemainder(count: number, shares: readonly number[]): number[] {
  const sizes = shares.map((share) => Math.floor(count * share + 1e-9))
  const byRemainder = shares
    .map((share, part) => ({ part, rest: count * share - sizes[part]! }))
    .sort((a, b) => b.rest - a.rest || a.part - b.part)
  const left = count - sizes.reduce((total, size) => total + size, 0)
  for (let i = 0; i < left; i++) sizes[byRemainder[i]!.part]!++
  return sizes
}

function cut(order: Uint32Array, sizes: readonly number[]): Uint32Array[] {
  let from = 0
  return sizes.map((size) => {
    from += size
    return order.slice(from - size, from)
  })
}

function groupByClass(order: Uint32Array, labels: ArrayLike<number>): Uint32Array {
  const byLabel = new Map<number, number[]>()
  for (const index of order) {
    const members = byLabel.get(labels[index]!)
    if (members) members.push(index)
    else byLabel.set(labels[index]!, [index])
  }
  const ascending = [...byLabel].sort(([a], [b]) => a - b)
  return Uint32Array.from(ascending.flatMap(([, members]) => members))
}

/** Deals a list to the parts, always to the one furthest behind its share; each part is then shuffled. */
function deal(list: Uint32Array, shares: readonly number[], random: RandomStream): Uint32Array[] {
  const parts: number[][] = shares.map(() => [])
  for (let i = 0; i < list.length; i++) {
    let best = 0
    let bestLag = Number.NEGATIVE_INFINITY
    for (let part = 0; part < parts.length; part++) {
      const lag = shares[part]! * (i + 1) - parts[part]!.length
      if (shares[part]! > 0 && lag > bestLag + 1e-9) {
        best = part
        bestLag = lag
      }
    }
    parts[best]!.push(list[i]!)
  }
  return parts.map((part) => random.permutation(part.length).map((i) => part[i]!))
}

const dealInTurn = (list: Uint32Array, folds: number): Uint32Array[] =>
  Array.from({ length: folds }, (_, k) => list.filter((_, i) => i % folds === k))

/** Whole groups, each to the part that lacks most of what the group has, counted class by class as shares of the class. */
function dealGroups(
  operation: string,
  groups: Keys,
  stratify: Keys | undefined,
  shares: readonly number[],
  random: RandomStream,
  largestFirst: boolean,
): Uint32Array[] {
  const codes = codesOf(groups)
  const labels = stratify ? codesOf(stratify) : new Uint32Array(codes.length)
  const members: number[][] = []
  const totals: number[] = []
  for (let i = 0; i < codes.length; i++) {
    const group = members[codes[i]!]
    if (group) group.push(i)
    else members[codes[i]!] = [i]
    totals[labels[i]!] = (totals[labels[i]!] ?? 0) + 1
  }
  const wanted = shares.filter((share) => share > 0).length
  if (members.length < wanted)
    throw new ValueError(operation, `${members.length} groups are too few for ${wanted} parts`, {
      hint: 'A group is never divided: choose fewer parts, or another column for the groups.',
    })
  const order = [...random.permutation(members.length)]
  if (largestFirst) order.sort((a, b) => members[b]!.length - members[a]!.length)
  const parts: number[][] = shares.map(() => [])
  const held = shares.map(() => new Float64Array(totals.length))
  order.forEach((group, placed) => {
    const counts = new Float64Array(totals.length)
    for (const i of members[group]!) counts[labels[i]!]!++
    // Adding x to a share a of a class brings it nearer to its goal s by x·(2·(s − a) − x), of which x² is the same for all parts.
    const gain = (part: number) =>
      counts.reduce((sum, x, c) => sum + (x / totals[c]!) * (shares[part]! - held[part]![c]! / totals[c]!), 0)
    const open = parts.map((_, part) => part).filter((part) => shares[part]! > 0)
    const empty = open.filter((part) => parts[part]!.length === 0)
    const mayTake = order.length - placed <= empty.length ? empty : open
    let best = mayTake[0]!
    for (const part of mayTake) if (gain(part) > gain(best) + 1e-12) best = part
    parts[best]!.push(...members[group]!)
    for (let c = 0; c < totals.length; c++) held[best]![c]! += counts[c]!
  })
  return parts.map((part) => random.permutation(part.length).map((i) => part[i]!))
}

/** Parts of about `sizes` samples in order of time; a cut moves to the nearest place where the time changes. */
function cutByTime(operation: string, time: ArrayLike<number>, sizes: readonly number[]): Uint32Array[] {
  const order = Uint32Array.from(time, (_, i) => i).sort((a, b) => time[a]! - time[b]! || a - b)
  const changes: number[] = []
  for (let i = 1; i < order.length; i++) if (time[order[i]!] !== time[order[i - 1]!]) changes.push(i)
  const wanted = sizes.filter((size) => size > 0).length
  if (changes.length + 1 < wanted)
    throw new ValueError(operation, `${changes.length + 1} different times are too few for ${wanted} parts`, {
      hint: 'Samples of the same time stay together: choose a finer column of times, or fewer parts.',
    })
  let exact = 0
  let from = 0
  let next = 0
  let open = wanted
  return sizes.map((size) => {
    if (size === 0) return new Uint32Array(0)
    exact += size
    open--
    if (open === 0) return order.slice(from)
    // Leave a change of time for each later cut.
    const last = changes.length - open
    while (next < last && Math.abs(changes[next + 1]! - exact) <= Math.abs(changes[next]! - exact)) next++
    const to = changes[next++]!
    const part = order.slice(from, to)
    from = to
    return part
  })
}
