/**
 * @file Launches that depend on nothing of each other become one: the updates of all biases, the norms of all gradients, or,
 * where gradients are clipped, the update of every parameter, are then one pass. In: launches in order, each a kernel with
 * who owns its memory. Out: fewer launches, which compute the same.
 */
import { byteSize } from '../base/dtype.js'
import type { Affine, Buffer, Kernel, LoopVariable, Statement, Value, Variable } from '../kernel/loop.js'

export interface Joinable<O> {
  readonly kernel: Kernel
  /** Of each buffer. */
  readonly owners: readonly O[]
  /** Whether it may be joined with others at all: loops without scratch or a tile of their own. */
  readonly plain: boolean
  /** Launches that must have run before it though it reads nothing of theirs. */
  after?: readonly Joinable<O>[]
}

/** Launches that touch no more than this may move up to where their like stands; larger ones join their neighbour. */
const smallBytes = 64 * 1024

/** Buffers are parameters, of which WebAssembly's engines take a thousand at most; and kernels should stay readable. */
const mostBuffers = 128

/** `placeOf`: equal for owners of the same memory. */
export function joinIndependent<O>(launches: readonly Joinable<O>[], placeOf: (owner: O) => unknown): Joinable<O>[] {
  const groups: Joinable<O>[][] = []
  const touches = new Map<Joinable<O>, { reads: Set<unknown>; writes: Set<unknown> }>()
  const touch = (launch: Joinable<O>) => {
    const known = touches.get(launch)
    if (known) return known
    const made = { reads: new Set<unknown>(), writes: new Set<unknown>() }
    launch.kernel.buffers.forEach(({ access }, i) => {
      made[access === 'read' ? 'reads' : 'writes'].add(placeOf(launch.owners[i]!))
    })
    touches.set(launch, made)
    return made
  }
  const conflict = (a: Joinable<O>, b: Joinable<O>): boolean => {
    const [x, y] = [touch(a), touch(b)]
    const meets = (one: ReadonlySet<unknown>, other: ReadonlySet<unknown>) => [...one].some((place) => other.has(place))
    if (a.after?.includes(b) || b.after?.includes(a)) return true
    return meets(x.writes, y.writes) || meets(x.writes, y.reads) || meets(x.reads, y.writes)
  }
  for (const launch of launches) {
    const home = launch.plain ? findHome(groups, launch, conflict) : undefined
    if (home) home.push(launch)
    else groups.push([launch])
  }
  return groups.map((group) => (group.length === 1 ? group[0]! : merge(group)))
}

function findHome<O>(
  groups: readonly Joinable<O>[][],
  launch: Joinable<O>,
  conflict: (a: Joinable<O>, b: Joinable<O>) => boolean,
): Joinable<O>[] | undefined {
  const bytes = launch.kernel.buffers.reduce((sum, { dtype, length }) => sum + length * byteSize[dtype], 0)
  const small = bytes <= smallBytes
  for (let i = groups.length - 1; i >= 0; i--) {
    const group = groups[i]!
    if (group.some((other) => conflict(other, launch))) return undefined
    if (group[0]!.plain && buffersOf([...group, launch]) <= mostBuffers) return group
    if (!small) return undefined
  }
  return undefined
}

const buffersOf = <O>(group: readonly Joinable<O>[]): number =>
  group.reduce((sum, { kernel }) => sum + kernel.buffers.length, 0)

/** One kernel: the bodies one after another, buffers that several only read as one. */
function merge<O>(parts: readonly Joinable<O>[]): Joinable<O> {
  const buffers: Buffer[] = []
  const owners: O[] = []
  const shared = new Map<O, Buffer>()
  const [counts, body] = [{ values: 0, variables: 0 }, [] as Statement[]]
  for (const part of parts) {
    const renamed = new Map<Buffer, Buffer>()
    part.kernel.buffers.forEach((buffer, i) => {
      const owner = part.owners[i]!
      let own = buffer.access === 'read' ? shared.get(owner) : undefined
      if (!own) {
        own = { ...buffer, name: `${buffer.name[0]}${buffers.length}` }
        buffers.push(own)
        owners.push(owner)
        if (buffer.access === 'read') shared.set(owner, own)
      }
      renamed.set(buffer, own)
    })
    body.push(...copy(part.kernel.body, renamed, counts))
  }
  const names = [...new Set(parts.map(({ kernel }) => kernel.name))]
  const name = names.length === 1 ? `${names[0]}_times_${parts.length}` : `${names[0]}_plus_${parts.length - 1}`
  const flops = parts.reduce((sum, { kernel }) => sum + kernel.flops, 0)
  return { kernel: { name, buffers, body, flops }, owners, plain: true }
}

/** The statements with other buffers, and with values, variables and loops of their own. */
function copy(
  body: readonly Statement[],
  buffers: ReadonlyMap<Buffer, Buffer>,
  counts: { values: number; variables: number },
): Statement[] {
  const values = new Map<Value, Value>()
  const variables = new Map<Variable, Variable>()
  const loops = new Map<LoopVariable, LoopVariable>()
  const define = (value: Value): Value => {
    const own = { id: counts.values++, type: value.type }
    values.set(value, own)
    return own
  }
  const affine = ({ constant, terms }: Affine): Affine => ({
    constant,
    terms: terms.map(({ loop, coefficient }) => ({ loop: loops.get(loop)!, coefficient })),
  })
  const statement = (s: Statement): Statement => {
    switch (s.kind) {
      case 'let': {
        const operands = s.operands.map((operand) => values.get(operand)!)
        return { ...s, operands, value: define(s.value) }
      }
      case 'load': {
        const row = s.row && { ...s.row, start: values.get(s.row.start)! }
        const load = { ...s, buffer: buffers.get(s.buffer)!, index: affine(s.index), value: define(s.value) }
        return row ? { ...load, row } : load
      }
      case 'store': {
        const row = s.row && { ...s.row, start: values.get(s.row.start)! }
        const store = { ...s, buffer: buffers.get(s.buffer)!, index: affine(s.index), value: values.get(s.value)! }
        return row ? { ...store, row } : store
      }
      case 'index':
        return { ...s, index: affine(s.index), value: define(s.value) }
      case 'variable': {
        const own = { id: counts.variables++, type: s.variable.type }
        variables.set(s.variable, own)
        return { ...s, variable: own, initial: values.get(s.initial)! }
      }
      case 'get':
        return { ...s, variable: variables.get(s.variable)!, value: define(s.value) }
      case 'set':
        return { ...s, variable: variables.get(s.variable)!, value: values.get(s.value)! }
      case 'loop': {
        const [start, stop, own] = [affine(s.start), affine(s.stop), { name: s.loop.name }]
        loops.set(s.loop, own)
        return { ...s, loop: own, start, stop, body: s.body.map(statement) }
      }
    }
  }
  return body.map(statement)
}
