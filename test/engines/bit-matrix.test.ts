/**
 * The bit contract as a matrix. Rows: trainings whose shapes cross tiles, panels, lanes and segments, and random graphs.
 * Columns: every engine, number of threads, width of vectors, a change of engine on the way, one and 32 steps a call.
 * All columns of a row end with the same bits: losses and all that a step updates. Fused and portable, each among themselves.
 */
import { afterAll, describe, expect, test } from 'vitest'
import type { TypedArray } from '../../src/base/dtype.js'
import { Storage } from '../../src/base/storage.js'
import { compileGraph, numericsMode } from '../../src/compile.js'
import type { Graph } from '../../src/graph/node.js'
import { lower, type Updates } from '../../src/lower/lower.js'
import { makePlan, type Plan } from '../../src/lower/plan.js'
import { leastShared } from '../../src/lower/schedule.js'
import type { Target } from '../../src/lower/target.js'
import type { NumericsMode } from '../../src/numerics/arithmetic.js'
import type { Runnable } from '../../src/runtime/engine.js'
import { NativeProgram, sourceOf } from '../../src/runtime/native.js'
import { type Library, loadC } from '../../src/runtime/native-compiler.js'
import { sharing } from '../../src/runtime/wasm.js'
import { randomGraph } from '../graph/random-graph.js'
import { missing, ownCache, targets } from '../native/harness.js'
import { sameBits } from '../support/bits.js'
import { type Traced, trainings } from './trainings.js'

const steps = 33
const perCall = [1, 32] as const
const randomGraphs = 12
const withNative = missing() === undefined

/** What a row is: a program, the values of its Variables, the arguments of each step. */
interface Row extends Traced {
  readonly label: string
  readonly steps: readonly (readonly (TypedArray | undefined)[])[]
}

/** Makes a program over storages of its own. */
type Load = (row: Row, storages: readonly (Storage | undefined)[]) => Runnable
interface Column {
  readonly name: string
  readonly load: Load
  /** Takes over half-way. */
  readonly later?: Load
}

const before = { ...leastShared, afterMs: sharing.afterMs }
const removeCache = ownCache()
// Whatever can be shared is, from the first step on.
Object.assign(leastShared, { kernel: 0, program: 0 })
sharing.afterMs = 0
afterAll(() => {
  Object.assign(leastShared, { kernel: before.kernel, program: before.program })
  sharing.afterMs = before.afterMs
  removeCache()
})

const byEngine =
  (engine: 'interpreter' | 'wasm', numerics: NumericsMode, threads = 1): Load =>
  ({ graph, updates }, storages) =>
    compileGraph(graph, updates, storages, { engine, numerics, threads })

/** The rows' programs in one C file for a width of vectors, compiled when first needed: a plan for one thread, one for three. */
class Native {
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

/** Arguments by graph input. */
function aligned({ initial }: Traced, steps: readonly TypedArray[][]): (TypedArray | undefined)[][] {
  return steps.map((values) => {
    const left = [...values]
    return initial.map((held) => (held ? undefined : left.shift()))
  })
}

/** Losses and other results of all steps, then all Variables. */
function run(row: Row, column: Column, each: number): TypedArray[] {
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

describe.each(['fused', 'portable'] as const)('%s', (mode) => {
  const rows: Row[] = [
    ...trainings.map((training): Row => {
      const traced = training.trace()
      return { ...traced, label: training.name, steps: aligned(traced, training.steps(steps)) }
    }),
    ...Array.from({ length: randomGraphs }, (_, seed): Row => {
      const { graph, inputs } = randomGraph(7000 + seed, { nodes: 10 + seed })
      const initial = graph.inputs.map(() => undefined)
      return {
        label: `random graph ${7000 + seed}`,
        graph,
        updates: new Map(),
        initial,
        results: graph.outputs.length,
        steps: [inputs, inputs],
      }
    }),
  ]
  const native = withNative
    ? new Map(targets.map(([name, target]) => [name, new Native(rows, mode, target)] as const))
    : new Map<string, Native>()
  const columns: Column[] = [
    { name: 'interpreter', load: byEngine('interpreter', mode) },
    ...[1, 2, 3].map(
      (threads): Column => ({ name: `wasm, ${threads} threads`, load: byEngine('wasm', mode, threads) }),
    ),
    ...[...native].flatMap(([name, one]) =>
      [1, 2, 3].map((threads): Column => ({ name: `native, ${name}, ${threads} threads`, load: one.load(threads) })),
    ),
    ...[...native].slice(-1).map(
      ([name, one]): Column => ({
        name: `wasm, then native, ${name}`,
        load: byEngine('wasm', mode, 2),
        later: one.load(2),
      }),
    ),
  ]
  const expected = new Map<Row, TypedArray[]>()

  // One thread after the other: each uses all processors.
  test.each(columns)('$name', async (column) => {
    if (mode === 'fused' && numericsMode() !== 'fused') return
    const shared = sharing.calls
    for (const row of rows)
      for (const each of perCall) {
        const values = run(row, column, each)
        const wanted = expected.get(row)
        if (!wanted) expected.set(row, values)
        else
          values.forEach((value, i) => {
            const difference = sameBits(value, wanted[i]!)
            if (difference) expect.fail(`${row.label}, ${each} steps a call, value ${i}: ${difference}`)
          })
        // Workers start and compile meanwhile.
        if (column.name.startsWith('wasm, 2') || column.name.startsWith('wasm, 3'))
          await new Promise((resolve) => setTimeout(resolve, 20))
      }
    const isTeam = /^wasm, [23]/.test(column.name)
    if (isTeam) expect(sharing.calls).toBeGreaterThan(shared)
  })
})
