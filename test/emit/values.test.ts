/** @file Every operation on values × dtypes × lanes: WebAssembly's bits are the kernel interpreter's. */
import { describe, expect, test } from 'vitest'
import { allocate } from '../../src/base/dtype.js'
import { emitModule } from '../../src/emit/wasm/emit.js'
import { KernelBuilder } from '../../src/kernel/builder.js'
import { affine, type Buffer } from '../../src/kernel/loop.js'
import { expectSameBits } from './harness.js'
import { cases, inputs, kernelOf, lanesOf } from './value-cases.js'

describe.each(Object.entries(cases))('%s', (_, list) => {
  test.each(list.map((c) => [c.operands.join(', '), c] as const))('(%s)', (_, c) => {
    const rows = inputs(c)
    for (const lanes of lanesOf(c)) {
      const kernel = kernelOf(c, rows.length, lanes)
      const arrays = kernel.buffers.map((buffer, i) => {
        const array = allocate(buffer.dtype, rows.length)
        if (i < c.operands.length) array.set(rows.map((row) => row[i]!))
        return array
      })
      expectSameBits(kernel, arrays, `lanes ${lanes}:`)
    }
  })
})

test.each(['bool', 'float64'] as const)('masks of 64 bits: %s', (dtype) => {
  const n = 8
  const a: Buffer = { name: 'a', dtype, length: n, access: 'read' }
  const m: Buffer = { name: 'm', dtype: 'bool', length: n, access: 'read' }
  const outs: Buffer[] = [
    'and',
    'or',
    'xor',
    'less',
    'lessEqual',
    'equal',
    'notEqual',
    'not',
    'select',
    'insert',
    'extract',
  ].map((name) => ({ name, dtype: 'bool', length: n, access: 'write' }))
  const f: Buffer = { name: 'f', dtype: 'float64', length: n, access: 'write' }
  const b = new KernelBuilder()
  b.loop({ stop: n, step: 2 }, (i) => {
    const x = b.convert(b.load(a, i, 2), 'bool')
    const y = b.load(m, i, 2)
    const scalar = b.load(m, i)
    const results = [
      ...(['and', 'or', 'xor', 'less', 'lessEqual', 'equal', 'notEqual'] as const).map((op) => b.op(op, x, y)),
      b.op('not', x),
      b.op('select', y, x, b.splat(scalar, 2)),
      b.insert(b.insert(x, 1, scalar), 0, b.extract(y, 1)),
      b.splat(b.extract(x, 1), 2),
    ]
    results.forEach((result, j) => {
      b.store(outs[j]!, i, result)
    })
    b.store(f, i, b.convert(y, 'float64'))
  })
  const kernel = b.finish('masks', [a, m, ...outs, f], 0)
  const arrays = kernel.buffers.map((buffer) => allocate(buffer.dtype, n))
  arrays[0]!.set([0, 1, 1, 0, 1, 1, 0, 0])
  arrays[1]!.set([0, 1, 0, 1, 1, 0, 1, 0])
  const results = expectSameBits(kernel, arrays)
  expect([...results[2]!]).toEqual([0, 1, 0, 0, 1, 0, 0, 0])
})

test('vectors that do not fill 128 bits are refused', () => {
  for (const [dtype, lanes] of [
    ['float32', 2],
    ['float64', 4],
    ['int32', 2],
    ['float32', 8],
  ] as const) {
    const out: Buffer = { name: 'out', dtype, length: 16, access: 'write' }
    const b = new KernelBuilder()
    b.store(out, affine(0), b.number(1, { dtype, lanes }))
    const kernel = b.finish('wide', [out], 0)
    expect(() => emitModule({ kernels: [kernel], launches: [], pointers: 0 })).toThrow(/128 bits/)
  }
})
