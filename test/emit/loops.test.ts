/** @file Loops, addresses and launches: WebAssembly against the kernel interpreter. */
import { describe, expect, test } from 'vitest'
import { allocate, type DType, dtypes } from '../../src/base/dtype.js'
import { emitModule } from '../../src/emit/wasm/emit.js'
import { compileModule } from '../../src/emit/wasm/features.js'
import { webAssembly } from '../../src/emit/wasm/host.js'
import { KernelBuilder } from '../../src/kernel/builder.js'
import {
  type Affine,
  addAffine,
  affine,
  affineOf,
  type Buffer,
  type LoopVariable,
  scaleAffine,
} from '../../src/kernel/loop.js'
import { expectSameBits, samples } from './harness.js'

const fill = (buffer: Buffer, seed = 1) => {
  const array = allocate(buffer.dtype, buffer.length)
  array.set(samples(buffer.dtype === 'uint8' ? 'uint32' : buffer.dtype, buffer.length, seed).slice(-buffer.length))
  return array
}
const sum = (constant: number, ...terms: [Affine, number][]): Affine =>
  terms.reduce((total, [index, by]) => addAffine(total, scaleAffine(index, by)), affine(constant))
const buffer = (name: string, dtype: DType, length: number, access: Buffer['access']): Buffer => ({
  name,
  dtype,
  length,
  access,
})

describe.each(dtypes)('loads of %s', (dtype) => {
  const lanes = dtype === 'float64' ? 2 : 4
  test.each([-7, -1, 0, 1, 3, 7])('stride %i', (stride) => {
    for (const width of dtype === 'bool' ? [2, 4] : [lanes]) {
      const rows = 5
      const from = buffer('from', dtype, 64, 'read')
      const to = buffer('to', dtype, rows * 2 * width, 'write')
      const b = new KernelBuilder()
      b.loop({ stop: rows }, (i) => {
        const start = stride < 0 ? 7 * 3 : 0
        const x = b.load(from, sum(start, [i, 3]), width, stride)
        const y = b.load(from, sum(start + 5, [i, 3]), width, stride)
        b.store(to, sum(0, [i, 2 * width]), x)
        b.store(to, sum(width, [i, 2 * width]), y)
      })
      expectSameBits(b.finish('gather', [from, to], 0), [fill(from), allocate(dtype, to.length)])
    }
  })

  test('one at a time, backwards', () => {
    const from = buffer('from', dtype, 40, 'read')
    const to = buffer('to', dtype, 40, 'update')
    const b = new KernelBuilder()
    b.loop({ stop: 40 }, (i) => b.store(to, i, b.load(from, sum(39, [i, -1]))))
    const [source, result] = expectSameBits(b.finish('flip', [from, to], 0), [fill(from), allocate(dtype, 40)])
    expect([...result!]).toEqual([...source!].reverse())
  })
})

describe('loops', () => {
  const marks = (length: number) => buffer('marks', 'int32', length, 'update')
  /** Counts how often each element is visited. */
  const visit = (b: KernelBuilder, at: Buffer, index: Affine, lanes = 1): void => {
    const old = b.load(at, index, lanes)
    b.store(at, index, b.op('add', old, b.number(1, { dtype: 'int32', lanes })))
  }

  test('tiles with a limit', () => {
    const at = marks(100)
    const b = new KernelBuilder()
    b.loop({ stop: 100, step: 64 }, (tile) =>
      b.loop({ start: tile, stop: addAffine(tile, 64), limit: 100, step: 4 }, (i) => visit(b, at, i, 4)),
    )
    const [result] = expectSameBits(b.finish('tiles', [at], 0), [allocate('int32', 100)])
    expect(new Set(result)).toEqual(new Set([1]))
  })

  test('tiles packed from zero', () => {
    const from = buffer('from', 'float32', 100, 'read')
    const to = buffer('to', 'float32', 2 * 64, 'write')
    const b = new KernelBuilder()
    b.loop({ stop: 100, step: 64 }, (tile) =>
      b.loop({ start: tile, stop: addAffine(tile, 64), limit: 100 }, (i) =>
        b.loop({ stop: 2 }, (copy) => b.store(to, sum(0, [i, 1], [tile, -1], [copy, 64]), b.load(from, i))),
      ),
    )
    const [, result] = expectSameBits(b.finish('pack', [from, to], 0), [fill(from), allocate('float32', 128)])
    expect(result![0]).toBe(result![64])
  })

  test('triangles, some rows empty', () => {
    const at = marks(12 * 12)
    const b = new KernelBuilder()
    b.loop({ stop: 12 }, (i) => {
      b.loop({ stop: i }, (j) => visit(b, at, sum(0, [i, 12], [j, 1])))
      b.loop({ start: addAffine(i, 3), stop: 12, step: 2 }, (j) => visit(b, at, sum(0, [i, 12], [j, 1])))
    })
    const [result] = expectSameBits(b.finish('triangle', [at], 0), [allocate('int32', 144)])
    for (let i = 0; i < 12; i++)
      for (let j = 0; j < 12; j++)
        expect(result![12 * i + j]).toBe(Number(j < i || (j >= i + 3 && (j - i - 3) % 2 === 0)))
  })

  test('limits below, at and above the start; loops of no iterations', () => {
    const at = marks(64)
    const b = new KernelBuilder()
    b.loop({ stop: 10 }, (i) => {
      b.loop({ start: scaleAffine(i, 3), stop: sum(6, [i, 3]), limit: 13 }, (j) => visit(b, at, j))
      b.loop({ start: sum(2, [i, -1]), stop: affine(0) }, (j) => visit(b, at, sum(40, [j, 1])))
      b.loop({ start: 5, stop: 5 }, (j) => visit(b, at, j))
    })
    expectSameBits(b.finish('limits', [at], 0), [allocate('int32', 64)])
    const loop: LoopVariable = { name: 'never' }
    const never = {
      ...b.finish('never', [at], 0),
      body: [
        {
          kind: 'loop',
          loop,
          start: affine(9),
          stop: affine(4),
          step: 1,
          body: [
            {
              kind: 'store',
              buffer: at,
              index: affineOf(loop, 1000),
              value: { id: 0, type: { dtype: 'int32', lanes: 1 } },
            },
          ],
        } as const,
      ],
    }
    const compiled = emitModule({ kernels: [{ ...never, body: [] }], launches: [], pointers: 0 })
    expect(webAssembly.validate(compiled)).toBe(true)
  })

  test('a loop in which no address changes', () => {
    const at = marks(3)
    const b = new KernelBuilder()
    b.loop({ stop: 2 }, (i) => b.loop({ stop: 7, step: 2 }, () => visit(b, at, addAffine(i, 1))))
    const [result] = expectSameBits(b.finish('repeat', [at], 0), [allocate('int32', 3)])
    expect([...result!]).toEqual([0, 4, 4])
  })

  test('indices as values', () => {
    const out = buffer('out', 'int32', 5 * 8, 'write')
    const scalars = buffer('scalars', 'int32', 5 * 8, 'write')
    const b = new KernelBuilder()
    b.loop({ stop: 5 }, (i) => {
      b.loop({ stop: 8, step: 4 }, (j) =>
        b.store(out, sum(0, [i, 8], [j, 1]), b.index(sum(-3, [i, 10], [j, -2]), 4, -2)),
      )
      b.loop({ start: i, stop: 8 }, (j) => b.store(scalars, sum(0, [i, 8], [j, 1]), b.index(sum(7, [i, 100], [j, 1]))))
    })
    const [result] = expectSameBits(b.finish('index', [out, scalars], 0), [
      allocate('int32', 40),
      allocate('int32', 40),
    ])
    expect([...result!.subarray(8, 16)]).toEqual([7, 5, 3, 1, -1, -3, -5, -7])
  })

  test('loads stay before the stores that follow them, reads before writes', () => {
    const at = buffer('at', 'float32', 8, 'update')
    const b = new KernelBuilder()
    const x = b.load(at, affine(0))
    const y = b.load(at, affine(1))
    b.store(at, affine(0), y)
    b.store(at, affine(1), x)
    const v = b.variable(b.load(at, affine(2)))
    const before = b.get(v)
    b.set(v, b.load(at, affine(3)))
    b.store(at, affine(2), b.get(v))
    b.store(at, affine(3), before)
    const w = b.load(at, affine(4))
    b.loop({ stop: 2 }, (i) => b.store(at, addAffine(i, 4), b.number(9, { dtype: 'float32', lanes: 1 })))
    b.store(at, affine(6), w)
    const [result] = expectSameBits(b.finish('swap', [at], 0), [Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8)])
    expect([...result!]).toEqual([2, 1, 4, 3, 9, 9, 5, 8])
  })

  test('a chain of 5,000 operations', () => {
    const at = buffer('at', 'float32', 4, 'update')
    const b = new KernelBuilder()
    let x = b.load(at, affine(0), 4)
    for (let i = 0; i < 5000; i++) x = b.op(i % 2 ? 'negate' : 'sqrt', b.op('abs', x))
    b.store(at, affine(0), x)
    expectSameBits(b.finish('chain', [at], 0), [Float32Array.of(1, 2, 3e30, 4)])
  })
})

describe('programs', () => {
  /** at[0] = 2 · at[0] + 1 */
  const step = () => {
    const from = buffer('from', 'int32', 1, 'read')
    const to = buffer('to', 'int32', 1, 'write')
    const b = new KernelBuilder()
    const one = b.number(1, { dtype: 'int32', lanes: 1 })
    const x = b.load(from, affine(0))
    b.store(to, affine(0), b.op('add', b.op('add', x, x), one))
    return b.finish('step', [from, to], 0)
  }
  const empty = new KernelBuilder().finish('empty', [], 0)

  test.each([3, 100])('launches in order through a table of %i addresses', (count) => {
    const launches = Array.from({ length: count - 1 }, (_, i) => ({ kernel: 1, pointers: [i, i + 1] }))
    const bytes = emitModule({
      kernels: [empty, step()],
      launches: [{ kernel: 0, pointers: [] }, ...launches],
      pointers: count,
    })
    const memory = new webAssembly.Memory({ initial: 1 })
    const { exports } = new webAssembly.Instance(compileModule(bytes), { env: { memory } })
    expect(Object.keys(exports)).toEqual(['k0', 'k1', 'run'])
    const ints = new Int32Array(memory.buffer)
    for (let i = 0; i < count; i++) ints[256 + i] = 4 * (1024 + (i % 30))
    // Two steps, with strides of 0.
    ints[256 + 2 * count] = 2
    ints[1024] = 1
    ;(exports['run'] as (table: number) => void)(1024)
    const wanted = new Int32Array(30)
    wanted[0] = 1
    for (let i = 0; i < 2 * (count - 1); i++) {
      const at = i % (count - 1)
      wanted[(at + 1) % 30] = 2 * wanted[at % 30]! + 1
    }
    expect(ints.subarray(1024, 1054)).toEqual(wanted)
  })

  test('with shared memory', () => {
    const bytes = emitModule({ kernels: [step()], launches: [], pointers: 0 }, { shared: { maximum: 4 } })
    const memory = new webAssembly.Memory({ initial: 1, maximum: 4, shared: true })
    const { exports } = new webAssembly.Instance(compileModule(bytes), { env: { memory } })
    new Int32Array(memory.buffer)[4] = 20
    ;(exports['k0'] as (a: number, b: number) => void)(16, 32)
    expect(new Int32Array(memory.buffer)[8]).toBe(41)
  })
})
