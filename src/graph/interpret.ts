/**
 * @file The interpreter: what a program means, to the last bit. In: a Graph and one typed array an input. Out: one
 * typed array an output. Slow and obvious; every engine is checked against it. Sums go in the order each node states.
 *
 * interpret({ inputs: [x], outputs: [exp(x)] }, [new Float32Array([0, 1])], 'fused') → [Float32Array [1, 2.7182817]]
 */
import { allocate, isFloat, type TypedArray } from '../base/dtype.js'
import { ValueError } from '../base/errors.js'
import { sizeOf } from '../base/shape.js'
import type { NumericsMode } from '../numerics/arithmetic.js'
import type { Body } from './body.js'
import { canonical, elementRules } from './interpret-elements.js'
import { placeRules } from './interpret-places.js'
import type { Evaluate, Known } from './interpret-rule.js'
import { sumRules } from './interpret-sums.js'
import { type Graph, type Node, topological } from './node.js'
import type { Op, OpAttrs } from './op.js'
import { formatType } from './types.js'

export function interpret(graph: Graph, inputs: readonly TypedArray[], mode: NumericsMode): TypedArray[] {
  const values = new Map<Node, TypedArray>()
  const loops = new Map<Body, Known[]>()
  if (inputs.length !== graph.inputs.length)
    throw new ValueError('interpret', `the program takes ${graph.inputs.length} inputs, not ${inputs.length}`)
  graph.inputs.forEach((node, i) => {
    const expected = allocate(node.type.dtype, 0)
    const array = inputs[i]!
    if (array.constructor !== expected.constructor || array.length !== sizeOf(node.type.shape))
      throw new ValueError('interpret', `input ${i} is ${formatType(node.type)}, not ${describe(array)}`)
    values.set(node, isFloat(node.type.dtype) ? array.map(canonical) : array)
  })
  for (const node of topological(graph.outputs)) {
    if (values.has(node)) continue
    values.set(
      node,
      evaluate(
        node,
        node.operands.map((operand) => values.get(operand)!),
        mode,
        loops,
      ),
    )
  }
  return graph.outputs.map((node) => values.get(node)!.slice())
}

const describe = (array: TypedArray): string => `${array.constructor.name} of ${array.length}`

/** The value of one node, given its operands' values. */
export function evaluate(
  node: Node,
  operands: readonly TypedArray[],
  mode: NumericsMode,
  loops: Map<Body, Known[]> = new Map(),
): TypedArray {
  const rule = rules[node.op] as Evaluate
  const element = rule({ node, operands, mode, loops })
  const size = sizeOf(node.type.shape)
  const out = allocate(node.type.dtype, size)
  for (let i = 0; i < size; i++) {
    out[i] = canonical(element(i))
  }
  return out
}

/** What each op computes; attributes' meanings stand in op.ts. */
const rules: { readonly [O in Op]: Evaluate<O> } = {
  ...elementRules,
  ...placeRules,
  ...sumRules,
  input: ({ node }) => {
    throw new ValueError('interpret', `an input of type ${formatType(node.type)} is not bound`)
  },
  scan: ({ node, operands, mode, loops }) => {
    const known = loops.get(node.attrs.body) ?? []
    loops.set(node.attrs.body, known)
    const same = known.find((one) => one.operands.every((operand, i) => operand === operands[i]))
    const results = same?.results ?? runLoop(node.attrs, operands, mode)
    if (!same) known.push({ operands, results })
    const result = results[node.attrs.result]!
    return (i) => result[i]!
  },
}

/** All results of a loop: carries after the last iteration, then what is stacked. */
function runLoop(
  { body, carries, slices, length, reverse }: OpAttrs['scan'],
  operands: readonly TypedArray[],
  mode: NumericsMode,
): TypedArray[] {
  const { inputs, outputs } = body.graph
  const stacked = outputs.slice(carries).map(({ type }) => allocate(type.dtype, length * sizeOf(type.shape)))
  let state: readonly TypedArray[] = operands.slice(0, carries)
  for (let k = 0; k < length; k++) {
    const at = reverse ? length - 1 - k : k
    const given = operands.slice(carries).map((operand, i) => {
      const size = sizeOf(inputs[carries + i]!.type.shape)
      return i < slices ? operand.subarray(at * size, (at + 1) * size) : operand
    })
    const next = interpret(body.graph, [...state, ...given], mode)
    state = next.slice(0, carries)
    stacked.forEach((all, i) => {
      const slice = next[carries + i]!
      all.set(slice as Float32Array<ArrayBuffer>, at * slice.length)
    })
  }
  return [...state, ...stacked]
}
