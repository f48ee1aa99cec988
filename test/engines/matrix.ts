/**
 * @file Rows and columns of the bit matrix: programs as data, and what runs them over storages of their own.
 */
import type { TypedArray } from '../../src/base/dtype.js'
import { Storage } from '../../src/base/storage.js'
import { compileGraph, type Program } from '../../src/compile.js'
import { interpret } from '../../src/graph/interpret.js'
import type { Graph } from '../../src/graph/node.js'
import { lower, type Updates } from '../../src/lower/lower.js'
import { leastFreed } from '../../src/lower/order.js'
import { makePlan, type Plan } from '../../src/lower/plan.js'
import { leastShared } from '../../src/lower/schedule.js'
import type { Target } from '../../src/lower/target.js'
import type { NumericsMode } from '../../src/numerics/arithmetic.js'
import type { Runnable } from '../../src/runtime/engine.js'
import { NativeProgram, sourceOf } from '../../src/runtime/native.js'
import { type Library, loadC } from '../../src/runtime/native-compiler.js'
import { sharing } from '../../src/runtime/wasm.js'
import { randomGraph } from '../graph/random-graph.js'
import { sameBits } from '../support/bits.js'
import type { ProductProgram } from './products.js'
import type { Traced, Training } from './trainings.js'

/** What a row is: a program, the values of its Variables, the arguments of each step. */
export interface Row extends Traced {
  readonly label: string
  readonly steps: readonly (readonly (TypedArray | undefined)[])[]
}

type Storages = readonly (Storage | undefined)[]
/** What the compiler makes says of itself what it is. */
type Loaded = Runnable & Partial<Pick<Program, 'engine' | 'plan'>>
/** Makes a program over storages of its own. */
export type Load = (row: Row, storages: Storages) => Loaded
export interface Column {
  readonly name: string
  readonly load: Load
  /** Takes over half-way. */
  readonly later?: Load
}

/** Whatever can be shared is, from the first step on; whatever frees memory runs early. Returns what makes it as it was. */
export function shareEverything(): () => void {
  const before = { ...leastShared, ...leastFreed, afterMs: sharing.afterMs }
  Object.assign(leastShared, { kernel: 0, program: 0 })
  leastFreed.bytes = 1
  sharing.afterMs = 0
  return () => {
    Object.assign(leastShared, { kernel: before.kernel, program: before.program })
    leastFreed.bytes = before.bytes
    sharing.afterMs = before.afterMs
  }
}

export const byEngine =
  (engine: 'interpreter' | 'wasm', numerics: NumericsMode, threads = 1): Load =>
  ({ graph, updates }, storages) =>
    compileGraph(graph, updates, storages, { engine, numerics, threads })

/** What the graph means: no kernels, no plan, node after node. The bits that all others must have. */
export const byGraph =
  (numerics: NumericsMode): Load =>
  ({ graph, updates }, storages) => {
    const meaning = simplified(graph, updates, numerics)
    const run: Runnable['run'] = (inputs, results) => {
      const outputs = interpret(
        meaning,
        storages.map((storage, i) => storage?.read() ?? inputs[i]!),
        numerics,
      )
      for (const [output, input] of updates) storages[input]!.write(outputs[output]!)
      return outputs.slice(0, results)
    }
    return { run, runMany: (inputs, results) => inputs.map((one) => run(one, results)), time: () => [] }
  }

/** The rows' programs in one C file for a width of vectors, compiled when first needed: a plan for each number of threads. */
export class Native {
  #library: Library | undefined
  readonly #plans: Plan[] = []
  readonly #rows: readonly Row[]

  constructor(rows: readonly Row[], mode: NumericsMode, target: Target, plansFor: readonly number[] = [1, 3]) {
    this.#rows = rows
    for (const threads of plansFor)
      for (const { graph, updates, initial } of rows) {
        const outside = new Set(initial.flatMap((values, i) => (values ? [i] : [])))
        this.#plans.push(
          makePlan(lower(simplified(graph, updates, mode), updates, mode, { ...target, threads }), outside),
        )
      }
  }

  load(threads: number): Load {
    return (row, storages) => {
      this.#library ??= loadC(sourceOf(this.#plans))
      const index = this.#rows.indexOf(row) + (threads === 1 ? 0 : this.#rows.length)
      return new NativeProgram(this.#plans[index]!, storages, this.#library, threads, index)
    }
  }
}

/** The graph that engines obey. */
function simplified(graph: Graph, updates: Updates, numerics: NumericsMode): Graph {
  const storages = graph.inputs.map(() => undefined)
  return compileGraph(graph, updates, storages, { engine: 'interpreter', numerics }).graph
}

/** A training as a row; arguments stand where the graph's inputs that are no Variables stand. */
export function trainingRow(training: Training, steps: number): Row {
  const traced = training.trace()
  const aligned = training.steps(steps).map((values) => {
    const left = [...values]
    return traced.initial.map((held) => (held ? undefined : left.shift()))
  })
  return { ...traced, label: training.name, steps: aligned }
}

/** A random graph as a row of two equal steps. */
export const graphRow = (seed: number, nodes: number): Row =>
  programRow({ label: `random graph ${seed} of ${nodes} nodes`, ...randomGraph(seed, { nodes }) })

/** A program without Variables as a row of two equal steps. */
export function programRow({ label, graph, inputs }: ProductProgram): Row {
  const initial = graph.inputs.map(() => undefined)
  const results = graph.outputs.length
  return {
    label,
    graph,
    updates: new Map(),
    initial,
    results,
    steps: [inputs, inputs],
  }
}

/**
 * Losses and other results of all steps, then all Variables. Where threads of WebAssembly have something to share, they have
 * shared a third of the calls at least: a call is not, where a worker is late or their habit is to leave it to one.
 */
export async function run(row: Row, column: Column, each: number): Promise<TypedArray[]> {
  const name = `${row.label}, ${column.name}, ${each} steps a call`
  let before: TypedArray[] | undefined
  for (let tries = 0; tries < 100; tries++) {
    const { values, calls, shared } = await runOnce(row, column, each)
    // What is tried again counts too.
    const where = before && difference(values, before)
    if (where) throw new Error(`${name}: two runs differ: ${where}`)
    if (3 * shared >= calls) return values
    before = values
  }
  throw new Error(`${name}: threads do not share it`)
}

/** `calls`: of programs that threads of WebAssembly should share; `shared`: of those, by so many they were. */
async function runOnce(
  row: Row,
  column: Column,
  each: number,
): Promise<{ values: TypedArray[]; calls: number; shared: number }> {
  const storages = row.initial.map(
    (values) => values && new Storage(values.dtype, values.data.length, values.data.slice() as TypedArray),
  )
  const load = async (how: Load) => {
    const program = how(row, storages)
    const isTeam = sharesInWasm(program)
    if (isTeam) await ready(program, row, storages)
    return { program, isTeam }
  }
  let { program, isTeam } = await load(column.load)
  let [calls, shared, isLater] = [0, 0, false]
  const values: TypedArray[] = []
  for (let i = 0; i < row.steps.length; i += each) {
    if (column.later && !isLater && i >= row.steps.length / 2) {
      ;({ program, isTeam } = await load(column.later))
      isLater = true
    }
    if (isTeam) await pause()
    const before = sharing.calls
    const some = row.steps.slice(i, i + each)
    const outputs = each === 1 ? some.map((one) => program.run(one, row.results)) : program.runMany(some, row.results)
    values.push(...outputs.flat())
    calls += Number(isTeam)
    shared += sharing.calls - before
  }
  values.push(...storages.flatMap((storage) => (storage ? [storage.read()] : [])))
  return { values, calls, shared }
}

/** Leaves the processor to workers, also where there are more of them than processors. */
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1))

const sharesInWasm = ({ engine, plan }: Loaded): boolean =>
  engine === 'wasm' && (plan?.launches.some(({ shared }) => shared) ?? false)

/**
 * Nobody waits for workers of WebAssembly: a program that is short would be over before they have compiled it, on one
 * thread. Here steps are made until one is shared; Variables are then as they were.
 */
async function ready(program: Loaded, row: Row, storages: Storages): Promise<void> {
  const saved = storages.map((storage) => storage?.read())
  const before = sharing.calls
  for (const start = performance.now(); sharing.calls === before; ) {
    if (performance.now() - start > 10_000) throw new Error(`${row.label}: no worker is ready after ten seconds`)
    program.run(row.steps[0]!, row.results)
    await pause()
  }
  storages.forEach((storage, i) => {
    storage?.write(saved[i]!)
  })
}

/** Where the values of two columns differ; undefined where they do not. */
export function difference(actual: readonly TypedArray[], expected: readonly TypedArray[]): string | undefined {
  for (const [i, value] of actual.entries()) {
    const where = sameBits(value, expected[i]!)
    if (where) return `value ${i}: ${where}`
  }
  return undefined
}
