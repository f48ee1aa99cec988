/**
 * @file The packed 4×2 micro-kernel alone: GFLOP/s of a 960×960×1024 product of panels that are packed already,
 * A as [m / 4][k][4], B as [n / 8][k][8], and what compiling costs. Run `npx tsc -p tsconfig.build.json` before.
 *
 * node benchmarks/micro-kernel.mjs [unroll...]
 */
import { emitModule } from '../dist/emit/wasm/emit.js'
import { compileModule, relaxedMadd } from '../dist/emit/wasm/features.js'
import { KernelBuilder } from '../dist/kernel/builder.js'
import { addAffine, scaleAffine } from '../dist/kernel/loop.js'

const [m, n, k, segment, rowBlock] = [960, 960, 1024, 512, 240]

/** Sums scaled loop variables and a constant. */
const index = (constant, ...terms) =>
  terms.reduce((sum, [loop, by]) => addAffine(sum, scaleAffine(loop, by)), { constant, terms: [] })

function product(unroll, fused) {
  const a = { name: 'a', dtype: 'float32', length: m * k, access: 'read' }
  const b = { name: 'b', dtype: 'float32', length: n * k, access: 'read' }
  const c = { name: 'c', dtype: 'float32', length: m * n, access: 'update' }
  const e = new KernelBuilder()
  const type = { dtype: 'float32', lanes: 4 }
  const rows = [0, 1, 2, 3]
  const columns = [0, 1]
  const block = (first) => (kk) =>
    e.loop({ stop: m, step: rowBlock }, (block) =>
      e.loop({ stop: n, step: 8 }, (j) =>
        e.loop({ start: block, stop: addAffine(block, rowBlock), limit: m, step: 4 }, (i) => {
          const zero = e.number(0, type)
          const sums = rows.map(() => columns.map(() => e.variable(zero)))
          e.loop({ start: kk, stop: addAffine(kk, segment), limit: k, step: unroll }, (kk) => {
            for (let u = 0; u < unroll; u++) {
              const bs = columns.map((v) => e.load(b, index(8 * u + 4 * v, [j, k], [kk, 8]), 4))
              for (const r of rows) {
                const x = e.load(a, index(4 * u + r, [i, k], [kk, 4]), 4, 0)
                for (const v of columns) {
                  const sum = e.get(sums[r][v])
                  e.set(sums[r][v], fused ? e.op('fma', x, bs[v], sum) : e.op('add', e.op('multiply', x, bs[v]), sum))
                }
              }
            }
          })
          for (const r of rows)
            for (const v of columns) {
              const at = index(r * n + 4 * v, [i, n], [j, 1])
              const sum = e.get(sums[r][v])
              e.store(c, at, first ? sum : e.op('add', e.load(c, at, 4), sum))
            }
        }),
      ),
    )
  e.loop({ stop: segment, step: segment }, block(true))
  e.loop({ start: segment, stop: k, step: segment }, block(false))
  return e.finish('product', [a, b, c], 2 * m * n * k)
}

function time(f, seconds) {
  let best = Infinity
  const end = performance.now() + 1000 * seconds
  while (performance.now() < end) {
    const start = performance.now()
    f()
    best = Math.min(best, performance.now() - start)
  }
  return best
}

function bench(unroll, fused) {
  const kernel = product(unroll, fused)
  const emitStart = performance.now()
  const bytes = emitModule({ kernels: [kernel], launches: [{ kernel: 0, pointers: [0, 1, 2] }], pointers: 3 })
  const compileStart = performance.now()
  const module = compileModule(bytes)
  const compiled = performance.now()
  const base = 65536
  const memory = new WebAssembly.Memory({ initial: 2 + Math.ceil((4 * (m * k + n * k + m * n)) / 65536) })
  const { run } = new WebAssembly.Instance(module, { env: { memory } }).exports
  const floats = new Float32Array(memory.buffer)
  for (let i = base / 4; i < base / 4 + (m + n) * k; i++) floats[i] = Math.random() - 0.5
  new Int32Array(memory.buffer).set([base, base + 4 * m * k, base + 4 * (m + n) * k])
  const firstStart = performance.now()
  run(0)
  const first = performance.now() - firstStart
  // One element checks the whole: row 5, column 11.
  const at = (p, i, width) => base / 4 + p + Math.floor(i / width) * width * k + (i % width)
  let sum = 0
  for (let x = 0; x < k; x++) sum += floats[at(0, 5, 4) + 4 * x] * floats[at(m * k, 11, 8) + 8 * x]
  const got = floats[base / 4 + (m + n) * k + 5 * n + 11]
  if (Math.abs(got - sum) > 1e-3) throw new Error(`wrong product: ${got}, not ${sum}`)
  const best = time(() => run(0), 1.5)
  console.log(
    `${fused ? 'fma      ' : 'mul + add'} k unrolled by ${unroll}: ${(kernel.flops / best / 1e6).toFixed(1)} GFLOP/s, ` +
      `first call ${(kernel.flops / first / 1e6).toFixed(1)}; ${bytes.length} bytes, ` +
      `emitted in ${(compileStart - emitStart).toFixed(2)} ms, compiled in ${(compiled - compileStart).toFixed(2)} ms`,
  )
}

const unrolls = process.argv.slice(2).map(Number)
for (const fused of relaxedMadd() ? [true, false] : [false])
  for (const unroll of unrolls.length > 0 ? unrolls : [1, 2, 4]) bench(unroll, fused)
