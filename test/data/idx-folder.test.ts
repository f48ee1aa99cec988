/** Folders of raw IDX files: names of several publishers, gzipped or not; what does not belong together is refused. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { cnn, fit, loss, optim, readIdxFolder, summary } from 'gradus'
import { afterAll, expect, test } from 'vitest'
import { cnnConfig } from '../../src/train/cnn.js'
import { networkFrom, parseNetwork } from '../../src/train/network.js'

const places: string[] = []
afterAll(() => {
  for (const place of places) rmSync(place, { recursive: true })
})
function idx(shape: readonly number[], values = (i: number) => i % 3): Buffer {
  const count = shape.reduce((n, m) => n * m, 1)
  const bytes = Buffer.alloc(4 + 4 * shape.length + count)
  bytes.set([0, 0, 8, shape.length])
  for (const [axis, n] of shape.entries()) bytes.writeUInt32BE(n, 4 + 4 * axis)
  for (let i = 0; i < count; i++) bytes[4 + 4 * shape.length + i] = values(i)
  return bytes
}
function folderOf(files: { readonly [name: string]: Buffer }): string {
  const place = mkdtempSync(join(tmpdir(), 'gradus-idx-'))
  places.push(place)
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(place, name), bytes)
  return place
}
const train = {
  'train-images-idx3-ubyte.gz': gzipSync(idx([6, 4, 5], (i) => i)),
  'train-labels-idx1-ubyte': idx([6]),
}

test('images and labels, packed or not, under the names of MNIST and its likes', async () => {
  const plain = await readIdxFolder(folderOf(train))
  expect(plain.classes).toEqual(['0', '1', '2'])
  expect(plain.test).toBeUndefined()
  expect(plain.train.input).toMatchObject({ shape: [6, 1, 4, 5], scale: 1 / 255 })
  expect([...plain.train.target.data]).toEqual([0, 1, 2, 0, 1, 2])
  expect(plain.train.input.data[21]).toBe(21)
  const others = {
    'emnist-digits-train-images-idx3-ubyte': idx([6, 4, 5]),
    'emnist-digits-train-labels-idx1-ubyte.gz': gzipSync(idx([6])),
    't10k-images.idx3-ubyte': idx([2, 4, 5]),
    't10k-labels.idx1-ubyte': idx([2]),
    'README.txt': Buffer.from('words'),
  }
  expect((await readIdxFolder(folderOf(others))).test?.target.data.length).toBe(2)
})

test('what is missing, damaged or of another set is named', async () => {
  const refuses = (files: { readonly [name: string]: Buffer }, message: string | RegExp) =>
    expect(readIdxFolder(folderOf(files))).rejects.toThrow(message)
  await refuses({}, 'has no training images. They are called train-images-idx3-ubyte')
  await refuses({ 'train-images-idx3-ubyte': idx([2, 4, 5]) }, 'no file of its labels')
  await refuses({ ...train, 'train-labels-idx1-ubyte': idx([5]) }, '5 labels for 6 images')
  await refuses(
    { ...train, 'train-images-idx3-ubyte.gz': train['train-images-idx3-ubyte.gz'].subarray(0, 30) },
    /idx3-ubyte\.gz: cannot be read/,
  )
  await refuses({ ...train, 'train-labels-idx1-ubyte': idx([6]).subarray(0, 12) }, 'cut short')
  await refuses({ ...train, 'x-train-labels-idx1-ubyte': idx([6]) }, 'Put each data set into its own folder')
  const other = { 't10k-images-idx3-ubyte': idx([2, 5, 5]), 't10k-labels-idx1-ubyte': idx([2]) }
  await refuses({ ...train, ...other }, 'training images of')
  await refuses(
    { ...train, 't10k-images-idx3-ubyte': idx([2, 4, 5]), 't10k-labels-idx1-ubyte': idx([2], () => 9) },
    'a class 9',
  )
  await expect(readIdxFolder('/nowhere/at/all')).rejects.toThrow('/nowhere/at/all cannot be read')
})

test('cnn: stages by the size of images, built again from JSON, trained on channels', async () => {
  const filtersOf = (height: number, width: number) => cnnConfig({ inputs: [1, height, width], outputs: 2 }).filters
  expect([filtersOf(28, 28), filtersOf(64, 200), filtersOf(8, 8), filtersOf(1, 9), filtersOf(224, 224)]).toEqual([
    [32, 64],
    [32, 64, 128],
    [32],
    [],
    [32, 64, 128, 256, 256],
  ])
  const config = cnnConfig({ inputs: [3, 13, 12], outputs: 2, filters: [4, 6], hidden: [2], dropout: 0 })
  const again = parseNetwork(JSON.parse(JSON.stringify(config)), 'model.json')
  expect(again).toEqual(config)
  const net = networkFrom(again)
  // A hidden layer as large as the output is followed by an activation all the same.
  expect(summary(net, [1, 3, 13, 12]).rows.map(({ layer }) => layer.replace(/\(.*/, ''))).toEqual(
    summary(cnn(config), [1, 3, 13, 12]).rows.map(({ layer }) => layer.replace(/\(.*/, '')),
  )
  const input = {
    data: Uint8Array.from({ length: 8 * 468 }, (_, i) => (i * 7) % 256),
    shape: [8, 3, 13, 12],
    scale: 1 / 255,
  }
  const target = { data: Int32Array.from({ length: 8 }, (_, i) => i % 2), shape: [8] }
  const { epochs } = await fit(net, {
    train: { input, target },
    loss: loss.crossEntropy,
    optimizer: optim.adam(),
    epochs: 1,
    seed: 1,
  })
  expect(Number.isFinite(epochs[0]!.train.loss)).toBe(true)
  expect(() => cnn({ inputs: [1, 8, 8], outputs: 2, filters: [1, 1, 1, 1] })).toThrow('at most 3')
  expect(() => cnn({ inputs: [1, 8, 8], outputs: 2, kernel: 4 })).toThrow('odd')
  expect(() => cnn({ inputs: [8, 8] as never, outputs: 2 })).toThrow('[channels, height, width]')
  expect(() => cnn({ inputs: [1, 8, 8], outputs: 2, activation: 'rellu' as never })).toThrow("did you mean 'relu'")
  expect(() => parseNetwork({ ...config, filters: 'many' }, 'model.json')).toThrow(
    'model.json: network .filters must be a list',
  )
})
