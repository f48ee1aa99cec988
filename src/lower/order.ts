/**
 * @file The order of launches: what frees memory goes first. In: launches in an order that is right, each a kernel with who
 * owns its memory. Out: the same launches in an order that is right as well.
 *
 * A graph comes with every update of a Variable at its end, so that each layer's gradients would live until then. Here an
 * update runs once its gradient is there and the old value has been read for the last time:
 *
 *   input gradient 3, 2, 1, update 3, 2, 1   becomes   input gradient 3, update 3, input gradient 2, update 2, …
 */
import type { Buffer } from '../kernel/loop.js'

export interface Orderable<O> {
  readonly kernel: { readonly buffers: readonly Pick<Buffer, 'access'>[] }
  /** Of each buffer. */
  readonly owners: readonly O[]
  /** Launches that come before it in any case. */
  readonly after?: readonly unknown[]
}

export interface Memory<O> {
  /** Equal for owners of the same memory. */
  readonly placeOf: (owner: O) => O
  /** What a place takes of the arena, from when it is first touched to when it is last. */
  readonly bytesOf: (place: O) => number
  /** Places that are there before the first launch. */
  readonly given: ReadonlySet<O>
  /** Places that are needed after the last launch. */
  readonly kept: ReadonlySet<O>
}

/** A launch goes before others where that frees as much; for less the order stays, and small kernels find their like. Tests set it to 1. */
export const leastFreed = { bytes: 64 * 1024 }

/** Of a launch with more followers than this nobody asks what it makes possible. */
const fewFollowers = 4

/** Launches that touch the same place, one of them writing, keep their order; of the rest, what frees most is next. */
export function freeEarly<L extends Orderable<O>, O>(
  launches: readonly L[],
  memory: Memory<O>,
  /** Also what takes room for one launch that then frees more: the padded copy for a product of windows. */
  ahead = false,
): readonly L[] {
  const { placeOf, bytesOf, given, kept } = memory
  const places = launches.map(({ owners }) => [...new Set(owners.map(placeOf))])
  const uses = new Map<O, number>()
  for (const place of places.flat()) uses.set(place, (uses.get(place) ?? 0) + 1)
  const alive = new Set(given)
  const freed = (i: number): number => places[i]!.reduce((sum, place) => sum + worthOf(place, uses.get(place) === 1), 0)
  const worthOf = (place: O, isLast: boolean): number =>
    bytesOf(place) * (Number(isLast && !kept.has(place)) - Number(!alive.has(place)))
  const freedByBoth = (i: number, j: number): number => {
    const [a, b] = [places[i]!, places[j]!]
    const alone = a.reduce((sum, place) => sum + (b.includes(place) ? 0 : worthOf(place, uses.get(place) === 1)), 0)
    const last = (place: O) => uses.get(place) === (a.includes(place) ? 2 : 1)
    return b.reduce((sum, place) => sum + worthOf(place, last(place)), alone)
  }

  const worth = places.map((list) => list.reduce((sum, place) => sum + bytesOf(place), 0) >= leastFreed.bytes)
  if (!worth.includes(true)) return launches
  const { followers, waiting } = dependences(launches, placeOf)
  const ready = new Set([...launches.keys()].filter((i) => worth[i] && waiting[i] === 0))
  const done = launches.map(() => false)
  const order: L[] = []
  // The first that is left depends on nothing that is left.
  for (let first = 0; order.length < launches.length; ) {
    let [next, most] = [first, leastFreed.bytes - 1]
    for (const i of ready) {
      let bytes = freed(i)
      if (ahead && bytes < leastFreed.bytes && followers[i]!.size <= fewFollowers)
        for (const j of followers[i]!) if (waiting[j] === 1) bytes = Math.max(bytes, freedByBoth(i, j))
      if (bytes > most || (bytes === most && i < next)) [next, most] = [i, bytes]
    }
    order.push(launches[next]!)
    done[next] = true
    ready.delete(next)
    for (const place of places[next]!) {
      alive.add(place)
      uses.set(place, uses.get(place)! - 1)
    }
    for (const i of followers[next]!) if (--waiting[i]! === 0 && worth[i]) ready.add(i)
    while (done[first]) first++
  }
  return order
}

/** Who must come after each launch, and how many each waits for. */
function dependences<O>(
  launches: readonly Orderable<O>[],
  placeOf: (owner: O) => O,
): { followers: ReadonlySet<number>[]; waiting: number[] } {
  const followers = launches.map(() => new Set<number>())
  const touched = new Map<O, { writer: number; readers: number[] }>()
  const indices = new Map<unknown, number>(launches.map((launch, i) => [launch, i]))
  launches.forEach(({ kernel, owners, after = [] }, i) => {
    for (const launch of after) followers[indices.get(launch)!]!.add(i)
    owners.forEach((owner, b) => {
      const place = placeOf(owner)
      const last = touched.get(place) ?? { writer: -1, readers: [] }
      touched.set(place, last)
      if (last.writer >= 0 && last.writer !== i) followers[last.writer]!.add(i)
      if (kernel.buffers[b]!.access === 'read') {
        last.readers.push(i)
      } else {
        for (const reader of last.readers) if (reader !== i) followers[reader]!.add(i)
        touched.set(place, { writer: i, readers: [] })
      }
    })
  })
  const waiting = launches.map(() => 0)
  for (const list of followers) for (const i of list) waiting[i]!++
  return { followers, waiting }
}
