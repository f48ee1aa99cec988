/** @file What the interpreter itself promises; its agreement with WebAssembly is tested in test/emit. */
import { expect, test } from 'vitest'
import { KernelBuilder } from '../../src/kernel/builder.js'
import { compileInterpreter, interpretKernel } from '../../src/kernel/interpret.js'
import { addAffine, affine, type Buffer, scaleAffine } from '../../src/kernel/loop.js'

test('a matrix product in float32, each step rounded once', () => {
  const [m, n, k] = [3, 4, 5]
  const a: Buffer = { name: 'a', dtype: 'float32', length: m * k, access: 'read' }
  const w: Buffer = { name: 'w', dtype: 'float32', length: k * n, access: 'read' }
  const c: Buffer = { name: 'c', dtype: 'float32', length: m * n, access: 'write' }
  const b = new KernelBuilder()
  b.loop({ stop: m }, (i) => {
    const sum = b.variable(b.number(0, { dtype: 'float32', lanes: 4 }))
    b.loop({ stop: k }, (j) => {
      const x = b.load(a, addAffine(scaleAffine(i, k), j), 4, 0)
      b.set(sum, b.op('add', b.get(sum), b.op('multiply', x, b.load(w, scaleAffine(j, n), 4))))
    })
    b.store(c, scaleAffine(i, n), b.get(sum))
  })
  const run = compileInterpreter(b.finish('product', [a, w, c], 2 * m * n * k))
  const x = Float32Array.from({ length: m * k }, (_, i) => 0.1 * i)
  const y = Float32Array.from({ length: k * n }, (_, i) => 1 / (i + 1))
  const out = new Float32Array(m * n)
  run([x, y, out])
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++) {
      let sum = 0
      for (let p = 0; p < k; p++) sum = Math.fround(sum + Math.fround(x[i * k + p]! * y[p * n + j]!))
      expect(out[i * n + j]).toBe(sum)
    }
})

test('conversions saturate, words wrap, bools are 0 and 1', () => {
  const x: Buffer = { name: 'x', dtype: 'float32', length: 6, access: 'read' }
  const outs = (['int32', 'uint32', 'bool'] as const).map(
    (dtype): Buffer => ({ name: dtype, dtype, length: 6, access: 'write' }),
  )
  const wrapped: Buffer = { name: 'wrapped', dtype: 'uint8', length: 6, access: 'write' }
  const b = new KernelBuilder()
  b.loop({ stop: 6 }, (i) => {
    const value = b.load(x, i)
    for (const out of outs) b.store(out, i, b.convert(value, out.dtype as 'bool'))
    const word = b.convert(value, 'uint32')
    b.store(wrapped, i, b.op('add', word, b.number(2 ** 32 - 1, word.type)))
  })
  const results = [new Int32Array(6), new Uint32Array(6), new Uint8Array(6), new Uint8Array(6)]
  interpretKernel(b.finish('convert', [x, ...outs, wrapped], 0), [
    Float32Array.of(-1.5, 1e20, Number.NaN, 0, -0, -1e20),
    ...results,
  ])
  expect(results.map((result) => [...result])).toEqual([
    [-1, 2147483647, 0, 0, 0, -2147483648],
    [0, 4294967295, 0, 0, 0, 0],
    [1, 1, 1, 0, 0, 1],
    [255, 254, 255, 255, 255, 255],
  ])
})

test('an index outside its buffer, an array of another length', () => {
  const x: Buffer = { name: 'x', dtype: 'float32', length: 4, access: 'update' }
  const b = new KernelBuilder()
  b.loop({ stop: 3 }, (i) => b.store(x, affine(0), b.load(x, scaleAffine(i, 2))))
  const kernel = b.finish('outside', [x], 0)
  expect(() => interpretKernel(kernel, [new Float32Array(4)])).toThrow(/load of element 4 of x/)
  expect(() => interpretKernel(kernel, [new Float32Array(3)])).toThrow(/3 elements, not 4/)
})
