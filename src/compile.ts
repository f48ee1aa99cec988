/**
 * @file The compiler: read this first. A list of passes takes a traced graph to something that runs.
 *
 *   trace ─► simplify ─► fma ─► lower (fuse, write loops) ─► plan (memory) ─► load (emit, instantiate)
 *
 * In: a graph, which outputs replace which Variables, where the Variables' bytes are. Out: a Program.
 * The list also drives GRADUS_DEBUG, the verifiers between passes, and explain().
 */
import type { TypedArray } from './base/dtype.js'
import { debugLevel, verifies } from './base/environment.js'
import type { Storage } from './base/storage.js'
import { followed } from './graph/lineage.js'
import type { Graph, Node } from './graph/node.js'
import { withTable } from './graph/node.js'
import { packingOnly } from './kernel/packing.js'
import { type LoweredGraph, lower, type Updates } from './lower/lower.js'
import { makePlan, outsideBytes, type Plan, type Slot } from './lower/plan.js'
import type { Target } from './lower/target.js'
import type { NumericsMode } from './numerics/arithmetic.js'
import type { Engine, Runnable } from './runtime/engine.js'
import { engineNamed, type LoweredProgram, prints, startTiers, verifies as verify } from './runtime/engines.js'
import { type CompileSettings, type EngineName, engineName, numericsMode, threadCount } from './settings.js'
import { formFma } from './transform/fma.js'
import { layOutLoopOperands } from './transform/loop-operands.js'
import { simplify } from './transform/simplify.js'
import { tidyLoops } from './transform/tidy-loops.js'

export { type CompileSettings, type EngineName, numericsMode }

/** What the passes work on; each fills in or replaces a part. */
interface Compilation {
  graph: Graph
  lowered?: LoweredGraph
  plan?: Plan
  runnable?: Runnable
  readonly updates: Updates
  /** For each graph input the storage that holds it across calls. */
  readonly storages: readonly (Storage | undefined)[]
  readonly mode: NumericsMode
  readonly engine: Engine
  readonly target: Target
}

interface Pass {
  readonly name: string
  readonly run: (c: Compilation) => void
  readonly verify?: (c: Compilation) => void
  readonly dump?: (c: Compilation) => string
}

const graphPass = (name: string, transform: (graph: Graph, c: Compilation) => Graph): Pass => ({
  name,
  run: (c) => {
    c.graph = transform(c.graph, c)
  },
  verify: (c) => verify.graph(c.graph),
  dump: (c) => prints.graph(c.graph),
})

export const passes: readonly Pass[] = [
  graphPass('trace', (graph) => graph),
  graphPass('loops', (graph) => tidyLoops(graph)),
  graphPass('simplify', (graph, c) => simplify(graph, c.mode)),
  graphPass('loop operands', (graph) => layOutLoopOperands(graph)),
  // In fused mode x·y + z becomes one operation here; nothing below makes or breaks one.
  graphPass('fma', (graph, c) => (c.mode === 'fused' ? formFma(graph) : graph)),
  {
    name: 'lower',
    run: (c) => {
      c.lowered = lower(c.graph, c.updates, c.mode, c.target)
    },
    verify: (c) => verify.lowered(c.lowered!),
    dump: (c) => prints.lowered(c.lowered!),
  },
  {
    name: 'plan',
    run: (c) => {
      c.plan = makePlan(c.lowered!, new Set(c.storages.flatMap((storage, i) => (storage ? [i] : []))))
    },
    dump: (c) => printPlan(c.plan!),
  },
  {
    name: 'load',
    run: (c) => {
      c.runnable = c.engine.load(c.plan!, c.storages, c.target.threads ?? 1)
    },
  },
]

/** Of a graph that has been through the passes over graphs: those that are left. */
const laterPasses = passes.slice(passes.findIndex(({ name }) => name === 'lower'))

/**
 * The passes over graphs alone. What looks at values of a step is added to their result, so that it cannot change which
 * multiply-adds are formed, and with them the bits. `latest` of a node of the graph before is the node that has its value after.
 */
export function prepareGraph(graph: Graph, mode: NumericsMode): { graph: Graph; latest: (node: Node) => Node } {
  const c = { graph, mode } as Compilation
  const { latest } = followed(() => runPasses(c, passes.slice(0, -laterPasses.length)))
  return { graph: c.graph, latest }
}

/** A program of a graph that `prepareGraph` gave, or that was added to what it gave. */
export function compilePrepared(
  graph: Graph,
  updates: Updates,
  storages: readonly (Storage | undefined)[],
  settings: CompileSettings = {},
): Program {
  return compileGraph(graph, updates, storages, settings, laterPasses)
}

/** A compiled program. */
export interface Program extends Runnable {
  /** The graph whose meaning the engines obey bit for bit: after simplification and forming multiply-adds. */
  readonly graph: Graph
  readonly plan: Plan
  readonly mode: NumericsMode
  readonly engine: EngineName
  /** How many threads share what is worth sharing. */
  readonly threads: number
  /** Memory of Variables that it does not update: parameters that are frozen, or that only predict, statistics, the learning rate. */
  readonly keptBytes: number
  /** Milliseconds each pass took. */
  readonly compileTimes: ReadonlyMap<string, number>
  /** Seconds that packing operands takes in each launch, by running that part alone; 0 where nothing is packed. */
  packingTime(inputs: readonly (TypedArray | undefined)[]): number[]
}

export function compileGraph(
  graph: Graph,
  updates: Updates,
  storages: readonly (Storage | undefined)[],
  settings: CompileSettings = {},
  list: readonly Pass[] = passes,
): Program {
  const name = engineName(settings)
  if (name !== 'auto') return compileFor(engineNamed(name), graph, updates, storages, settings, list)
  return compileTiered(graph, updates, storages, settings, list)
}

/** WebAssembly at once; native code, compiled meanwhile by another process, when the program has run for a while. */
function compileTiered(
  graph: Graph,
  updates: Updates,
  storages: readonly (Storage | undefined)[],
  settings: CompileSettings,
  list: readonly Pass[],
): Program {
  const threads = threadCount(settings)
  const start = compileFor(engineNamed('wasm'), graph, updates, storages, settings, list)
  const tiers = startTiers(start, threads, storages, (engine): LoweredProgram<Program> => {
    const target = { ...engine.target(), threads }
    const c: Compilation = { graph, updates, storages, engine, target, mode: start.mode }
    const compileTimes = runPasses(c, list.slice(0, -1))
    return { plan: c.plan!, finish: (runnable) => programOf(c, runnable, compileTimes) }
  })
  if (!tiers) return start
  return {
    get graph() {
      return tiers.current.graph
    },
    get plan() {
      return tiers.current.plan
    },
    mode: start.mode,
    get engine() {
      return tiers.current.engine
    },
    get threads() {
      return tiers.current.threads
    },
    get keptBytes() {
      return tiers.current.keptBytes
    },
    get compileTimes() {
      return tiers.current.compileTimes
    },
    run: (inputs, results) => tiers.run(inputs, results),
    runMany: (inputs, results) => tiers.runMany(inputs, results),
    time: (inputs) => tiers.time(inputs),
    packingTime: (inputs) => tiers.current.packingTime(inputs),
  }
}

function compileFor(
  engine: Engine,
  graph: Graph,
  updates: Updates,
  storages: readonly (Storage | undefined)[],
  settings: CompileSettings,
  list: readonly Pass[],
): Program {
  const mode = numericsMode(settings)
  const threads = settings.once ? 1 : engine.threads(threadCount(settings))
  const c: Compilation = { graph, updates, storages, engine, target: { ...engine.target(), threads }, mode }
  const compileTimes = runPasses(c, list)
  return programOf(c, c.runnable!, compileTimes)
}

/** Milliseconds by pass. */
function runPasses(c: Compilation, list: readonly Pass[]): Map<string, number> {
  const compileTimes = new Map<string, number>()
  const debug = debugLevel()
  // Nodes made here belong to no trace.
  withTable(undefined, () => {
    for (const pass of list) {
      const start = performance.now()
      pass.run(c)
      compileTimes.set(pass.name, performance.now() - start)
      if (verifies()) pass.verify?.(c)
      const shown =
        debug >= 5 ||
        (debug >= 4 && pass.name === 'lower') ||
        (debug >= 3 && (pass.name === 'fma' || pass.name === 'plan'))
      if (shown && pass.dump) console.error(`── ${pass.name} ──\n${pass.dump(c)}`)
    }
  })
  return compileTimes
}

function programOf(c: Compilation, runnable: Runnable, compileTimes: ReadonlyMap<string, number>): Program {
  const plan = c.plan!
  if (debugLevel() >= 1) {
    const total = [...compileTimes.values()].reduce((sum, t) => sum + t, 0)
    console.error(
      `gradus: compiled ${plan.launches.length} kernels for ${c.engine.name} in ${total.toFixed(1)} ms; memory: parameters and moments ${outsideBytes(plan, true)} bytes, arena ${plan.arenaBytes} (${plan.liveBytes} live at once)`,
    )
  }
  return {
    graph: c.graph,
    plan,
    mode: c.mode,
    engine: c.engine.name,
    threads: c.target.threads ?? 1,
    keptBytes: outsideBytes(plan, false, (input) => c.storages[input]?.holds === 'model'),
    compileTimes,
    run: (inputs, results) => runnable.run(inputs, results),
    runMany: (inputs, results) => runnable.runMany(inputs, results),
    time: (inputs) => runnable.time(inputs),
    packingTime: (inputs) => {
      const parts = plan.kernels.map(packingOnly)
      const packing = plan.launches.filter(({ kernel }) => parts[kernel])
      if (packing.length === 0) return plan.launches.map(() => 0)
      const kernels = parts.map((part, i) => part ?? { ...plan.kernels[i]!, body: [] })
      // Of a loop, the first iteration's.
      const launches = packing.map(({ kernel, slots }) => ({ kernel, slots }))
      const seconds = c.engine.load({ ...plan, kernels, launches }, c.storages).time(inputs)
      return plan.launches.map((launch) => seconds[packing.indexOf(launch)] ?? 0)
    },
  }
}

export function printPlan(plan: Plan): string {
  const lines = plan.slots.map((slot, i) => `  s${i}: ${slot.dtype}[${slot.length}] ${placeText(slot)}`)
  const launches = plan.launches.map(
    ({ kernel, slots, shared, wait, loops }) =>
      `${wait ? '  wait\n' : ''}  ${(loops ?? []).map((loop) => `${plan.loops[loop]} times: `).join('')}${plan.kernels[kernel]!.name}(${slots.map((slot) => `s${slot}`).join(', ')})${shared ? ' shared' : ''}`,
  )
  return [`arena ${plan.arenaBytes} bytes, ${plan.liveBytes} live at once`, ...lines, ...launches].join('\n')
}

function placeText(slot: Slot): string {
  if (slot.kind === 'arena') return `at ${slot.offset}`
  if (slot.kind === 'outside') return `variable of input ${slot.input}`
  const { of, start, step } = slot
  const moves = step
    ? `, by ${step.by} ${step.alternating ? 'to and fro' : 'on'} in each iteration of loop ${step.loop}`
    : ''
  return `s${of} from ${start}${moves}`
}
