/** Threads wait where one needs what another wrote, and nowhere else. */
import { expect, test } from 'vitest'
import { barriers } from '../../src/kernel/barriers.js'
import { KernelBuilder } from '../../src/kernel/builder.js'
import { addAffine, affine, type Buffer, scaleAffine } from '../../src/kernel/loop.js'

const buffer = (name: string, more: Partial<Buffer> = {}): Buffer => ({
  name,
  dtype: 'float32',
  length: 64,
  access: 'update',
  ...more,
})

/** Before which statements of the body. */
function waits(body: (b: KernelBuilder, x: Buffer, y: Buffer) => void, more: Partial<Buffer> = {}): number[] {
  const b = new KernelBuilder()
  const [x, y] = [buffer('x', more), buffer('y')]
  body(b, x, y)
  const kernel = b.finish('k', [x, y], 0)
  const found = barriers(kernel)
  return kernel.body.flatMap((statement, i) => (found.has(statement) ? [i] : []))
}
const copy = (b: KernelBuilder, from: Buffer, to: Buffer, start: number, stop: number, turned = false) =>
  b.loop({ start, stop, parallel: true }, (i) => {
    b.store(to, i, b.load(from, turned ? addAffine(scaleAffine(i, -1), 63) : i))
  })

test('parts of one elementwise kernel do not wait', () => {
  expect(
    waits((b, x, y) => {
      copy(b, x, y, 0, 48)
      b.store(y, affine(48), b.load(x, affine(48)))
      copy(b, x, y, 49, 64)
    }),
  ).toEqual([])
})

test('what was written is waited for, also by those who write it again', () => {
  const chain = (b: KernelBuilder, x: Buffer, y: Buffer) => {
    copy(b, y, x, 0, 64)
    copy(b, x, y, 0, 64, true)
    copy(b, y, x, 0, 64)
  }
  expect(waits(chain)).toEqual([1, 2])
  expect(waits((b, x, y) => copy(b, x, y, 0, 64), {})).toEqual([])
})

test('the first thread does not wait for itself, others wait for it', () => {
  const serial = (b: KernelBuilder, x: Buffer, y: Buffer) => {
    b.loop({ stop: 64 }, (i) => b.store(x, i, b.load(y, i)))
    b.loop({ stop: 64 }, (i) => b.store(x, i, b.load(x, i)))
    copy(b, x, y, 0, 64)
  }
  expect(waits(serial)).toEqual([2])
})

test('a row that is chosen as the program runs may be any of them', () => {
  const rows = (b: KernelBuilder, x: Buffer, y: Buffer, first: number, extent: number) => {
    copy(b, y, x, 32, 64)
    b.loop({ stop: 8, parallel: true }, (i) => {
      const number = b.number(0, { dtype: 'int32', lanes: 1 })
      b.store(y, i, b.load(x, addAffine(i, first), 1, 1, b.row(number, extent, 8)))
    })
  }
  expect(waits((b, x, y) => rows(b, x, y, 0, 4))).toEqual([])
  expect(waits((b, x, y) => rows(b, x, y, 0, 5))).toEqual([1])
  expect(waits((b, x, y) => rows(b, x, y, 1, 4))).toEqual([1])
})

test('nobody waits for scratch of one thread', () => {
  const own = (b: KernelBuilder, x: Buffer, y: Buffer) => {
    copy(b, y, x, 0, 32)
    copy(b, x, x, 0, 64)
  }
  expect(waits(own, { perThread: true })).toEqual([])
})
