/**
 * @file Single nodes of random graphs, exported and run in onnxruntime, against the interpreter: every operation with awkward
 * shapes and attributes. GRAPHS=500 SEED=1000 is the soak.
 */
import * as onnxruntime from 'onnxruntime-web'
import { beforeAll, expect, test } from 'vitest'
import { isFloat, type TypedArray } from '../../src/base/dtype.js'
import { evaluate } from '../../src/graph/interpret.js'
import { make, type Node, topological } from '../../src/graph/node.js'
import type { Op } from '../../src/graph/op.js'
import { exportOnnx, type Tensor, tensor } from '../../src/index.js'
import { record } from '../../src/trace/tensor.js'
import { randomGraph } from '../graph/random-graph.js'

const count = Number(process.env['GRAPHS'] ?? 10)
const first = Number(process.env['SEED'] ?? 0)

beforeAll(() => {
  onnxruntime.env.wasm.numThreads = 1
  onnxruntime.env.logLevel = 'fatal'
})

/** What onnxruntime's processor build has no kernel for; nothing else may be missing. */
const missing = /Could not find an implementation|NOT_IMPLEMENTED|not implemented|is invalid/

/** What ONNX leaves open: what becomes of floats beyond an integer's range. */
function isOpen(node: Node, operands: readonly TypedArray[]): boolean {
  if (node.op === 'randomBits') return true
  if (node.op === 'convert' && isFloat(node.operands[0]!.type.dtype) && !isFloat(node.type.dtype))
    return operands[0]!.some(
      (x) => !(Math.abs(x) < (node.type.dtype === 'uint8' ? 100 : 2 ** 30)) || (x < 0 && node.type.dtype !== 'int32'),
    )
  // Angles beyond those that float64 reduces exactly here.
  if (node.op === 'sin' || node.op === 'cos') return operands[0]!.some((x) => Math.abs(x) > 2 ** 25)
  // Sums of whole numbers that wrap around.
  if (node.op === 'reduce' && !isFloat(node.type.dtype))
    return Array.from(operands[0]!).reduce((sum, x) => sum + Math.abs(x), 0) >= 2 ** 31
  // Where NaN stands in an order.
  if (
    node.op === 'argsort' ||
    node.op === 'maximum' ||
    node.op === 'minimum' ||
    node.op === 'reduce' ||
    node.op === 'compare'
  )
    return operands.some((array) => array.some((x) => Number.isNaN(x)))
  return false
}

async function check(node: Node, operands: readonly TypedArray[]): Promise<string> {
  const net = (...inputs: Tensor[]) => record(inputs, (...nodes) => make(node.op, nodes, node.attrs as never))
  const input = node.operands.map(({ type }, i) => tensor(operands[i]!, { dtype: type.dtype, shape: type.shape }))
  const model = await exportOnnx(input.length > 0 ? net : (_: Tensor) => net(), {
    input: input.length > 0 ? input : { shape: [1] },
    dynamicBatch: false,
  })
  let session: onnxruntime.InferenceSession
  try {
    session = await onnxruntime.InferenceSession.create(model)
  } catch (error) {
    if (missing.test(String(error)))
      return `missing ${node.op} ${node.operands[0]?.type.dtype} ${String(error).slice(0, 160)}`
    throw error
  }
  const feeds = Object.fromEntries(
    session.inputNames.map((name, i) => {
      const { dtype, shape } = node.operands[i]?.type ?? { dtype: 'float32', shape: [1] }
      return [
        name,
        new onnxruntime.Tensor(dtype as 'float32', (operands[i] ?? new Float32Array(1)) as never, [...shape]),
      ]
    }),
  )
  const { output } = await session.run(feeds)
  await session.release()
  const wanted = evaluate(node, operands, 'portable')
  const got = output!.data as ArrayLike<number>
  if (String(output!.dims) !== String(node.type.shape) || output!.type !== node.type.dtype)
    return `wrong: ${output!.type}[${output!.dims}] instead of ${node.type.dtype}[${node.type.shape}]`
  const size = Math.max(1, ...Array.from(wanted, (x) => (Number.isFinite(x) ? Math.abs(x) : 0)).slice(0, 10_000))
  for (const [k, w] of wanted.entries()) {
    const g = Number(got[k])
    const near = g === w || (Number.isNaN(g) && Number.isNaN(w)) || Math.abs(g - w) <= 1e-5 * size
    if (!near) return `wrong: ${g} instead of ${w} at ${k}`
  }
  return 'ok'
}

test(`the nodes of ${count} random graphs`, { timeout: 600_000 }, async () => {
  const counts = new Map<Op, number>()
  const without = new Set<string>()
  for (let seed = first; seed < first + count; seed++) {
    const { graph, inputs } = randomGraph(seed, { nodes: 12, maximumSize: 600 })
    const values = new Map<Node, TypedArray>(graph.inputs.map((node, i) => [node, inputs[i]!]))
    for (const node of topological(graph.outputs)) {
      if (values.has(node)) continue
      const operands = node.operands.map((operand) => values.get(operand)!)
      values.set(node, evaluate(node, operands, 'portable'))
      if (isOpen(node, operands)) continue
      let result: string
      try {
        result = await check(node, operands)
      } catch (error) {
        result = `threw: ${String(error).slice(0, 400)}`
      }
      if (result.startsWith('missing')) without.add(result)
      else if (result !== 'ok')
        expect
          .soft(
            `seed ${seed}, ${node.op} ${JSON.stringify(node.attrs)?.slice(0, 300)} of ${node.operands.map(({ type }) => `${type.dtype}[${type.shape}]`)}: ${result}`,
          )
          .toBe('')
      counts.set(node.op, (counts.get(node.op) ?? 0) + 1)
    }
  }
  if (process.env['GRAPHS']) console.log(Object.fromEntries(counts), [...without].sort().join('\n'))
})
