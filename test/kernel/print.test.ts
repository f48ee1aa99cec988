/** @file Golden texts of kernels, and texts as keys. */
import { expect, test } from 'vitest'
import { KernelBuilder } from '../../src/kernel/builder.js'
import { addAffine, affine, type Buffer, type Kernel, scaleAffine } from '../../src/kernel/loop.js'
import { printKernel } from '../../src/kernel/print.js'

const buffer = (name: string, length: number, access: Buffer['access']): Buffer => ({
  name,
  dtype: 'float32',
  length,
  access,
})

/** y = scale · x, row sums beside it. */
function scaledRows(options: { names?: string; junk?: boolean; scale?: number; limit?: number } = {}): Kernel {
  const x = buffer(`${options.names ?? ''}x`, 60, 'read')
  const y = buffer(`${options.names ?? ''}y`, 60, 'update')
  const sums = buffer(`${options.names ?? ''}sums`, 3, 'write')
  const b = new KernelBuilder()
  // Loops and values that are not written shift the builder's numbers.
  if (options.junk) b.loop({ stop: 1 }, () => {})
  b.loop({ stop: 3 }, (i) => {
    const zero = b.number(-0, { dtype: 'float32', lanes: 4 })
    const sum = b.variable(zero)
    b.loop({ start: i, stop: addAffine(i, 20), limit: options.limit ?? 20, step: 4 }, (j) => {
      const at = addAffine(scaleAffine(i, 20), j)
      const scaled = b.op('multiply', b.load(x, at, 4), b.number(options.scale ?? 2, { dtype: 'float32', lanes: 4 }))
      b.store(y, at, scaled)
      const flipped = b.load(y, addAffine(scaleAffine(j, -1), 19), 4, -1)
      b.set(sum, b.op('add', b.get(sum), flipped))
    })
    const bits = b.shift('shiftRight', b.op('toBits', b.extract(b.get(sum), 2)), 3)
    b.store(sums, i, b.convert(bits, 'float32'))
    b.index(addAffine(scaleAffine(i, -2), -5), 4, 3)
  })
  return b.finish(options.names ?? 'rows', [x, y, sums], 0)
}

test('the grammar', () => {
  expect(
    printKernel(scaledRows(), { names: true }),
  ).toBe(`kernel rows(x: read float32[60], y: update float32[60], sums: write float32[3]) {
  for i0 = 0 to 3 {
    %0 = number -0 : float32x4
    var v0 = %0 : float32x4
    for i1 = i0 to min(i0 + 20, 20) step 4 {
      %1 = load x[20*i0 + i1] : float32x4
      %2 = number 2 : float32x4
      %3 = multiply %1, %2 : float32x4
      store y[20*i0 + i1], %3
      %4 = load y[-i1 + 19] stride -1 : float32x4
      %5 = v0 : float32x4
      %6 = add %5, %4 : float32x4
      v0 := %6
    }
    %7 = v0 : float32x4
    %8 = extract %7, 2 : float32
    %9 = toBits %8 : uint32
    %10 = shiftRight %9, 3 : uint32
    %11 = convert %10, float32 : float32
    store sums[i0], %11
    %12 = index -2*i0 - 5 stride 3 : int32x4
  }
}
`)
})

test('rows', () => {
  const make = (extent: number) => {
    const x = buffer('x', 40, 'read')
    const y = buffer('y', 8, 'write')
    const numbers: Buffer = { name: 'numbers', dtype: 'int32', length: 1, access: 'read' }
    const b = new KernelBuilder()
    const row = b.row(b.load(numbers, affine(0)), extent, 8)
    b.loop({ stop: 4, step: 2 }, (i) => b.store(y, i, b.load(x, i, 2, 3, row)))
    return b.finish('row', [x, y, numbers], 0)
  }
  expect(
    printKernel(make(5), { names: true }),
  ).toBe(`kernel row(x: read float32[40], y: write float32[8], numbers: read int32[1]) {
  %0 = load numbers[0] : int32
  %1 = rowStart %0, 5, 8 : int32
  for i0 = 0 to 4 step 2 {
    %2 = load x[i0 + %1] stride 3 : float32x2
    store y[i0], %2
  }
}
`)
  expect(printKernel(make(4))).not.toBe(printKernel(make(5)))
})

test('equal texts exactly for equal kernels', () => {
  const text = printKernel(scaledRows())
  expect(printKernel(scaledRows({ names: 'other', junk: true }))).toBe(text)
  expect(printKernel(scaledRows({ scale: 3 }))).not.toBe(text)
  expect(printKernel(scaledRows({ limit: 19 }))).not.toBe(text)
  const one = (value: number, dtype: 'float32' | 'int32', access: Buffer['access'] = 'write', swap = false): string => {
    const out: Buffer = { name: 'out', dtype, length: 8, access }
    const other: Buffer = { name: 'other', dtype, length: 8, access }
    const b = new KernelBuilder()
    b.store(out, affine(0), b.number(value, { dtype, lanes: 1 }))
    return printKernel(b.finish('one', swap ? [other, out] : [out, other], 0))
  }
  const texts = [
    one(0, 'float32'),
    one(-0, 'float32'),
    one(0, 'int32'),
    one(0, 'float32', 'update'),
    one(0, 'float32', 'write', true),
  ]
  expect(new Set(texts).size).toBe(texts.length)
})

test('terms are in the order of the loops, however they were added', () => {
  const make = (first: 0 | 1): string => {
    const x = buffer('x', 100, 'update')
    const b = new KernelBuilder()
    b.loop({ stop: 5 }, (i) =>
      b.loop({ stop: 7 }, (j) => {
        const terms = [scaleAffine(i, 7), j]
        b.store(x, addAffine(terms[first]!, terms[1 - first]!), b.load(x, affine(3)))
      }),
    )
    return printKernel(b.finish('terms', [x], 0))
  }
  expect(make(0)).toBe(make(1))
})
