/**
 * Training in a thread of Node by trainInWorker, from the built library; test/web/browsers.test.ts does it in browsers. Needs
 * `npm run build`.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import type * as Gradus from '../../src/index.js'

const library = fileURLToPath(new URL('../../dist/bundle/index.js', import.meta.url))
const { fit, forgetRun, loss, nn, optim, savedRun, tensor, trainInWorker } = (await import(library)) as typeof Gradus
const folder = mkdtempSync(join(tmpdir(), 'gradus-worker-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

writeFileSync(
  join(folder, 'training.mjs'),
  `import { loss, modelBytes, nn, optim, serveTraining, tensor } from ${JSON.stringify(pathToFileURL(library))}
  const points = Array.from({ length: 64 }, (_, i) => [Math.sin(i), Math.cos(3 * i)])
  const train = { input: tensor(points), target: tensor(points.map(([x, y]) => [x * y])) }
  serveTraining(({ parameters: { width, epochs } }) => ({
    network: nn.sequential(nn.linear(2, width), nn.tanh, nn.linear(width, 1)), train, loss: loss.meanSquaredError,
    optimizer: optim.adam({ learningRate: 0.01 }), epochs, batchSize: 8 }),
  { calls: { double: (_, x) => 2 * x, fails() { throw new RangeError('no such place') } } })`,
)
const program = pathToFileURL(join(folder, 'training.mjs'))

test('epochs, calls, weights, history: what fit gives here', async () => {
  const places: number[] = []
  const remote = trainInWorker(program, {
    parameters: { width: 4, epochs: 6 },
    seed: 3,
    onBatch: ({ epoch }) => places.push(epoch),
  })
  const losses: number[] = []
  for await (const { train } of remote) losses.push(train.loss)
  const points = Array.from({ length: 64 }, (_, i) => [Math.sin(i), Math.cos(3 * i)])
  const here = await fit(nn.sequential(nn.linear(2, 4), nn.tanh, nn.linear(4, 1)), {
    train: { input: tensor(points), target: tensor(points.map(([x, y]) => [x! * y!])) },
    loss: loss.meanSquaredError,
    optimizer: optim.adam({ learningRate: 0.01 }),
    epochs: 6,
    batchSize: 8,
    seed: 3,
  })
  expect(losses).toEqual(here.epochs.map(({ train }) => train.loss))
  expect(await remote).toMatchObject({ stopped: 'finished', seed: 3 })
  expect(await remote.call('double', 21)).toBe(42)
  await expect(remote.call('fails')).rejects.toThrow(/^no such place$/)
  await expect(remote.call('triple', 1)).rejects.toThrow(/has no function .*'triple'\. It has double, fails\./)
  expect((await remote.weights()).length).toBeGreaterThan(100)
  await remote.close()
  await expect(remote.call('double', 1)).rejects.toThrow('closed')
})

test('held, saved, left; gone on with in another worker; forgotten', async () => {
  const checkpoint = join(folder, 'run')
  const first = trainInWorker(program, { parameters: { width: 4, epochs: 100_000 }, checkpoint })
  const each = first[Symbol.asyncIterator]()
  await each.next()
  await first.pause()
  const done = first.epochs.length
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect([first.state, first.epochs.length]).toEqual(['paused', done])
  expect((await savedRun(checkpoint))?.epochs.length).toBe(done)
  await first.close()
  expect(first.state).toBe('over')
  const controller = new AbortController()
  const second = trainInWorker(program, {
    parameters: { width: 4, epochs: 100_000 },
    checkpoint,
    resume: true,
    signal: controller.signal,
  })
  for await (const { epoch } of second) if (epoch > done) controller.abort()
  const { stopped, epochs } = await second
  expect([stopped, epochs.length > done, epochs[0]?.epoch]).toEqual(['aborted', true, 1])
  await second.close()
  await forgetRun(checkpoint)
  expect(await savedRun(checkpoint)).toBeUndefined()
})

test.each<[string, () => unknown, RegExp]>([
  [
    'a file that is not there',
    () => trainInWorker(new URL('nothing.mjs', program)),
    /the worker has ended: Cannot find/,
  ],
  [
    'a network that cannot be',
    () => trainInWorker(program, { parameters: { width: -4, epochs: 1 } }),
    /^nn\.linear: the number of outputs must be a whole number above 0, not -4/,
  ],
  [
    'no worker',
    () => trainInWorker(7 as never),
    /the worker is the number 7\. Write new Worker\(new URL\('\.\/training\.js', import\.meta\.url\), /,
  ],
  [
    'what cannot be copied',
    () => trainInWorker(program, { parameters: () => 1 }),
    /a value cannot be sent to the worker: .*could not be cloned\. Numbers, texts/,
  ],
  ['an option there is not', () => trainInWorker(program, { parameter: 1 } as never), /parameter/],
  [
    'resume of nothing',
    () => trainInWorker(program, { resume: true }),
    /there is no checkpoint\. Say under which name/,
  ],
  ['a page that serves', async () => (await import(library)).serveTraining({}), /is called outside of a worker/],
])('wrong: %s', async (_, f, message) => {
  await expect((async () => f())()).rejects.toThrow(message)
})

test('optimizers go on: the bundle is one library', () => {
  expect(optim.adam().init(nn.linear(2, 1)).learningRate).toBe(0.001)
})
