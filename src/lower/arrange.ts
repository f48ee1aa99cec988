/**
 * @file Launches that stand in loops: each loop is one launch to those around it, while their order is chosen and they are
 * joined. In: launches in order, each with the loops around it. Out: the same, nested; or flat again.
 */
import type { Buffer, Kernel } from '../kernel/loop.js'
import { type Joinable, joinIndependent } from './join.js'
import type { Loop } from './scope.js'

export interface Arranged<O> extends Joinable<O> {
  /** The loops that it stands in, the outermost first. */
  readonly loops: readonly Loop[]
  /** What a loop repeats. */
  readonly inner?: readonly Arranged<O>[]
}

/** Neighbours in one loop become one launch that touches what they touch, and waits for what they wait for. */
export function nestLoops<O>(launches: readonly Arranged<O>[]): Arranged<O>[] {
  const nested = nestFrom(launches, 0)
  const homes = new Map<unknown, Arranged<O>>(
    nested.flatMap((one) => leavesOf(one).map((leaf) => [leaf, one] as const)),
  )
  for (const one of nested) {
    const waits = leavesOf(one).flatMap((leaf) => leaf.after ?? [])
    const others = [...new Set(waits.map((wait) => homes.get(wait)!))].filter((other) => other !== one)
    if (others.length > 0) one.after = others
  }
  return nested
}

const leavesOf = <O>(launch: Arranged<O>): Arranged<O>[] => (launch.inner ? unnest(launch.inner) : [launch])

function nestFrom<O>(launches: readonly Arranged<O>[], depth: number): Arranged<O>[] {
  const result: Arranged<O>[] = []
  for (let i = 0; i < launches.length; ) {
    const loop = launches[i]!.loops[depth]
    let end = i + 1
    if (!loop) result.push(launches[i]!)
    else {
      while (launches[end]?.loops[depth] === loop) end++
      result.push(asOne(launches.slice(i, end), depth))
    }
    i = end
  }
  return result
}

function asOne<O>(launches: readonly Arranged<O>[], depth: number): Arranged<O> {
  const access = new Map<O, Buffer['access']>()
  for (const { kernel, owners } of launches)
    owners.forEach((owner, i) => {
      const [known, next] = [access.get(owner), kernel.buffers[i]!.access]
      access.set(owner, known === undefined || known === next ? next : 'update')
    })
  const buffers = [...access.values()].map(
    (one, i): Buffer => ({ name: `l${i}`, dtype: 'float32', length: 0, access: one }),
  )
  const kernel: Kernel = { name: 'loop', buffers, body: [], flops: 0 }
  const loops = launches[0]!.loops.slice(0, depth)
  return { kernel, owners: [...access.keys()], plain: false, loops, inner: nestFrom(launches, depth + 1) }
}

export const unnest = <O>(launches: readonly Arranged<O>[]): Arranged<O>[] =>
  launches.flatMap((launch) => (launch.inner ? unnest(launch.inner) : [launch]))

/** What depends on nothing of each other is joined, within each loop. Flat again. */
export function joinWithin<O>(launches: readonly Arranged<O>[], placeOf: (owner: O) => unknown): Arranged<O>[] {
  const known = new Map<Joinable<O>, Arranged<O>>(launches.map((launch) => [launch, launch]))
  const loops = launches[0]?.loops ?? []
  return joinIndependent(launches, placeOf).flatMap((joined): Arranged<O>[] => {
    const same = known.get(joined)
    if (!same) return [{ ...joined, loops }]
    return same.inner ? joinWithin(same.inner, placeOf) : [same]
  })
}

/**
 * The places that each launch touches, to which come those that a loop needs from its first launch to its last: whatever is
 * not made anew in each iteration. `homeOf`: the innermost loop that a place belongs to.
 */
export function withinLoops<O>(
  touched: readonly (readonly O[])[],
  loopsOf: readonly (readonly Loop[])[],
  homeOf: (place: O) => Loop | undefined,
): (readonly O[])[] {
  const spans = new Map<Loop, { first: number; last: number; places: Set<O> }>()
  touched.forEach((places, at) => {
    for (const [depth, loop] of loopsOf[at]!.entries()) {
      const span = spans.get(loop) ?? { first: at, last: at, places: new Set<O>() }
      spans.set(loop, span)
      span.last = at
      for (const place of places) {
        const home = homeOf(place)
        // A place of this loop, or of one within, is made anew in each of its iterations.
        if (!home || !loopsOf[at]!.slice(depth).includes(home)) span.places.add(place)
      }
    }
  })
  if (spans.size === 0) return [...touched]
  const result = touched.map((places) => [...places])
  for (const { first, last, places } of spans.values()) {
    result[first]!.push(...places)
    result[last]!.push(...places)
  }
  return result
}
