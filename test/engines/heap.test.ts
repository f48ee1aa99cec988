/** The heap: blocks never overlap, freed memory is found again, and storages keep their values wherever they live. */
import { expect, test } from 'vitest'
import { Storage } from '../../src/base/storage.js'
import { Heap } from '../../src/runtime/heap.js'
import { generator } from '../graph/random-graph.js'

test('blocks do not overlap, are aligned, and are used again', () => {
  const heap = new Heap()
  const random = generator(3)
  const live = new Map<number, number>()
  let most = 0
  for (let i = 0; i < 3000; i++) {
    if (live.size > 0 && random() < 0.5) {
      const offset = [...live.keys()][Math.floor(random() * live.size)]!
      live.delete(offset)
      heap.release(offset)
    } else {
      const bytes = Math.floor(random() ** 3 * 100_000) + 1
      const offset = heap.allocate(bytes)
      expect(offset % 64).toBe(0)
      expect(offset).toBeGreaterThan(0)
      expect(offset + bytes).toBeLessThanOrEqual(heap.memory.buffer.byteLength)
      for (const [other, size] of live) expect(offset + bytes <= other || other + size <= offset).toBe(true)
      live.set(offset, bytes)
    }
    most = Math.max(
      most,
      [...live.values()].reduce((sum, bytes) => sum + bytes + 64, 0),
    )
  }
  expect(heap.memory.buffer.byteLength).toBeLessThan(2 * most + 2 ** 20)
  for (const offset of live.keys()) heap.release(offset)
  const before = heap.memory.buffer.byteLength
  // All of it is one block again.
  heap.release(heap.allocate(before - 64))
  expect(heap.memory.buffer.byteLength).toBe(before)
})

test('storages that are not used move home when there are too many, and come back with their values', () => {
  const heap = new Heap()
  const megabyte = 2 ** 18
  const storages = Array.from(
    { length: 320 },
    (_, i) => new Storage('float32', megabyte, new Float32Array(megabyte).fill(i)),
  )
  for (const storage of storages) heap.bind([storage])
  const resident = storages.filter((storage) => storage.residence !== undefined)
  expect(resident.length).toBeLessThanOrEqual(257)
  expect(resident.length).toBeGreaterThan(200)
  // The first ones left, the last ones stayed.
  expect(storages[0]!.residence).toBeUndefined()
  expect(storages.at(-1)!.residence).toBeDefined()
  expect(heap.memory.buffer.byteLength).toBeLessThan(330 * 2 ** 20)
  const epoch = heap.epoch
  const [address] = heap.bind([storages[0]!])
  expect(new Float32Array(heap.memory.buffer, address, 2)).toEqual(Float32Array.of(0, 0))
  expect(heap.epoch).toBeGreaterThan(epoch)
  storages.forEach((storage, i) => {
    expect(storage.read()[5]).toBe(i)
  })
})

test('a storage in the heap is written and read there', () => {
  const heap = new Heap()
  const storage = new Storage('int32', 3, Int32Array.of(1, 2, 3))
  const [address] = heap.bind([storage])
  const view = new Int32Array(heap.memory.buffer, address, 3)
  storage.write(Int32Array.of(4, 5, 6))
  expect([...view]).toEqual([4, 5, 6])
  view[1] = 9
  expect([...storage.read()]).toEqual([4, 9, 6])
  expect([...storage.takeHome()]).toEqual([4, 9, 6])
  expect(storage.residence).toBeUndefined()
})
