/**
 * @file Tiles of the product kernel, measured: which rows × vectors of sums to keep in registers (src/lower/target.ts).
 * npm run tune                    every width that this processor has, about five minutes; nothing else may run meanwhile
 * npm run tune -- --quick         to see that it works
 * Prints Markdown, for docs/tuning.md. One thread; the best of many short runs counts.
 */
import { cpus } from 'node:os'
import { compileGraph } from '../dist/compile.js'
import { input } from '../dist/graph/node.js'
import * as ops from '../dist/graph/ops.js'
import { lower } from '../dist/lower/lower.js'
import { makePlan } from '../dist/lower/plan.js'
import { target128, target256, target512, wasmTarget } from '../dist/lower/target.js'
import { NativeProgram, sourceOf } from '../dist/runtime/native.js'
import { findCompiler, loadC } from '../dist/runtime/native-compiler.js'
import { wasmEngine } from '../dist/runtime/wasm.js'

const quick = process.argv.includes('--quick')
/** [name, m, n, k, lhs transposed, rhs transposed]; most of the time goes to products like the first four. */
const shapes = [
  ['square', 512, 512, 512, false, false],
  ['forward', 256, 1024, 784, false, true],
  ['weight gradient', 784, 256, 128, true, false],
  ['input gradient', 256, 1024, 1024, false, false],
  ['batch 32', 32, 128, 784, false, true],
  ['ten columns', 256, 10, 128, false, true],
  ['one row', 1, 512, 512, false, true],
]

const graphs = shapes.map(([, m, n, k, left, right]) => {
  const [x, y] = [input('float32', left ? [k, m] : [m, k]), input('float32', right ? [n, k] : [k, n])]
  const attrs = { lhsBatch: [], rhsBatch: [], lhsContract: [left ? 0 : 1], rhsContract: [right ? 1 : 0] }
  const graph = { inputs: [x, y], outputs: [ops.contract(x, y, attrs)] }
  return compileGraph(graph, new Map(), [undefined, undefined], { engine: 'interpreter' })
})
const inputs = shapes.map(([, m, n, k]) =>
  [m * k, k * n].map((length) => Float32Array.from({ length }, (_, i) => Math.sin(i))),
)

/** Programs for all shapes with this tile. */
function programs(target, native) {
  const plans = graphs.map(({ graph, mode }) => makePlan(lower(graph, new Map(), mode, target), new Set()))
  if (!native) return plans.map((plan) => wasmEngine.load(plan, [undefined, undefined]))
  const library = loadC(sourceOf(plans))
  return plans.map((plan, i) => new NativeProgram(plan, [undefined, undefined], library, 1, i))
}

function gflops(program, shape, values) {
  const [, m, n, k] = shape
  const times = Array.from({ length: quick ? 1 : 4 }, () => program.time(values)[0])
  return (2 * m * n * k) / Math.min(...times) / 1e9
}

/** Sums, a row's splat and the columns must fit the registers. */
const candidates = (registers) =>
  [1, 2, 3, 4].flatMap((vectors) =>
    [2, 3, 4, 5, 6, 7, 8, 10, 12, 14]
      .filter((rows) => rows * vectors + vectors + 1 <= registers && rows * vectors >= 6)
      .map((rows) => [rows, vectors]),
  )

const machine = findCompiler().target.vectorBytes
const settings = [
  ['WebAssembly', wasmTarget, 16, false],
  ...[target128, target256, target512]
    .filter(({ vectorBytes }) => vectorBytes <= machine)
    // With AVX-512 the shorter vectors have 32 registers too.
    .map((target) => [`native, ${target.vectorBytes} bytes`, target, machine === 64 ? 32 : 16, true]),
]

console.log(
  `${cpus()[0].model}, Node ${process.version}; GFLOP/s, best of several runs; **bold** is what target.ts has.\n`,
)
for (const [name, target, registers, native] of settings) {
  const tiles = quick ? candidates(registers).slice(0, 2) : candidates(registers)
  console.log(
    `### ${name}\n\n| rows × vectors | ${shapes.map(([shape]) => shape).join(' | ')} | mean of the first four |`,
  )
  console.log(`| --- |${' ---: |'.repeat(shapes.length + 1)}`)
  const rows = tiles.map(([tileRows, tileVectors]) => {
    const all = programs({ ...target, tileRows, tileVectors }, native)
    const speeds = shapes.map((shape, i) => gflops(all[i], shape, inputs[i]))
    const mean = 4 / speeds.slice(0, 4).reduce((sum, speed) => sum + 1 / speed, 0)
    return { tileRows, tileVectors, speeds, mean }
  })
  for (const { tileRows, tileVectors, speeds, mean } of rows.sort((a, b) => b.mean - a.mean)) {
    const own = tileRows === target.tileRows && tileVectors === target.tileVectors
    const cells = [`${tileRows} × ${tileVectors}`, ...speeds.map((speed) => speed.toFixed(1)), mean.toFixed(1)]
    console.log(`| ${cells.map((cell) => (own ? `**${cell}**` : cell)).join(' | ')} |`)
  }
  console.log('')
}
