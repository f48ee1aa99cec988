/**
 * @file The bodies of scans that are being traced: which iteration it is, for random draws, and what belongs to a body.
 */
import { type Node, topological } from '../graph/node.js'
import * as ops from '../graph/ops.js'

export interface LoopFrame {
  readonly length: number
  /** Which slice of the scanned inputs it is: a uint32 scalar. */
  readonly iteration: () => Node
}

const frames: LoopFrame[] = []
/** What stands for carries and slices. */
const bodyInputs = new WeakSet<Node>()

export const insideLoop = (): boolean => frames.length > 0

/** Runs the body of a loop whose carries and slices the `inputs` are. */
export function withLoop<T>(frame: LoopFrame, inputs: readonly Node[], f: () => T): T {
  for (const node of inputs) bodyInputs.add(node)
  frames.push(frame)
  try {
    return f()
  } finally {
    frames.pop()
  }
}

/** Numbers the iterations of all loops around, the innermost counting fastest; undefined outside of loops. */
export function loopIteration(): Node | undefined {
  return frames.reduce<Node | undefined>(
    (outer, { length, iteration }) =>
      outer ? ops.add(ops.multiply(outer, ops.constant(length, 'uint32')), iteration()) : iteration(),
    undefined,
  )
}

/** Whether some node depends on a carry or a slice. */
export const usesLoop = (nodes: readonly Node[]): boolean => topological(nodes).some((node) => bodyInputs.has(node))
