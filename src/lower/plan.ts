/**
 * @file The plan: every launch with the memory it uses, fixed at compile time. One arena holds what lives within a
 * call, placed by lifetimes; Variables live outside and are updated in place wherever their old values are done with.
 */
import { byteSize, type DType } from '../base/dtype.js'
import { VerifyError } from '../base/errors.js'
import { sizeOf } from '../base/shape.js'
import { isOp, type Node } from '../graph/node.js'
import type { Kernel } from '../kernel/loop.js'
import { printKernel } from '../kernel/print.js'
import { type Arranged, joinWithin, nestLoops, unnest, withinLoops } from './arrange.js'
import { copyKernel } from './copy-kernel.js'
import type { Group } from './fuse.js'
import { accesses } from './fuse-loops.js'
import { type LoweredGraph, stagesOf } from './lower.js'
import { freeEarly } from './order.js'
import { type Least, schedule } from './schedule.js'
import type { Argument, Loop, Part } from './scope.js'
import type { Slot } from './slot.js'
import type { Stage } from './stage.js'

export type { Slot }

export interface Launch {
  readonly kernel: number
  /** Slots of the kernel's buffers, in order. */
  readonly slots: readonly number[]
  /** All threads take part in it; others run on the first alone. */
  readonly shared?: boolean
  /** All threads wait for each other before it. */
  readonly wait?: boolean
  /** Numbers of the loops that it stands in, the outermost first: launches of one loop are neighbours, and repeated together. */
  readonly loops?: readonly number[]
}

export interface Plan {
  readonly kernels: readonly Kernel[]
  readonly launches: readonly Launch[]
  readonly slots: readonly Slot[]
  /** How often each loop is repeated. */
  readonly loops: readonly number[]
  /** Slot of each graph input; −1 for one that nothing reads. */
  readonly inputs: readonly number[]
  /** Slot of each graph output. Those of updates are the variable's own. */
  readonly outputs: readonly number[]
  readonly arenaBytes: number
  /** What the arena must hold at once at some launch, whatever is placed where: no plan of these launches has less. */
  readonly liveBytes: number
}

const alignment = 64

type Owner = Node | Argument

/**
 * `outside`: inputs whose memory the caller owns across calls (Variables); other inputs are copied into the arena.
 * `least`: what is worth sharing among threads.
 */
export function makePlan(lowered: LoweredGraph, outside: ReadonlySet<number>, least?: Least): Plan {
  const { graph, updates, launches: bare, after } = lowered
  const inPlace = updatesInPlace(lowered)
  const kernels: Kernel[] = []
  // Kernels are compared by text, but only those that might be equal.
  const alike = new Map<string, { readonly index: number; text: string | undefined }[]>()
  const kernelIndex = (kernel: Kernel): number => {
    const look = `${kernel.name} ${kernel.flops} ${kernel.buffers.map((buffer) => buffer.length).join(' ')}`
    const others = alike.get(look) ?? []
    if (others.length > 0) {
      const text = printKernel(kernel)
      const same = others.find((other) => (other.text ??= printKernel(kernels[other.index]!)) === text)
      if (same) return same.index
    }
    const index = kernels.push(kernel) - 1
    alike.set(look, [...others, { index, text: undefined }])
    return index
  }

  // Who owns which memory: a node, or one launch's scratch; a part belongs to whom the whole does.
  const separate: Arranged<Owner>[] = bare.map((launch) => ({
    kernel: launch.kernel,
    owners: launch.arguments.map((argument) => (argument.kind === 'node' ? argument.node : argument)),
    plain: launch.plain ?? false,
    loops: launch.loops ?? [],
  }))
  after.forEach((list, i) => {
    const before = list.filter((j) => j !== i).map((j) => separate[j]!)
    if (before.length > 0) separate[i]!.after = before
  })
  for (const [output, input] of updates) {
    const node = graph.outputs[output]!
    if (inPlace.has(node)) continue
    const kernel = copyKernel(node.type.dtype, sizeOf(node.type.shape), lowered.target, 'update')
    separate.push({ kernel, owners: [node, graph.inputs[input]!], plain: true, loops: [] })
  }
  const placeOf = (owner: Owner): Owner => {
    const whole = wholeOwner(owner)
    const replaced = 'op' in whole ? inPlace.get(whole) : undefined
    return replaced === undefined ? whole : graph.inputs[replaced]!
  }
  const given = new Set<Owner>(graph.inputs)
  const held = new Set<Owner>([...outside].map((i) => graph.inputs[i]!))
  const kept = new Set<Owner>(graph.outputs.filter((node, i) => !updates.has(i) && !held.has(placeOf(node))))
  const lifetimes = (list: readonly Arranged<Owner>[]) =>
    livesOf<Owner>(
      withinLoops(
        list.map(({ owners }) => [...new Set(owners.map(placeOf))].filter((place) => !held.has(place))),
        list.map(({ loops }) => loops),
        (place) => ('kind' in place && place.kind === 'scratch' ? place.loop : undefined),
      ),
      given,
      kept,
    )
  const bytesOf = (place: Owner): number => (held.has(place) ? 0 : bytesIn(place))
  const nested = nestLoops(separate)
  // Greedy orders are not always the least: of several, that in which least lives at once, the first among equals.
  const memory = { placeOf, bytesOf, given, kept }
  const orders = [nested, ...[false, true].map((ahead) => freeEarly(nested, memory, ahead))]
  const most = orders.map((order) => mostAlive(lifetimes(unnest(order))))
  const joined = joinWithin(orders[most.indexOf(Math.min(...most))]!, placeOf)
  verifyUpdates(
    lowered,
    joined.map(({ owners }) => new Set(owners.flatMap((owner) => [owner, wholeOwner(owner)]))),
    inPlace,
  )
  const launches = joined.map(({ kernel, owners, loops }) => ({ kernel: kernelIndex(kernel), owners, loops }))

  const slots: Slot[] = []
  const slotOf = new Map<Owner, number>()
  for (const i of outside) {
    const node = graph.inputs[i]!
    slotOf.set(
      node,
      slots.push({ kind: 'outside', dtype: node.type.dtype, length: sizeOf(node.type.shape), input: i }) - 1,
    )
  }
  for (const [node, input] of inPlace) slotOf.set(node, slotOf.get(graph.inputs[input]!)!)

  const lives = lifetimes(joined)
  const arenaBytes = placeByLifetime(lives, slots, slotOf)
  const liveBytes = mostAlive(lives)
  const loops: Loop[] = []
  const loopIndex = (loop: Loop) => (loops.includes(loop) ? loops.indexOf(loop) : loops.push(loop) - 1)
  const slotFor = (owner: Owner): number => {
    let slot = slotOf.get(owner)
    if (slot === undefined && !isPart(owner)) slot = slotOf.get(placeOf(owner))!
    if (slot === undefined) {
      const { of, dtype, length, start, step } = owner as Part
      const whole = slotFor(of.kind === 'node' ? of.node : of)
      const moves = step && { step: { ...step, loop: loopIndex(step.loop) } }
      slot = slots.push({ kind: 'part', dtype, length, of: whole, start, ...moves }) - 1
      slotOf.set(owner, slot)
    }
    return slot
  }
  const placed = launches.map(({ kernel, owners, loops }) => {
    const launch = { kernel, slots: owners.map(slotFor) }
    return loops.length > 0 ? { ...launch, loops: loops.map(loopIndex) } : launch
  })
  const counts = loops.map(({ count }) => count)
  const shares = schedule(kernels, placed, slots, counts, lowered.target, least)
  const plan: Plan = {
    kernels,
    launches: placed.map((launch, i) => ({ ...launch, ...shares[i]! })),
    slots,
    loops: counts,
    inputs: graph.inputs.map((node) => slotOf.get(node) ?? -1),
    outputs: graph.outputs.map((node, i) =>
      updates.has(i) ? slotOf.get(graph.inputs[updates.get(i)!]!)! : slotOf.get(node)!,
    ),
    arenaBytes,
    liveBytes,
  }
  return plan
}

/**
 * Bytes of the Variables that a plan updates (parameters, moments, counters), or of what it only reads; of all, or of
 * those inputs that count.
 */
export function outsideBytes(plan: Plan, updated: boolean, which: (input: number) => boolean = () => true): number {
  const written = new Set(plan.outputs)
  return plan.slots.reduce((sum, slot, i) => {
    const counts = slot.kind === 'outside' && written.has(i) === updated && which(slot.input)
    return sum + (counts ? slot.length * byteSize[slot.dtype] : 0)
  }, 0)
}

interface Life {
  readonly from: number
  readonly to: number
}

/** In launches; what is given is there before the first, what is kept after the last. `launches`: the places each touches. */
function livesOf<O>(launches: readonly (readonly O[])[], given: ReadonlySet<O>, kept: ReadonlySet<O>): Map<O, Life> {
  const lives = new Map<O, Life>()
  const live = (place: O, at: number) =>
    lives.set(place, { from: lives.get(place)?.from ?? (given.has(place) ? -1 : at), to: at })
  launches.forEach((places, at) => {
    for (const place of places) live(place, at)
  })
  for (const place of kept) live(place, launches.length)
  return lives
}

/** The most bytes that live at one launch; inputs and results have times of their own, before and after. */
function mostAlive(lives: ReadonlyMap<Node | Argument, Life>): number {
  const change = new Map<number, number>()
  for (const [place, { from, to }] of lives) {
    change.set(from, (change.get(from) ?? 0) + bytesIn(place))
    change.set(to + 1, (change.get(to + 1) ?? 0) - bytesIn(place))
  }
  let [alive, most] = [0, 0]
  for (const [, by] of [...change].sort(([a], [b]) => a - b)) most = Math.max(most, (alive += by))
  return most
}

const isPart = (owner: Owner): owner is Part => 'kind' in owner && owner.kind === 'part'

/** What a part is a part of. */
function wholeOwner(owner: Owner): Owner {
  let whole = owner
  while (isPart(whole)) whole = whole.of.kind === 'node' ? whole.of.node : whole.of
  return whole
}

const extentOf = (owner: Node | Argument): { readonly dtype: DType; readonly length: number } =>
  'op' in owner
    ? { dtype: owner.type.dtype, length: sizeOf(owner.type.shape) }
    : (owner as { dtype: DType; length: number })

const bytesIn = (owner: Node | Argument): number => {
  const { dtype, length } = extentOf(owner)
  return length * byteSize[dtype]
}

/** Greatest first, each at the lowest place free during its life. */
function placeByLifetime<O extends Node | Argument>(
  lives: ReadonlyMap<O, Life>,
  slots: Slot[],
  slotOf: Map<O, number>,
): number {
  interface Placed {
    readonly from: number
    readonly to: number
    readonly offset: number
    readonly end: number
  }
  const placed: Placed[] = []
  let total = 0
  const wanted = [...lives].map(([owner, life]) => {
    const { dtype, length } = extentOf(owner)
    return { owner, life, dtype, length, bytes: Math.ceil((length * byteSize[dtype]) / alignment) * alignment }
  })
  for (const { owner, life, dtype, length, bytes } of wanted.sort((a, b) => b.bytes - a.bytes)) {
    const others = placed
      .filter((other) => other.from <= life.to && other.to >= life.from)
      .sort((a, b) => a.offset - b.offset)
    let offset = 0
    for (const other of others) {
      if (offset + bytes <= other.offset) break
      offset = Math.max(offset, other.end)
    }
    placed.push({ from: life.from, to: life.to, offset, end: offset + bytes })
    total = Math.max(total, offset + bytes)
    slotOf.set(owner, slots.push({ kind: 'arena', dtype, length, offset }) - 1)
  }
  return total
}

/** Updates whose kernel may write over the old value: node → input it replaces. */
function updatesInPlace({ graph, updates, groups, launches, firstLaunch }: LoweredGraph): Map<Node, number> {
  const result = new Map<Node, number>()
  for (const [output, input] of updates) {
    const node = graph.outputs[output]!
    const old = graph.inputs[input]!
    if (result.has(node)) continue
    const group = groups.findIndex(
      (group) =>
        stagesOf(group).some((stage) => stage.root === node) || (group.kind === 'contract' && group.root === node),
    )
    if (group < 0) continue
    const readLater = launches.some(
      (launch, i) =>
        i > firstLaunch[group]! &&
        launch.arguments.some((argument) => wholeOwner(argument.kind === 'node' ? argument.node : argument) === old),
    )
    if (!readLater && readsOnlyOwnElement(groups[group]!, node, old)) result.set(node, input)
  }
  return result
}

/** Whether a kernel, where it reads `old` at all, reads the element it is about to replace in the same loop body. */
function readsOnlyOwnElement(group: Group, node: Node, old: Node): boolean {
  if (
    group.kind === 'contract' &&
    (group.contraction.lhs.access.node === old || group.contraction.rhs.access.node === old)
  )
    return false
  if (group.kind === 'alone') return isOp(group.root, 'scatterAdd') && addsInPlace(group.stages, old)
  const bodies: readonly (readonly Stage[])[] =
    group.kind === 'loops' ? group.passes.map((pass) => pass.stages) : [stagesOf(group)]
  const home = bodies.findIndex((stages) => stages.some((stage) => stage.root === node))
  const own = bodies[home]?.find((stage) => stage.root === node)
  return bodies.every((stages, i) =>
    stages.every((stage) =>
      accesses(stage).every((read) => {
        if (read.node !== old) return true
        // The contraction's own result has no stage; reading the old value in its epilogue comes before it is stored there.
        if (group.kind === 'copy' || group.kind === 'columns' || !own || own.kind !== 'map') return false
        const same =
          !read.anyRow &&
          read.offset.constant === own.store.constant &&
          read.offset.coefficients.every((c, d) => c === own.store.coefficients[d])
        // Stages before it in the body read first; later ones would see the new value.
        return i === home && same && stages.indexOf(stage) <= stages.indexOf(own)
      }),
    ),
  )
}

/** Whether rows may be added to the old value itself: element for element it becomes what is added to, and nothing else. */
const addsInPlace = ([fill, ...others]: readonly Stage[], old: Node): boolean =>
  !others.some((stage) => accesses(stage).some((read) => read.node === old)) &&
  accesses(fill!).every(
    (read) =>
      read.node !== old ||
      (!read.anyRow &&
        read.offset.constant === fill!.store.constant &&
        read.offset.coefficients.every((c, d) => c === fill!.store.coefficients[d])),
  )

/** Write-after-read on Variables: once the new value is written, nobody reads the old one. */
function verifyUpdates(
  { graph, updates }: LoweredGraph,
  launches: readonly ReadonlySet<Node | Argument>[],
  inPlace: ReadonlyMap<Node, number>,
): void {
  for (const [output, input] of updates) {
    const node = graph.outputs[output]!
    if (!inPlace.has(node)) continue
    const old = graph.inputs[input]!
    let written = -1
    for (const [i, owners] of launches.entries()) {
      if (written >= 0 && owners.has(old))
        throw new VerifyError('plan', `launch ${i} reads a variable that launch ${written} has replaced`)
      if (written < 0 && owners.has(node)) written = i
    }
  }
}
