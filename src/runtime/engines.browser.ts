/**
 * @file engines.ts as browsers have it: WebAssembly, and nothing that only Node, tests and debugging need. package.json's field
 * `browser` puts this file in the other's place, in bundlers and in Gradus' own bundle for pages.
 */
import { ValueError } from '../base/errors.js'
import type { Storage } from '../base/storage.js'
import type { Graph } from '../graph/node.js'
import { printGraph } from '../graph/print.js'
import type { LoweredGraph } from '../lower/lower.js'
import type { Engine, Runnable } from './engine.js'
import type { LoweredProgram } from './engines.js'
import type { Tiered } from './tiered.js'
import { wasmEngine } from './wasm.js'

export function engineNamed(name: Engine['name']): Engine {
  if (name === 'wasm') return wasmEngine
  throw new ValueError('compile', `the engine '${name}' is not in Gradus for browsers`, {
    hint: "Leave engine out, or choose 'wasm': the bits are the same.",
  })
}

export const checkNative = (): void => void engineNamed('native')

export const startTiers = <P extends Runnable>(
  _start: P,
  _threads: number,
  _storages: readonly (Storage | undefined)[],
  _lowerFor: (engine: Engine) => LoweredProgram<P>,
): Tiered<P> | undefined => undefined

export const verifies: { graph(graph: Graph): void; lowered(lowered: LoweredGraph): void } = {
  graph() {},
  lowered() {},
}

export const prints: { graph(graph: Graph): string; lowered(lowered: LoweredGraph): string } = {
  graph: printGraph,
  lowered: ({ launches }) => launches.map(({ kernel }) => kernel.name).join('\n'),
}
