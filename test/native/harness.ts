/** @file Native code in tests: graphs lowered for a target, many in one C file, beside what the interpreter gives. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { TypedArray } from '../../src/base/dtype.js'
import { compileGraph } from '../../src/compile.js'
import { interpret } from '../../src/graph/interpret.js'
import type { Graph } from '../../src/graph/node.js'
import { verifyKernel } from '../../src/kernel/verify.js'
import { lower } from '../../src/lower/lower.js'
import { makePlan, type Plan } from '../../src/lower/plan.js'
import { type Target, target128, target256, target512 } from '../../src/lower/target.js'
import type { NumericsMode } from '../../src/numerics/arithmetic.js'
import { NativeProgram, sourceOf } from '../../src/runtime/native.js'
import { findCompiler, loadC } from '../../src/runtime/native-compiler.js'
import { koffi } from '../../src/runtime/native-host.js'
import { sameBits } from '../support/bits.js'

/** Why native code cannot be tested here, said aloud; undefined where it can. */
export function missing(): string | undefined {
  try {
    koffi()
    findCompiler()
    return undefined
  } catch (error) {
    console.warn(`tests of native code are left out: ${(error as Error).message}`)
    return (error as Error).message
  }
}

/** Every width of vectors; those wider than the processor's are computed in parts. */
export const targets: readonly (readonly [string, Target])[] = [
  ['16 bytes', target128],
  ['32 bytes', target256],
  ['64 bytes', target512],
]

/** A cache folder for this test file alone. */
export function ownCache(): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'gradus-native-'))
  process.env['GRADUS_CACHE'] = folder
  return () => rmSync(folder, { recursive: true, force: true })
}

export interface Case {
  readonly label: string
  readonly graph: Graph
  readonly inputs: readonly TypedArray[]
}

/** Compiles all graphs as one file and compares each result, on 1 to `target.threads` threads, with the graph interpreter's. */
export function expectNativeBits(all: readonly Case[], target: Target, mode: NumericsMode): Plan[] {
  const lowered = all.map(({ graph }) => {
    const none = graph.inputs.map(() => undefined)
    const program = compileGraph(graph, new Map(), none, { engine: 'interpreter', numerics: mode })
    const low = lower(program.graph, new Map(), mode, target)
    for (const { kernel } of low.launches) verifyKernel(kernel)
    // All that can be shared is, however little it is.
    return { graph: program.graph, plan: makePlan(low, new Set(), { kernel: 0, program: 0 }) }
  })
  const library = loadC(sourceOf(lowered.map(({ plan }) => plan)))
  all.forEach(({ label, inputs }, i) => {
    const { graph, plan } = lowered[i]!
    const none = graph.inputs.map(() => undefined)
    const expected = interpret(graph, inputs, mode)
    for (let count = 1; count <= (target.threads ?? 1); count++) {
      const actual = new NativeProgram(plan, none, library, count, i).run(inputs, graph.outputs.length)
      expected.forEach((output, o) => {
        const difference = sameBits(actual[o]!, output)
        if (difference) expect.fail(`${label}, threads ${count}, output ${o}: ${difference}`)
      })
    }
  })
  return lowered.map(({ plan }) => plan)
}
