/**
 * @file Networks that a model folder may hold: one row a kind. In: a description as JSON has it. Out: a checked one, and the module that
 * it describes. To add a kind, add it here.
 *
 * networkFrom(parseNetwork({ kind: 'cnn', inputs: [1, 28, 28], outputs: 10, ... }, 'model.json'))
 */
import { type CnnConfig, cnn, parseCnn } from './cnn.js'
import { type MlpConfig, mlp, parseMlp } from './mlp.js'
import type { Net } from './types.js'

/** What describes a network; `kind` says which. */
export type NetworkConfig = MlpConfig | CnnConfig

/** The network, with parameters that are still to be drawn or read. */
export const networkFrom = (config: NetworkConfig): Net => (config.kind === 'cnn' ? cnn(config) : mlp(config))

/** A description from JSON of unknown origin. Throws FileError, naming `source` and the fault. */
export function parseNetwork(json: unknown, source: string): NetworkConfig {
  const isCnn = typeof json === 'object' && json !== null && (json as { kind?: unknown }).kind === 'cnn'
  return isCnn ? parseCnn(json as object, source) : parseMlp(json, source)
}

/** How many networks, alike but for their parameters, are averaged. */
export const membersOf = (config: NetworkConfig): number => (config.kind === 'mlp' ? config.members : 1)
