/**
 * @file Rows and columns of the bit matrix: programs as data, and what runs them over storages of their own.
 */
import type { TypedArray } from '../../src/base/dtype.js'
import { Storage } from '../../src/base/storage.js'
import { compileGraph } from '../../src/compile.js'
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
import type { Traced, Training } from './trainings.js'

/** What a row is: a program, the values of its Variables, the arguments of each step. */
export interface Row extends Traced {
  readonly label: string
  readonly steps: readonly (readonly (TypedArray | undefined)[])[]
}

/** Makes a program over storages of its own. */
export type Load = (row: Row, storages: readonly (Storage | undefined)[]) => Runnable
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

/** The rows' programs in one C file for a width of vectors, compiled when first needed: a plan for one thread, one for three. */
export class Native {
  #library: Library | undefined
  readonly #plans: Plan[] = []
  readonly #rows: readonly Row[]

  constructor(rows: readonly Row[], mode: NumericsMode, target: Target) {
    this.#rows = rows
    for (const threads of [1, 3])
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
export function graphRow(seed: number, nodes: number): Row {
  const { graph, inputs } = randomGraph(seed, { nodes })
  const initial = graph.inputs.map(() => undefined)
  const results = graph.outputs.length
  return {
    label: `random graph ${seed} of ${nodes} nodes`,
    graph,
    updates: new Map(),
    initial,
    results,
    steps: [inputs, inputs],
  }
}

/** Losses and other results of all steps, then all Variables. */
export function run(row: Row, column: Column, each: number): TypedArray[] {
  const storages = row.initial.map(
    (values) => values && new Storage(values.dtype, values.data.length, values.data.slice() as TypedArray),
  )
  let program = column.load(row, storages)
  const results: TypedArray[] = []
  for (let i = 0; i < row.steps.length; i += each) {
    if (column.later && i >= row.steps.length / 2) program = column.later(row, storages)
    const some = row.steps.slice(i, i + each)
    for (const outputs of each === 1
      ? some.map((one) => program.run(one, row.results))
      : program.runMany(some, row.results))
      results.push(...outputs)
  }
  return [...results, ...storages.flatMap((storage) => (storage ? [storage.read()] : []))]
}

/** Where the values of two columns differ; undefined where they do not. */
export function difference(actual: readonly TypedArray[], expected: readonly TypedArray[]): string | undefined {
  for (const [i, value] of actual.entries()) {
    const where = sameBits(value, expected[i]!)
    if (where) return `value ${i}: ${where}`
  }
  return undefined
}
