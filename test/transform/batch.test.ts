/**
 * Batching: random programs with an axis in front of some of their inputs give, to the bit, what they give sample by sample.
 */
import { expect, test } from 'vitest'
import { allocate, type TypedArray } from '../../src/base/dtype.js'
import { sizeOf } from '../../src/base/shape.js'
import { interpret } from '../../src/graph/interpret.js'
import { type Graph, input, type Node, NodeTable, topological, withTable } from '../../src/graph/node.js'
import { type Op, opInfo } from '../../src/graph/op.js'
import { printGraph } from '../../src/graph/print.js'
import { verifyGraph } from '../../src/graph/verify.js'
import { batched, stretched } from '../../src/transform/batch.js'
import { difference, generator, randomGraph, reproducer } from '../graph/random-graph.js'

const count = Number(process.env['GRAPHS'] ?? 400)

test('random programs, sample by sample', () => {
  const met = new Set<Op>()
  for (let seed = 0; seed < count; seed++) {
    const { graph, inputs } = randomGraph(seed, { nodes: 12, maximumSize: 60 })
    const random = generator(seed + 77)
    const size = 1 + Math.floor(random() * 3)
    const chosen = graph.inputs.map(() => random() < 0.6)
    // The other samples are the first one's values in another order.
    const samples = Array.from({ length: size }, (_, s) =>
      inputs.map((values, i) => (chosen[i] && s > 0 ? shuffled(values, random) : values)),
    )
    const known = new Map<Node, Node>()
    const wide = graph.inputs.map((node, i) => {
      if (!chosen[i]) return node
      const whole = input(node.type.dtype, [size, ...node.type.shape])
      known.set(node, whole)
      return whole
    })
    for (const node of topological(graph.outputs)) {
      const [first] = batched([node], known, size)
      if (first!.isBatched && !known.has(node)) met.add(node.op)
    }
    const outputs = withTable(new NodeTable(), () =>
      batched(graph.outputs, known, size).map(({ node, isBatched }) => (isBatched ? node : stretched(node, size))),
    )
    const made: Graph = { inputs: wide, outputs }
    verifyGraph(made)
    const values = wide.map((_, i) => (chosen[i] ? joined(samples.map((sample) => sample[i]!)) : inputs[i]!))
    const actual = interpret(made, values, 'fused')
    const bySample = samples.map((sample) => interpret(graph, sample, 'fused'))
    const expected = graph.outputs.map((_, i) => joined(bySample.map((sample) => sample[i]!)))
    const fault = difference(expected, actual)
    if (fault) expect.fail(`seed ${seed}: ${fault}\n${reproducer(graph)}\n${printGraph(made)}`)
  }
  const rules = (Object.keys(opInfo) as Op[]).filter((op) => opInfo[op].category !== 'leaf')
  if (count >= 400) expect(rules.filter((op) => !met.has(op))).toEqual([])
})

function shuffled(values: TypedArray, random: () => number): TypedArray {
  const copy = values.slice() as TypedArray
  for (let i = copy.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[copy[i], copy[j]] = [copy[j]!, copy[i]!]
  }
  return copy
}

function joined(parts: readonly TypedArray[]): TypedArray {
  const dtypes = {
    Float32Array: 'float32',
    Float64Array: 'float64',
    Int32Array: 'int32',
    Uint32Array: 'uint32',
  } as const
  const name = parts[0]!.constructor.name as keyof typeof dtypes
  const whole = allocate(dtypes[name] ?? 'uint8', sizeOf([parts.length, parts[0]!.length]))
  parts.forEach((part, i) => {
    whole.set(part as Float32Array<ArrayBuffer>, i * part.length)
  })
  return whole
}
