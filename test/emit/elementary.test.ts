/** @file Elementary functions, lowered through floatArithmetic, against their definition on JavaScript numbers. */
import { describe, expect, test } from 'vitest'
import { allocate } from '../../src/base/dtype.js'
import { floatArithmetic, KernelBuilder } from '../../src/kernel/builder.js'
import type { Buffer } from '../../src/kernel/loop.js'
import { type BinaryFunction, elementary } from '../../src/numerics/elementary.js'
import { scalarArithmetic } from '../../src/numerics/scalar.js'
import { bitsOfArray, generator, runWasm, samples, special } from './harness.js'

/** Specials, moderate numbers (where the functions bend) and numbers of any magnitude. */
function arguments_(dtype: 'float32' | 'float64', count: number, seed: number): number[] {
  const random = generator(seed)
  const list = samples(dtype, count / 2, seed)
  while (list.length < count) list.push((random() - 0.5) * 2 ** Math.floor(16 * random() - 8))
  return list
}

describe.each(['fused', 'portable'] as const)('%s', (mode) => {
  describe.each(['float32', 'float64'] as const)('%s', (dtype) => {
    test.each(Object.keys(elementary) as (keyof typeof elementary)[])('%s', (name) => {
      const count = 10_000
      const f = elementary[name] as BinaryFunction
      const arity = f.length - 1
      const x = allocate(dtype, count)
      const y = allocate(dtype, count)
      x.set(arguments_(dtype, count, 1))
      y.set(arguments_(dtype, count, 2))
      // All pairs of specials.
      const specials = special[dtype]
      specials.forEach((a, i) => {
        specials.forEach((b, j) => {
          x[i * specials.length + j] = a
          y[i * specials.length + j] = b
        })
      })
      const scalar = scalarArithmetic(dtype, mode)
      const wanted = allocate(dtype, count)
      for (let i = 0; i < count; i++) wanted[i] = f(scalar, x[i]!, y[i]!)
      for (const lanes of [1, dtype === 'float32' ? 4 : 2]) {
        const inputs: Buffer[] = ['x', 'y']
          .slice(0, arity)
          .map((name) => ({ name, dtype, length: count, access: 'read' }))
        const out: Buffer = { name: 'out', dtype, length: count, access: 'write' }
        const b = new KernelBuilder()
        b.loop({ stop: count, step: lanes }, (i) => {
          const [u, v] = inputs.map((buffer) => b.load(buffer, i, lanes))
          b.store(out, i, f(floatArithmetic(b, dtype, lanes, mode), u!, v!))
        })
        const result = allocate(dtype, count)
        runWasm(b.finish(name, [...inputs, out], 0), [...[x, y].slice(0, arity), result])
        const got = bitsOfArray(dtype, result)
        const want = bitsOfArray(dtype, wanted)
        const at = Math.floor(
          (got.findIndex((word, i) => word !== want[i]) * got.BYTES_PER_ELEMENT) / x.BYTES_PER_ELEMENT,
        )
        expect(at < 0 ? '' : `${name}(${x[at]}, ${y[at]}) lanes ${lanes}: ${result[at]}, not ${wanted[at]}`).toBe('')
      }
    })
  })
})
