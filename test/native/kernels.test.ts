/** @file Single operations on every dtype, and random kernels, as C at every width: the kernel interpreter's bits. */
import { afterAll, describe, expect, test } from 'vitest'
import { allocate, byteSize, type TypedArray } from '../../src/base/dtype.js'
import { emitC } from '../../src/emit/c/emit.js'
import { interpretKernel } from '../../src/kernel/interpret.js'
import type { Kernel } from '../../src/kernel/loop.js'
import { printKernel } from '../../src/kernel/print.js'
import { verifyKernel } from '../../src/kernel/verify.js'
import { loadC } from '../../src/runtime/native-compiler.js'
import { koffi } from '../../src/runtime/native-host.js'
import { bitsOfArray } from '../emit/harness.js'
import { randomArrays, randomKernel } from '../emit/random-kernel.js'
import { cases, inputs, kernelOf, lanesOf } from '../emit/value-cases.js'
import { missing, ownCache, targets } from './harness.js'

afterAll(ownCache())

/** All kernels in one file, each run on copies of its arrays. */
function expectSameBits(all: readonly { label: string; kernel: Kernel; arrays: readonly TypedArray[] }[]): void {
  const library = loadC(
    emitC(
      all.map(({ kernel }) => ({
        kernels: [kernel],
        launches: [{ kernel: 0, pointers: kernel.buffers.map((_, i) => i) }],
        pointers: kernel.buffers.length,
      })),
    ),
  )
  all.forEach(({ label, kernel, arrays }, p) => {
    verifyKernel(kernel)
    const wanted = arrays.map((array) => array.slice())
    interpretKernel(kernel, wanted)
    // Memory of their own, which nothing moves, at addresses as odd as elements allow.
    const got = arrays.map((array, i) => {
      const size = byteSize[kernel.buffers[i]!.dtype]
      const memory = new ArrayBuffer(array.byteLength + 256)
      const copy = new (array.constructor as new (buffer: ArrayBuffer, at: number, length: number) => TypedArray)(
        memory,
        64 + size,
        array.length,
      )
      copy.set(array as Float32Array)
      return { memory, copy, address: koffi().address(memory) + BigInt(64 + size) }
    })
    const table = new BigInt64Array(new ArrayBuffer(8 * 64))
    got.forEach(({ address }, i) => {
      table[i] = address
    })
    library.func(`void run${p}(void *t)`)(koffi().address(table.buffer))
    kernel.buffers.forEach(({ dtype, name }, i) => {
      const a = bitsOfArray(dtype, got[i]!.copy)
      const b = bitsOfArray(dtype, wanted[i]!)
      const at = a.findIndex((word, j) => word !== b[j])
      if (at === -1) return
      const element = Math.floor((at * a.BYTES_PER_ELEMENT) / byteSize[dtype])
      expect.fail(
        `${label} ${name}[${element}]: ${got[i]!.copy[element]} instead of ${wanted[i]![element]} ` +
          `(element ${element} of the buffers: ${arrays.map((array) => array[element]).join(', ')})\n${printKernel(kernel)}`,
      )
    })
  })
}

describe.skipIf(missing() !== undefined).each(targets)('%s', (_, { vectorBytes }) => {
  test('every operation', () => {
    expectSameBits(
      Object.entries(cases).flatMap(([op, list]) =>
        list.flatMap((c) => {
          const rows = inputs(c)
          return lanesOf(c, vectorBytes).map((lanes) => {
            const kernel = kernelOf(c, rows.length, lanes)
            const arrays = kernel.buffers.map((buffer, i) => {
              const array = allocate(buffer.dtype, rows.length)
              if (i < c.operands.length) array.set(rows.map((row) => row[i]!))
              return array
            })
            return { label: `${op}(${c.operands.join(', ')}) × ${lanes}`, kernel, arrays }
          })
        }),
      ),
    )
  })

  test('random kernels', () => {
    const seeds = Array.from({ length: 100 }, (_, i) => i + 1)
    expectSameBits(
      seeds.map((seed) => {
        const kernel = randomKernel(seed, vectorBytes)
        return { label: `seed ${seed}`, kernel, arrays: randomArrays(kernel, seed) }
      }),
    )
  })
})
