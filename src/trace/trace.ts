/**
 * @file Tracing: runs a function once with symbolic tensors and records a graph.
 * In: a function, its arguments' types. Out: the graph, what each input is bound to, which variables it updates.
 */
import type { DType } from '../base/dtype.js'
import { TraceError } from '../base/errors.js'
import type { Shape } from '../base/shape.js'
import type { Storage } from '../base/storage.js'
import { type Graph, input, type Node, NodeTable, withTable } from '../graph/node.js'
import { insideLoop, usesLoop } from './loops.js'

/** What of a Variable a trace needs; the class stands in variable.ts. */
export interface VariableLike {
  readonly shape: Shape
  readonly dtype: DType
  readonly storage: Storage
}

export type Binding =
  | { readonly kind: 'argument'; readonly index: number }
  | { readonly kind: 'variable'; readonly variable: VariableLike }
  /** A concrete tensor the function closed over. */
  | { readonly kind: 'captured'; readonly leaf: Node }

export interface Traced {
  /** Outputs: the results, then the new values of `updates`. */
  readonly graph: Graph
  readonly bindings: readonly Binding[]
  readonly results: number
  readonly updates: readonly VariableLike[]
}

export interface TraceOptions {
  /** Training or inference; undefined is neither, and then what differs between them may not be differentiated. */
  readonly training?: boolean
  /** Where random numbers come from. */
  readonly random?: RandomSource
}

/** [seed, step] of a random generator, a uint32[2] variable. */
export interface RandomSource {
  readonly state: VariableLike
}

let current: Trace | undefined
export const currentTrace = (): Trace | undefined => current

export class Trace {
  readonly table = new NodeTable()
  readonly training: boolean | undefined
  readonly random: RandomSource | undefined
  /** Random draws so far at each path: the second dropout call at one path is another stream. */
  readonly draws = new Map<string, number>()
  /** Set by a module that behaves otherwise in training, when the trace does not say which it is. */
  undecided: string | undefined
  /** What was differentiated, and the gradients by name: what must stay finite. */
  readonly watched: { readonly error: Node; readonly gradients: ReadonlyMap<string, Node> }[] = []
  /** What Variables are called, where someone knows. */
  readonly names = new Map<VariableLike, string>()
  /** Whether a body of a scan was traced. */
  hasLoops = false
  readonly #inputs: Node[] = []
  readonly #bindings: Binding[] = []
  readonly #captured = new Map<Node, Node>()
  readonly #once = new Map<object, unknown>()
  readonly #variables = new Map<VariableLike, { read: Node; now: Node }>()
  #closed = false

  constructor(options: TraceOptions) {
    this.training = options.training
    this.random = options.random
  }

  argument(dtype: DType, shape: Shape): Node {
    return this.#bind(input(dtype, shape), { kind: 'argument', index: this.#inputs.length })
  }

  readVariable(variable: VariableLike): Node {
    return this.#entry(variable).now
  }

  assignVariable(variable: VariableLike, value: Node): void {
    if (insideLoop() && usesLoop([value]))
      throw new TraceError(
        'scan',
        'a Variable was assigned in the body, where it would have to change in each iteration',
        {
          hint: 'Make it a carry, and assign what comes out after the scan.',
        },
      )
    this.#entry(variable).now = value
  }

  /** The values that Variables have been assigned so far. */
  get assigned(): readonly Node[] {
    return [...this.#variables.values()].flatMap(({ read, now }) => (now === read ? [] : [now]))
  }

  capture(leaf: Node): Node {
    const known = this.#captured.get(leaf)
    if (known) return known
    const node = this.#bind(input(leaf.type.dtype, leaf.type.shape), { kind: 'captured', leaf })
    this.#captured.set(leaf, node)
    return node
  }

  /** What an input of this trace is bound to; undefined for other nodes. */
  bindingOf(node: Node): Binding | undefined {
    return this.#bindings[this.#inputs.indexOf(node)]
  }

  /** What `make` gave the first time it was asked for `key` in this trace. */
  once<T>(key: object, make: () => T): T {
    if (!this.#once.has(key)) this.#once.set(key, make())
    return this.#once.get(key) as T
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Runs `body`, which returns its result nodes; the trace is then over. */
  record(body: () => readonly Node[]): Traced {
    if (current)
      throw new TraceError('compile', 'called inside a trace', {
        hint: 'Call the plain function there; it becomes part of the program.',
      })
    current = this
    let results: readonly Node[]
    try {
      results = withTable(this.table, body)
    } finally {
      current = undefined
      this.#closed = true
    }
    const updates = [...this.#variables].filter(([, entry]) => entry.now !== entry.read)
    if (this.hasLoops && usesLoop([...results, ...updates.map(([, entry]) => entry.now)]))
      throw new TraceError('scan', 'a tensor made in the body was used after it', {
        hint: 'Only what the body returns, as a carry or as a result, is there after the scan.',
      })
    return {
      graph: { inputs: this.#inputs, outputs: [...results, ...updates.map(([, entry]) => entry.now)] },
      bindings: this.#bindings,
      results: results.length,
      updates: updates.map(([variable]) => variable),
    }
  }

  #entry(variable: VariableLike): { read: Node; now: Node } {
    let entry = this.#variables.get(variable)
    if (!entry) {
      const node = this.#bind(input(variable.dtype, variable.shape), { kind: 'variable', variable })
      entry = { read: node, now: node }
      this.#variables.set(variable, entry)
    }
    return entry
  }

  #bind(node: Node, binding: Binding): Node {
    this.#inputs.push(node)
    this.#bindings.push(binding)
    return node
  }
}

/** Marks that what is being traced depends on training or inference. Returns true in training, false otherwise. */
export function inTraining(what: string): boolean {
  const trace = current
  if (!trace) return false
  if (trace.training === undefined) trace.undecided ??= what
  return trace.training ?? false
}
