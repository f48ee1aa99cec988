/**
 * @file What compiling costs, by V8's flags: a module of 40 kernels (20 products, 20 elementwise with tanh and exp),
 * its compilation, its first run and a later one. Run `npx tsc -p tsconfig.build.json` before.
 *
 * node benchmarks/compile-time.mjs            one process per set of flags
 */
import { execFileSync } from 'node:child_process'
import v8 from 'node:v8'
import { emitModule } from '../dist/emit/wasm/emit.js'
import { relaxedMadd } from '../dist/emit/wasm/features.js'
import { floatArithmetic, KernelBuilder } from '../dist/kernel/builder.js'
import { addAffine, scaleAffine } from '../dist/kernel/loop.js'
import { exp, tanh } from '../dist/numerics/elementary.js'

const sets = [
  '',
  '--no-liftoff',
  '--no-wasm-lazy-compilation',
  '--no-liftoff --no-wasm-lazy-compilation',
  '--no-wasm-lazy-compilation --no-wasm-dynamic-tiering',
]

if (process.argv[2] === undefined)
  for (const flags of sets)
    console.log(execFileSync(process.execPath, [import.meta.filename, flags], { encoding: 'utf8' }).trim())
else measure(process.argv[2])

function product(m, n, k) {
  const [a, b, c] = [m * k, k * n, m * n].map((length, i) => ({
    name: 'abc'[i],
    dtype: 'float32',
    length,
    access: i === 2 ? 'write' : 'read',
  }))
  const e = new KernelBuilder()
  const at = (...terms) =>
    terms.reduce((sum, [loop, by]) => addAffine(sum, loop ? scaleAffine(loop, by) : by), { constant: 0, terms: [] })
  e.loop({ stop: m, step: 4 }, (i) =>
    e.loop({ stop: n, step: 8 }, (j) => {
      const zero = e.number(0, { dtype: 'float32', lanes: 4 })
      const sums = [0, 1, 2, 3].map(() => [0, 1].map(() => e.variable(zero)))
      e.loop({ stop: k }, (p) => {
        const ys = [0, 1].map((v) => e.load(b, at([p, n], [j, 1], [null, 4 * v]), 4))
        sums.forEach((row, r) => {
          const x = e.load(a, at([i, k], [p, 1], [null, r * k]), 4, 0)
          for (const v of [0, 1]) e.set(row[v], e.op('fma', x, ys[v], e.get(row[v])))
        })
      })
      sums.forEach((row, r) => {
        for (const v of [0, 1]) e.store(c, at([i, n], [j, 1], [null, r * n + 4 * v]), e.get(row[v]))
      })
    }),
  )
  return e.finish('product', [a, b, c], 2 * m * n * k)
}

function elementwise(n, scale) {
  const [x, y, z] = ['x', 'y', 'z'].map((name) => ({
    name,
    dtype: 'float32',
    length: n,
    access: name === 'z' ? 'write' : 'read',
  }))
  const e = new KernelBuilder()
  e.loop({ stop: n, step: 4 }, (i) => {
    const a = floatArithmetic(e, 'float32', 4, 'fused')
    e.store(z, i, a.add(tanh(a, e.load(x, i, 4)), a.multiply(exp(a, e.load(y, i, 4)), a.number(scale))))
  })
  return e.finish('elementwise', [x, y, z], 0)
}

function measure(flags) {
  relaxedMadd()
  const kernels = []
  for (let i = 0; i < 20; i++) kernels.push(product(64, 128, 100 + i), elementwise(64 * 128, 1 + i))
  const launches = kernels.map((_, kernel) => ({ kernel, pointers: [0, 1, 2] }))
  emitModule({ kernels, launches, pointers: 3 })
  const start = performance.now()
  const bytes = emitModule({ kernels, launches, pointers: 3 })
  const emitted = performance.now()
  for (const flag of flags.split(' ').filter(Boolean)) v8.setFlagsFromString(flag)
  const module = new WebAssembly.Module(bytes)
  const compiled = performance.now()
  for (const flag of flags.split(' ').filter(Boolean)) v8.setFlagsFromString(flag.replace('--no-', '--'))
  const memory = new WebAssembly.Memory({ initial: 40 })
  const { run } = new WebAssembly.Instance(module, { env: { memory } }).exports
  new Int32Array(memory.buffer).set([4096, 4096 + 2 ** 20, 4096 + 2 ** 20 + 4 * 2 ** 17])
  const times = []
  for (let i = 0; i < 300; i++) {
    const before = performance.now()
    run(0)
    times.push(performance.now() - before)
  }
  const best = Math.min(...times)
  const slow = times.findIndex((_, i) => times.slice(i, i + 5).every((t) => t < 1.15 * best))
  console.log(
    `${(flags || 'default').padEnd(58)} emit ${(emitted - start).toFixed(1)} ms, ${bytes.length} bytes, compile ${(compiled - emitted).toFixed(1)} ms, first call ${times[0].toFixed(2)}, second ${times[1].toFixed(2)}, best ${best.toFixed(2)} ms, at full speed after ${slow} calls`,
  )
}
