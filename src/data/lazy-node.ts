/**
 * @file The stations of a lazy data set: source, map, filter, shuffle, take, skip, cache, prefetch. Each asks the one before it.
 * In: a station. Out: another. What one gives in epoch e at place i depends on nothing else, so that a run can go on from anywhere.
 *
 * const doubled = mapNode(listNode([1, 2, 3]), (x) => 2 * x, 0);  doubled.at!(2, 1)          // 6
 */
import { describeValue } from '../base/describe.js'
import { GradusError, ValueError } from '../base/errors.js'
import { RandomStream } from '../numerics/random.js'
import { permutation } from './batches.js'

/** A value, or the promise of one: what needs no waiting is not made to wait. */
export type Awaitable<T> = T | PromiseLike<T>

/** Random numbers of one sample in one epoch. */
export interface SampleRandom {
  /** Uniform in [0, 1). */
  uniform(): number
  /** Standard normal. */
  normal(): number
  /** A whole number from 0 to below − 1. */
  integer(below: number): number
}

/** What the function of a `map` knows besides its sample. */
export interface SampleContext {
  /** Of the sample, counted from 0 in the order in which `map` gets them. */
  readonly index: number
  /** Counts from 1 in `fit`. */
  readonly epoch: number
  /** Its own numbers for each sample and epoch: the same after a resume, whoever asks first. */
  readonly random: SampleRandom
}

/** A station. */
export interface LazyNode<T> {
  /** How many samples it gives, where that is known without reading them. */
  readonly length: number | undefined
  /** Any one of them at once; where there is none, all before it must be read. */
  readonly at?: (index: number, epoch: number) => Awaitable<T>
  /** All from number `from` on. */
  iterate(epoch: number, from: number): AsyncGenerator<T, void, void>
  /** Whether an order was drawn on the way. */
  readonly shuffled: boolean
  /** The size of batches, where they were made on the way. */
  readonly batched: number | undefined
  /** How many are to be begun before they are asked for. */
  readonly ahead: number
  /** The same from samples in another order, where that can be without `at`. */
  readonly reordered?: (orderOf: (epoch: number) => Uint32Array) => LazyNode<T>
}

export const isPromise = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'

/** One after another by number. */
async function* byNumber<T>(node: LazyNode<T>, epoch: number, from: number): AsyncGenerator<T, void, void> {
  for (let i = from; i < node.length!; i++) yield await node.at!(i, epoch)
}

/** Those of another station, leaving out the first. */
export async function* skipping<T>(all: AsyncGenerator<T, void, void>, from: number): AsyncGenerator<T, void, void> {
  let i = 0
  for await (const value of all) if (i++ >= from) yield value
}

type Marks = Pick<LazyNode<unknown>, 'shuffled' | 'batched' | 'ahead'>
export const marksOf = ({ shuffled, batched, ahead }: Marks): Marks => ({ shuffled, batched, ahead })
const unmarked: Marks = { shuffled: false, batched: undefined, ahead: 0 }

/** Of what is known by number. */
export function numbered<T>(length: number, at: (i: number, epoch: number) => Awaitable<T>, marks: Marks): LazyNode<T> {
  const node: LazyNode<T> = { length, at, iterate: (epoch, from) => byNumber(node, epoch, from), ...marksOf(marks) }
  return node
}

export const listNode = <T>(list: ArrayLike<T>): LazyNode<T> => numbered(list.length, (i) => list[i]!, unmarked)

/** Of what is iterated anew each epoch. `open` throws where that cannot be. */
export const streamNode = <T>(
  open: (epoch: number) => Awaitable<Iterable<T> | AsyncIterable<T>>,
  length: number | undefined,
): LazyNode<T> => ({
  length,
  ...unmarked,
  async *iterate(epoch, from) {
    let i = 0
    for await (const value of await open(epoch)) {
      if (i++ >= from) yield value
      if (length !== undefined && i > length)
        throw new ValueError('dataset', `there are more than the ${length} samples that were announced`)
    }
    if (length !== undefined && i < length)
      throw new ValueError('dataset', `there are ${i} samples, not the ${length} that were announced`)
  },
})

/** An error that names the sample; what a generator or a map before it has thrown stays as it is. */
export function sampleError(operation: string, index: number, cause: unknown): ValueError {
  const fault =
    cause instanceof GradusError
      ? cause.sentence.replace(/\.$/, '')
      : cause instanceof Error
        ? cause.message
        : describeValue(cause)
  return new ValueError(operation, `sample ${index}: ${fault}`, { cause })
}

function guarded<A, B>(
  operation: string,
  f: (value: A, context: SampleContext) => Awaitable<B>,
  seed: number,
): (value: A, index: number, epoch: number) => Awaitable<B> {
  return (value, index, epoch) => {
    let random: RandomStream | undefined
    const context: SampleContext = {
      index,
      epoch,
      get random() {
        random ??= new RandomStream(seed, `${operation}.${epoch}.${index}`)
        return random
      },
    }
    try {
      const result = f(value, context)
      if (!isPromise(result)) return result
      return (result as PromiseLike<B>).then(undefined, (cause: unknown) => {
        throw sampleError(operation, index, cause)
      })
    } catch (cause) {
      throw sampleError(operation, index, cause)
    }
  }
}

export function mapNode<A, B>(
  node: LazyNode<A>,
  f: (value: A, context: SampleContext) => Awaitable<B>,
  seed: number,
): LazyNode<B> {
  const apply = guarded('map', f, seed)
  const { at } = node
  if (at)
    return numbered(
      node.length!,
      (i, epoch) => {
        const value = at(i, epoch)
        return isPromise(value) ? value.then((one) => apply(one as A, i, epoch)) : apply(value as A, i, epoch)
      },
      node,
    )
  return {
    length: node.length,
    ...marksOf(node),
    async *iterate(epoch, from) {
      let i = from
      for await (const value of node.iterate(epoch, from)) yield await apply(value, i++, epoch)
    },
  }
}

export function filterNode<T>(
  node: LazyNode<T>,
  f: (value: T, context: SampleContext) => Awaitable<boolean>,
  seed: number,
): LazyNode<T> {
  const keeps = guarded('filter', f, seed)
  return {
    length: undefined,
    ...marksOf(node),
    iterate: (epoch, from) =>
      skipping(
        (async function* () {
          let i = 0
          for await (const value of node.iterate(epoch, 0)) if (await keeps(value, i++, epoch)) yield value
        })(),
        from,
      ),
  }
}

/** Exact where samples are known by number; otherwise by a buffer from which each next one is drawn. */
export function shuffleNode<T>(node: LazyNode<T>, seed: number, buffer: number): LazyNode<T> {
  const marks = { ...marksOf(node), shuffled: true }
  const { at, length, reordered } = node
  let known: { readonly epoch: number; readonly order: Uint32Array } | undefined
  const orderOf = (epoch: number) => {
    if (known?.epoch !== epoch) known = { epoch, order: permutation(length!, seed, epoch) }
    return known.order
  }
  if (at) return numbered(length!, (i, epoch) => at(orderOf(epoch)[i]!, epoch), marks)
  if (reordered) return { ...reordered(orderOf), shuffled: true }
  return {
    length,
    ...marksOf(marks),
    iterate: (epoch, from) =>
      skipping(
        (async function* () {
          const random = new RandomStream(seed, `shuffle.buffer.${epoch}`)
          const held: T[] = []
          for await (const value of node.iterate(epoch, 0)) {
            if (held.length < buffer) {
              held.push(value)
              continue
            }
            const j = random.integer(buffer)
            const next = held[j]!
            held[j] = value
            yield next
          }
          while (held.length > 0) {
            const j = random.integer(held.length)
            const next = held[j]!
            held[j] = held[held.length - 1]!
            held.pop()
            yield next
          }
        })(),
        from,
      ),
  }
}

/** Numbers `start` to `end` − 1. */
export function sliceNode<T>(node: LazyNode<T>, start: number, end: number): LazyNode<T> {
  const { at } = node
  const length =
    node.length === undefined ? undefined : Math.max(0, Math.min(node.length, end) - Math.min(node.length, start))
  if (at) return numbered(length!, (i, epoch) => at(start + i, epoch), node)
  return {
    length,
    ...marksOf(node),
    async *iterate(epoch, from) {
      let left = end - start - from
      if (left <= 0) return
      for await (const value of node.iterate(epoch, start + from)) {
        yield value
        if (--left <= 0) return
      }
    },
  }
}

/** Some of the samples, by their numbers. */
export function pickNode<T>(node: LazyNode<T>, numbers: ArrayLike<number>): LazyNode<T> {
  return numbered(numbers.length, (i, epoch) => node.at!(numbers[i]!, epoch), node)
}

/** Made once and kept; what depends on the epoch is that of the first, whichever epoch asks. */
export function cacheNode<T>(node: LazyNode<T>): LazyNode<T> {
  const first = 1
  const { at } = node
  if (at) {
    const kept = new Map<number, Awaitable<T>>()
    return numbered(
      node.length!,
      (i) => {
        if (kept.has(i)) return kept.get(i)!
        const value = at(i, first)
        // One that fails is tried again.
        if (isPromise(value))
          value.then(
            (one) => kept.set(i, one as T),
            () => kept.delete(i),
          )
        kept.set(i, value)
        return value
      },
      node,
    )
  }
  let all: readonly T[] | undefined
  return {
    length: node.length,
    ...marksOf(node),
    async *iterate(_, from) {
      if (all) {
        yield* all.slice(from)
        return
      }
      const kept: T[] = []
      for await (const value of node.iterate(first, 0)) if (kept.push(value) > from) yield value
      all = kept
    },
  }
}

/** Begins the next `count` before they are asked for. */
export function prefetchNode<T>(node: LazyNode<T>, count: number): LazyNode<T> {
  const { at, reordered } = node
  return {
    length: node.length,
    ...(at ? { at } : {}),
    ...(reordered ? { reordered: (orderOf) => prefetchNode(reordered(orderOf), count) } : {}),
    ...marksOf(node),
    ahead: Math.max(node.ahead, count),
    async *iterate(epoch, from) {
      const source = at ? undefined : node.iterate(epoch, from)
      let next = from
      const begin = (): Promise<IteratorResult<T, void>> => {
        if (source) return source.next()
        if (next >= node.length!) return Promise.resolve({ done: true, value: undefined })
        const value = at!(next++, epoch)
        return Promise.resolve(value).then((one) => ({ done: false, value: one as T }))
      }
      const begun: Promise<IteratorResult<T, void>>[] = []
      try {
        for (;;) {
          while (begun.length <= count) {
            const result = begin()
            // It is reported when its turn comes.
            result.catch(() => {})
            begun.push(result)
          }
          const { done, value } = await begun.shift()!
          if (done) return
          yield value
        }
      } finally {
        await Promise.allSettled(begun)
        await source?.return()
      }
    },
  }
}
