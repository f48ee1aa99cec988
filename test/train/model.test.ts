/** @file Saving, strict loading, model folders: what goes in comes out; everything that can be wrong has its own message. */
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as gradus from 'gradus'
import { fit, load, loss, mlp, modelFrom, nn, openModel, optim, save, saveModel, state } from 'gradus'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { prepareTable, taskOf } from '../../src/data/preprocess.js'
import { tableFromRows } from '../../src/data/table.js'
import { readSafetensors, writeSafetensors } from '../../src/io/safetensors.js'
import { RandomStream } from '../../src/numerics/random.js'
import { mlpConfig } from '../../src/train/mlp.js'
import { readHistory } from '../../src/train/model-folder.js'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gradus-model-'))
})
afterAll(() => rm(folder, { recursive: true }))
const values = (net: gradus.ModuleParts) => [...state(net)].map(([name, v]) => [name, [...v.storage.read()]])

describe('save and load', () => {
  const shared = nn.linear(3, 3)
  const make = () => nn.sequential(nn.linear(4, 3), nn.tanh, nn.linear(3, 2))
  test('the same numbers, PyTorch’s names, a shared layer once, also in float64', async () => {
    const file = join(folder, 'a.safetensors')
    const a = make()
    gradus.initialize(a, { seed: 7 })
    await save(a, file)
    const b = make()
    await load(b, file)
    expect(values(b)).toEqual(values(a))
    const { tensors } = readSafetensors(await readFile(file))
    expect([...tensors].map(([name, { dtype, shape }]) => [name, dtype, shape])).toEqual([
      ['0.weight', 'float32', [3, 4]],
      ['0.bias', 'float32', [3]],
      ['2.weight', 'float32', [2, 3]],
      ['2.bias', 'float32', [2]],
    ])
    const twice = nn.sequential(shared, nn.relu, shared, nn.linear(3, 1, { bias: false }))
    await save(twice, file)
    expect([...readSafetensors(await readFile(file)).tensors.keys()]).toEqual(['0.weight', '0.bias', '3.weight'])
    const double = nn.linear(2, 2, { dtype: 'float64' })
    await save(double, file)
    const other = nn.linear(2, 2, { dtype: 'float64' })
    await load(other, file)
    expect(values(other)).toEqual(values(double))
    expect(await readdir(folder)).toEqual(['a.safetensors'])
  })

  test('an optimizer’s state', async () => {
    const [a, b] = [make(), make()]
    gradus.initialize(a, { seed: 1 })
    gradus.initialize(b, { seed: 2 })
    const [first, second] = [optim.adam().init(a), optim.adam().init(b)]
    await fit(a, { train: [[[1, 2, 3, 4]], Int32Array.of(1)], loss: loss.crossEntropy, optimizer: first, epochs: 3 })
    const file = join(folder, 'optimizer.safetensors')
    await save(first.state, file)
    await load(second.state, file)
    expect(second.steps).toBe(3)
    expect([...second.state].map(([name, v]) => [name, [...v.storage.read()]])).toEqual(
      [...first.state].map(([name, v]) => [name, [...v.storage.read()]]),
    )
  })

  test('lists everything that does not fit, and loads nothing', async () => {
    const file = join(folder, 'b.safetensors')
    const net = make()
    gradus.initialize(net, { seed: 3 })
    const before = values(net)
    const array = (shape: number[], dtype: 'float32' | 'float64' = 'float32') => ({
      dtype,
      shape,
      data: new (dtype === 'float32' ? Float32Array : Float64Array)(shape.reduce((n, x) => n * x, 1)),
    })
    await writeFile(
      file,
      writeSafetensors({
        '0.weight': array([4, 3]),
        '0.bias': array([3], 'float64'),
        '2.weight': array([2, 3]),
        '2.beta': array([2]),
      }),
    )
    const error = await load(net, file).catch((cause: Error) => cause)
    expect(String(error).replace(folder, '')).toMatchInlineSnapshot(`
      "FileError: /b.safetensors: does not fit the network:
        '0.weight' is float32[4,3], the network has float32[3,4]
        '0.bias' is float64[3], the network has float32[3]
        '2.bias' (float32[2]) is missing
        '2.beta' (float32[2]) is unexpected. Nothing was loaded. Build the network as it was when it was saved."
    `)
    expect(values(net)).toEqual(before)
    await writeFile(file, (await readFile(file)).subarray(0, 100))
    await expect(load(net, file)).rejects.toThrow('damaged, cut short')
    await expect(load(net, join(folder, 'none.safetensors'))).rejects.toThrow(/there is no file .*none\.safetensors/)
    await expect(load(net, folder)).rejects.toThrow('is a folder, not a file')
    await expect(save(net, join(folder, 'none', 'c.safetensors'))).rejects.toThrow(gradus.FileError)
    expect(existsSync(join(folder, 'none'))).toBe(false)
  })
})

describe('mlp', () => {
  test('layers as described, and computed as described', async () => {
    const net = mlp({ inputs: [2, 2], outputs: 3, hidden: [5, 4], activation: 'tanh', dropout: 0.5, skip: true })
    gradus.initialize(net, { seed: 1 })
    const w = Object.fromEntries(values(net)) as Record<string, number[]>
    expect(Object.keys(w)).toEqual(
      ['deep.1', 'deep.4', 'deep.7', 'skip.1'].flatMap((name) => [`${name}.weight`, `${name}.bias`]),
    )
    const x = [0.5, -1, 2, 0.25]
    const linear = (name: string, input: number[]) =>
      w[`${name}.bias`]!.map((b, i) =>
        input.reduce((sum, v, j) => sum + v * w[`${name}.weight`]![i * input.length + j]!, b),
      )
    const deep = linear('deep.7', linear('deep.4', linear('deep.1', x).map(Math.tanh)).map(Math.tanh))
    const expected = linear('skip.1', x).map((v, i) => v + deep[i]!)
    const [actual] = (await gradus.predict(net, [[x.slice(0, 2), x.slice(2)]])) as [number[]]
    actual.forEach((v, i) => {
      expect(v).toBeCloseTo(expected[i]!, 5)
    })
  })
  test('errors', () => {
    expect(() => mlp({ inputs: 0, outputs: 1 })).toThrow('sizes must be whole numbers above 0, not 0')
    expect(() => mlp({ inputs: 2, outputs: 1, hidden: [1.5] })).toThrow('not 1.5')
    expect(() => mlp({ inputs: 2, outputs: 1, activation: 'reLU6' as 'relu' })).toThrow("did you mean 'relu'?")
    expect(() => mlp({ inputs: 2, outputs: 1, dropout: 1 })).toThrow('dropout must be from 0 to below 1')
  })
})

/** Rows of a made-up table with numbers, a category, missing values. */
function rows(count: number) {
  const random = new RandomStream(3, 'rows')
  return Array.from({ length: count }, () => {
    const kind = ['red', 'green', 'blue'][random.integer(3)]!
    const size = random.normal()
    return {
      kind,
      size: random.integer(9) === 0 ? '' : size.toFixed(3),
      price: (100 + 20 * size + (kind === 'red' ? 30 : 0)).toFixed(2),
      dear: size + (kind === 'red' ? 1 : 0) > 0.5 ? 'yes' : 'no',
    }
  })
}

async function trained(target: string, ignore: string) {
  const table = tableFromRows(rows(240))
  const prepared = prepareTable(table, { target, seed: 1, ignore: [ignore] })
  const { preprocessing } = prepared
  const classes = preprocessing.target.kind === 'classes' ? preprocessing.target.classes.length : 1
  const network = mlpConfig({ inputs: prepared.train.input.shape[1]!, outputs: classes, hidden: [8], skip: true })
  const net = mlp(network)
  const history = await fit(net, {
    train: prepared.train,
    validation: prepared.validation,
    loss: classes > 1 ? loss.crossEntropy : loss.meanSquaredError,
    optimizer: optim.adam({ learningRate: 0.02 }),
    epochs: 30,
    seed: 1,
  })
  const task = taskOf(preprocessing)
  return {
    prepared,
    content: { net, network, task, preprocessing, history: history.epochs, training: { seed: 1 } },
    table,
  }
}

describe('model folders', () => {
  test('classification: opens with the same predictions, preprocessing included', async () => {
    const { content, prepared, table } = await trained('dear', 'price')
    const path = join(folder, 'dear')
    await saveModel(path, content)
    expect((await readdir(path)).sort()).toEqual(['history.jsonl', 'model.json', 'weights.safetensors'])
    const model = await openModel(path, { task: 'classification' })
    expect([model.task, model.classes, model.description.training]).toEqual([
      'classification',
      ['no', 'yes'],
      { seed: 1 },
    ])
    const all = await model.predict(rows(240))
    const right = all.filter((prediction, i) => prediction.class === rows(240)[i]!.dear).length
    expect(right / 240).toBeGreaterThan(0.85)
    expect(await model.predictTable(table)).toEqual(all)
    const logits = (await gradus.predict(content.net, prepared.test.input)) as number[][]
    Array.from(prepared.rows.test).forEach((row, i) => {
      const [no, yes] = logits[i]!
      expect(all[row]!.probabilities['yes']).toBeCloseTo(1 / (1 + Math.exp(no! - yes!)), 5)
      expect(all[row]!.class).toBe(yes! > no! ? 'yes' : 'no')
    })
    for (const i of [0, 7]) expect(await model.predict(rows(8)[i]!)).toEqual(all[i])
    expect(await model.predict([])).toEqual([])
    expect((await model.predict({ kind: 'red' })).class).toMatch(/yes|no/)
    expect(await readHistory(path)).toEqual(JSON.parse(JSON.stringify(content.history)))
    // What a browser would do with fetched files.
    const fetched = modelFrom(
      await readFile(join(path, 'model.json'), 'utf8'),
      await readFile(join(path, 'weights.safetensors')),
    )
    expect(await fetched.predict(rows(1)[0]!)).toEqual(all[0])
    await expect(model.predict({ kind: 'red', sise: 2 })).rejects.toThrow("'sise' (did you mean 'size'?)")
    await expect(model.predict([{ size: 'tall' }])).rejects.toThrow("'tall' in row 1, 'size' is not a finite number")
    await expect(openModel(path, { task: 'regression' })).rejects.toThrow(
      'is a model for classification, not for regression',
    )
  })

  test('regression: numbers in the units of the table', async () => {
    const { content } = await trained('price', 'dear')
    const path = join(folder, 'price')
    await saveModel(path, content)
    const model = await openModel(path, { task: 'regression' })
    const all = rows(240).filter((row) => row.size !== '')
    const predicted = await model.predict(all)
    const error = predicted.reduce((sum, price, i) => sum + Math.abs(price - Number(all[i]!.price)), 0) / all.length
    expect(error).toBeLessThan(4)
    expect(await model.predict(all[3]!)).toBe(predicted[3])
  })

  test('arrays: images with a scale, and one logit of yes', async () => {
    const network = mlpConfig({ inputs: [2, 3], outputs: 1 })
    const net = mlp(network)
    gradus.initialize(net, { seed: 5 })
    const path = join(folder, 'images')
    await saveModel(path, { net, network, task: 'classification', scale: 1 / 255, classes: ['cat', 'dog'] })
    const model = await openModel(path, { task: 'classification' })
    const image = Uint8Array.of(0, 50, 100, 150, 200, 255)
    const [[logit]] = (await gradus.predict(net, { data: image, shape: [1, 2, 3], scale: 1 / 255 })) as [[number]]
    const one = await model.predict(image)
    expect(one.probabilities['dog']).toBeCloseTo(1 / (1 + Math.exp(-logit)), 6)
    expect(one.probabilities['cat']! + one.probabilities['dog']!).toBeCloseTo(1, 6)
    expect(one.class).toBe(logit > 0 ? 'dog' : 'cat')
    expect(await model.predict([...image])).toEqual(one)
    expect(await model.predict([image, image])).toEqual([one, one])
    await expect(model.predict([1, 2])).rejects.toThrow('sample 0 has 2 numbers. The model takes 6 numbers a sample.')
    await expect(model.predict([image, Uint8Array.of(1)])).rejects.toThrow('sample 1 has 1 numbers')
    await expect(model.predict({ a: 1 })).rejects.toThrow('sample 0 is no array of numbers')
    await expect(
      saveModel(join(folder, 'wrong'), { net, network, task: 'classification', classes: ['cat', 'dog', 'cow'] }),
    ).rejects.toThrow('there are 3 classes, but the network has 1 outputs')
    expect(existsSync(join(folder, 'wrong'))).toBe(false)
  })

  test('folders that cannot be opened: each with its own message', async () => {
    const network = mlpConfig({ inputs: 2, outputs: 2, hidden: [3] })
    const net = mlp(network)
    const path = join(folder, 'damaged')
    await saveModel(path, { net, network, task: 'classification' })
    const json = await readFile(join(path, 'model.json'), 'utf8')
    const weights = await readFile(join(path, 'weights.safetensors'))
    const opening = async (change: { json?: string; weights?: Uint8Array }) => {
      await writeFile(join(path, 'model.json'), change.json ?? json)
      await writeFile(join(path, 'weights.safetensors'), change.weights ?? weights)
      const error = await openModel(path).catch((cause: unknown) => cause)
      expect(error).toBeInstanceOf(gradus.FileError)
      return (error as Error).message
    }
    const edit = (change: object) => JSON.stringify({ ...JSON.parse(json), ...change })
    expect(await opening({ json: json.slice(0, 60) })).toMatch(/model\.json: is not JSON .* damaged or cut short/)
    expect(await opening({ json: edit({ version: 2, gradus: '9.0.0' }) })).toMatch(
      /the version of the folder is 2, this Gradus \(0\.1\.0\) reads 1.*use the Gradus that wrote it \("9\.0\.0"\)/,
    )
    expect(await opening({ json: '{"name": "x"}' })).toContain('this is not a Gradus model (format undefined)')
    expect(await opening({ json: '[]' })).toContain('must be an object')
    expect(await opening({ json: edit({ task: 'ranking' }) })).toContain(`task is "ranking"`)
    expect(await opening({ json: edit({ network: { kind: 'transformer' } }) })).toContain("must be of the kind 'mlp'")
    expect(await opening({ json: edit({ network: { ...network, hidden: [4] } }) })).toMatch(
      /'0\.weight' is float32\[3,2\]/,
    )
    expect(await opening({ json: edit({ network: { ...network, activation: 'relo' } }) })).toContain(
      "did you mean 'relu'?",
    )
    expect(await opening({ json: edit({ preprocessing: { format: 'x' } }) })).toContain('preprocessing')
    expect(await opening({ weights: weights.subarray(0, weights.length - 5) })).toMatch(
      /weights\.safetensors.*cut short/,
    )
    expect(await opening({ weights: new Uint8Array(0) })).toContain('0 bytes are too few')
    await rm(join(path, 'weights.safetensors'))
    await expect(openModel(path)).rejects.toThrow(/has no weights: .*there is no file/)
    await expect(openModel(join(folder, 'nowhere'))).rejects.toThrow(/nowhere is no model folder: .*there is no file/)
    await expect(openModel(join(folder, 'a.safetensors'))).rejects.toThrow('is no model folder')
  })

  test('a history whose last line was cut short', async () => {
    const path = join(folder, 'dear')
    const text = await readFile(join(path, 'history.jsonl'), 'utf8')
    await writeFile(join(path, 'history.jsonl'), text.slice(0, -20))
    expect((await readHistory(path)).length).toBe(29)
    await writeFile(join(path, 'history.jsonl'), `{"epoch":\n${text}`)
    await expect(readHistory(path)).rejects.toThrow('line 1 is not JSON')
  })
})

test('the version is that of package.json', async () => {
  const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  expect(gradus.gradusVersion).toBe(version)
})
