/**
 * @file Folders of images: parts, classes, labels; the same bytes with any number of workers; damaged files; wrong folders.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type Dataset, fit, type ImageSource, imageFolder, loss, nn, optim, pngBytes } from 'gradus'
import { afterAll, expect, test } from 'vitest'

const places: string[] = []
afterAll(() => {
  for (const place of places) rmSync(place, { recursive: true, force: true })
})

/** A folder with PNG files of one colour each; a value may be bytes of another kind. */
async function folderOf(files: { readonly [path: string]: number | Uint8Array }, size = 6): Promise<string> {
  const root = mkdtempSync(join(tmpdir(), 'gradus-images-'))
  places.push(root)
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    const bytes =
      typeof content === 'number'
        ? await pngBytes(new Uint8Array(size * size).fill(content), { width: size, height: size })
        : content
    writeFileSync(join(root, path), bytes)
  }
  return root
}
const many = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`${i % 3 === 0 ? 'a' : 'b'}/${1000 + i}.png`, i]))

test('classes, labels and pixels are those of the folder', async () => {
  const root = await folderOf({
    'cat/2.png': 20,
    'cat/1.PNG': 10,
    'cat/deep/x.png': 30,
    'bird/0.png': 40,
    'bird/notes.txt': new Uint8Array(1),
    '.git/x.png': 1,
    '__MACOSX/y.png': 2,
  })
  const { train, validation, test: last, classes, form, warnings } = await imageFolder(root)
  expect(classes).toEqual(['bird', 'cat'])
  expect([validation, last, warnings]).toEqual([undefined, undefined, []])
  expect(form).toMatchObject({ size: [6, 6], channels: 1, fit: 'crop' })
  const { input, target } = await train.toDataset()
  expect(input.shape).toEqual([4, 1, 6, 6])
  expect([...target.data]).toEqual([0, 1, 1, 1])
  expect([0, 36, 72, 108].map((i) => input.data[i])).toEqual([40, 10, 20, 30])
  expect(input.scale).toBe(1 / 255)
  expect(await train.toDataset()).toBe(await train.toDataset())
})

test('any number of workers gives the same batches, and fit the same bits as from arrays', async () => {
  const root = await folderOf(many(101))
  const alone = await imageFolder(root, { size: 4, workers: 0 })
  const expected = await alone.train.toDataset()
  for (const workers of [0, 1, 3]) {
    const { train } = await imageFolder(root, { size: 4, workers })
    const order = Uint32Array.from({ length: 90 }, (_, i) => (i * 37) % 101)
    const [pixels, labels, numbers]: number[][] = [[], [], []]
    for await (const chunk of train.chunks(order)) {
      pixels!.push(...chunk.data)
      labels!.push(...chunk.labels)
      numbers!.push(...chunk.numbers)
    }
    expect(numbers).toEqual([...order])
    expect(labels).toEqual(Array.from(order, (i) => expected.target.data[i]))
    expect(pixels).toEqual(Array.from(order).flatMap((i) => [...expected.input.data.subarray(16 * i, 16 * i + 16)]))
    const [input, target] = (await train.shuffle(1).batch(8).toArray())[0]!
    expect([input.shape, target.shape, input.dtype, target.dtype]).toEqual([[8, 1, 4, 4], [8], 'float32', 'int32'])
    // From the middle of an epoch on, as a run that is resumed reads.
    for (const cache of [true, false]) {
      const part = (await imageFolder(root, { size: 4, workers, cache })).train.skip(95)
      const rows = await part.toArray()
      expect(rows.map(({ target }) => target.data[0])).toEqual([...expected.target.data.slice(95)])
      expect(rows.flatMap(({ input }) => [...input.data])).toEqual([...expected.input.data.slice(16 * 95)])
    }
    const numbersOf = async (data: AsyncIterable<{ readonly input: { readonly data: ArrayLike<number> } }>) => {
      const found: number[][] = []
      for await (const { input } of data) found.push(Array.from(input.data))
      return found
    }
    const shuffled = (await imageFolder(root, { size: 4, workers, cache: false })).train.shuffle(7)
    expect(await numbersOf(shuffled.skip(60))).toEqual((await numbersOf(shuffled)).slice(60))
    // One that is left early leaves nothing behind that would keep the process.
    for await (const _ of train.chunks()) break
  }
  const learn = async (train: ImageSource | Dataset) => {
    const net = nn.sequential(nn.flatten(), nn.linear(16, 2))
    return (
      await fit(net, { train, loss: loss.crossEntropy, optimizer: optim.adam(), epochs: 3, batchSize: 16, seed: 3 })
    ).epochs
  }
  const losses = async (train: ImageSource | Dataset) => (await learn(train)).map((epoch) => epoch.train.loss)
  for (const cache of [true, false])
    expect(await losses((await imageFolder(root, { size: 4, workers: 2, cache })).train)).toEqual(
      await losses(expected),
    )
})

test('damaged files end the reading with their name, or are left out and noted', async () => {
  const whole = await pngBytes(new Uint8Array(36).fill(9), { width: 6, height: 6 })
  const root = await folderOf({
    ...many(40),
    'b/1005.png': whole.slice(0, 50),
    'b/1007.png': new TextEncoder().encode('<html>'),
  })
  for (const workers of [0, 2]) {
    await expect((await imageFolder(root, { workers, size: 6, channels: 1 })).train.toDataset()).rejects.toThrow(
      /b[\\/]1005\.png: the image is damaged: it ends after 50 bytes.*onError: 'skip'/,
    )
    const { train, skipped } = await imageFolder(root, { workers, onError: 'skip' })
    const { input, target } = await train.toDataset()
    expect([input.shape[0], target.data.length, train.length]).toEqual([38, 38, 38])
    expect(skipped.map(({ file }) => file.slice(root.length + 1).replace('\\', '/'))).toEqual([
      'b/1005.png',
      'b/1007.png',
    ])
    expect([...train.labels]).toEqual([...target.data])
  }
})

test('parts of a folder, and parts drawn by a seed', async () => {
  const parts = { 'train/a/1.png': 1, 'train/b/1.png': 2, 'val/a/1.png': 3, 'test/b/1.png': 4 }
  const folder = await imageFolder(await folderOf(parts))
  expect(folder.classes).toEqual(['a', 'b'])
  expect([...(await folder.test!.toDataset()).target.data]).toEqual([1])
  expect((await folder.validation!.toDataset()).input.data[0]).toBe(3)
  expect(folder.warnings).toEqual(['validation has no images of b', 'test has no images of a'])
  const root = await folderOf(many(60))
  const drawn = async (seed: number) => imageFolder(root, { validationSplit: 0.2, testSplit: 0.1, seed })
  const [first, again, other] = await Promise.all([drawn(1), drawn(1), drawn(2)])
  expect([first.train.length, first.validation!.length, first.test!.length]).toEqual([42, 12, 6])
  expect(first.validation!.labels.filter((label) => label === 0).length).toBe(4)
  expect(again.test!.files).toEqual(first.test!.files)
  expect(other.test!.files).not.toEqual(first.test!.files)
  const all = [first.train, first.validation!, first.test!].flatMap(({ files }) => [...files])
  expect(new Set(all).size).toBe(60)
})

test('wrong folders and options are refused with the cure', async () => {
  const refuses = async (files: Parameters<typeof folderOf>[0] | string, message: string | RegExp, options = {}) =>
    expect(imageFolder(typeof files === 'string' ? files : await folderOf(files), options)).rejects.toThrow(message)
  const good = { 'a/1.png': 1, 'b/1.png': 2 }
  const root = await folderOf(good)
  await refuses('/nowhere/at/all', 'there is no folder /nowhere/at/all')
  await refuses(join(root, 'a/1.png'), 'is a file, not a folder')
  await refuses(
    { 'x.png': 1, 'y.png': 2 },
    'has 2 images, which are in no folder of a class. Put the images of each class',
  )
  await refuses({ 'a/1.png': 1 }, 'one class only, a')
  await refuses(
    { ...good, 'c/notes.txt': new Uint8Array(1) },
    'has no images in the class c (1 files that do not end in .png',
  )
  const parts = { 'train/a/1.png': 1, 'train/b/1.png': 1 }
  await refuses(
    { ...parts, 'test/c/1.png': 1 },
    /test has a class that the training data do not have: c\. What is never/,
  )
  await refuses({ ...parts, 'val/a/1.png': 1, 'valid/a/1.png': 1 }, 'has both val and valid, which are validation')
  await refuses({ ...parts, 'extra/a/1.png': 1 }, 'has extra beside train, which is no part')
  await refuses({ ...parts, 'test/a/1.png': 1 }, 'testSplit is given, but the folder has test', { testSplit: 0.2 })
  const large = await pngBytes(new Uint8Array(20), { width: 5, height: 4 })
  await refuses({ ...good, 'b/2.png': large }, /different sizes: .*1\.png is 6 × 6 .*2\.png 5 × 4\. Say which/)
  await refuses(root, "there is no option 'sise'; did you mean 'size'?", { sise: 3 })
  await refuses(root, 'the size is 0 × 0', { size: 0 })
  await refuses(root, 'channels is 2', { channels: 2 })
  await refuses(root, 'fit is "squash"', { fit: 'squash' })
  await refuses(root, 'workers is -1', { workers: -1 })
  await refuses(root, 'onError is "ignore"', { onError: 'ignore' })
  await refuses(root, 'more than the limit of 30', { maxPixels: 30 })
  await refuses(root, 'cache is 1', { cache: 1 })
  await refuses(root, 'validationSplit is 2', { validationSplit: 2 })
  symlinkSync(root, join(root, 'a', 'loop'))
  await refuses(root, 'is nested')
  rmSync(join(root, 'a', 'loop'))
  // Whoever is allowed everything cannot see what others may not.
  if (process.getuid?.() !== 0) {
    chmodSync(join(root, 'a'), 0)
    await refuses(root, 'may not be read')
    chmodSync(join(root, 'a'), 0o755)
  }
})
