/**
 * @file What tests do in a page (test/web/browsers.test.ts): functions of `globalThis.gradusTests`, each of which resolves to plain data.
 */
import * as gradus from '../../../dist/gradus.js'
import { smoke } from '../../../scripts/smoke-training.mjs'

const training = new URL('./training.js', import.meta.url)

/** Pictures of a second that were drawn. */
const framesOf = (ms) =>
  new Promise((resolve) => {
    let count = 0
    const start = performance.now()
    const draw = (now) => {
      count++
      if (now - start < ms) requestAnimationFrame(draw)
      else resolve((1000 * count) / (now - start))
    }
    requestAnimationFrame(draw)
  })

globalThis.gradusTests = {
  smoke: () => smoke(gradus),
  async failure() {
    try {
      await smoke(gradus)
      return 'none'
    } catch (error) {
      return error.message
    }
  },
  /** Where a layer was made. */
  place: () => gradus.nn.linear(2, 3).place,
  isolated: () => globalThis.crossOriginIsolated === true,
  /** A whole training in a worker: its epochs, its history, calls, weights, threads. */
  async worker({ parameters }) {
    const remote = gradus.trainInWorker(training, { parameters })
    const epochs = []
    for await (const { epoch, train } of remote) epochs.push([epoch, train.loss])
    const history = await remote
    const about = await remote.call('about')
    const weights = await remote.weights()
    remote.close()
    return { epochs: epochs.length, stopped: history.stopped, about, bytes: weights.length }
  },
  /** Pictures a second while a worker trains, beside those of an idle page. */
  async frames() {
    const idle = await framesOf(500)
    const remote = gradus.trainInWorker(training, { parameters: { epochs: 1e6 } })
    const first = remote[Symbol.asyncIterator]()
    await first.next()
    const training_ = await framesOf(1500)
    const epochs = remote.epochs.length
    await remote.pause()
    const held = remote.epochs.length
    await new Promise((resolve) => setTimeout(resolve, 200))
    const still = remote.epochs.length === held
    remote.resume()
    await first.next()
    while (remote.epochs.length <= held) await new Promise((resolve) => setTimeout(resolve, 20))
    remote.leave()
    const { stopped } = await remote
    remote.close()
    return { idle, training: training_, epochs, still, stopped }
  },
  /** Begins a run that is saved, and lets it stand. */
  async begin({ name, epochs }) {
    const remote = gradus.trainInWorker(training, { parameters: { epochs: 60 }, checkpoint: name })
    const each = remote[Symbol.asyncIterator]()
    while (remote.epochs.length < epochs) await each.next()
    await remote.pause()
    return remote.epochs.length
  },
  /** A second page at the same run. */
  async taken({ name }) {
    try {
      await gradus.trainInWorker(training, { parameters: { epochs: 60 }, checkpoint: name, resume: true })
      return 'none'
    } catch (error) {
      return error.message
    }
  },
  saved: async ({ name }) => (await gradus.savedRun(name))?.epochs.length,
  /** Goes on to the end; the hash of what comes of it. */
  async goOn({ name, resume }) {
    const remote = gradus.trainInWorker(training, { parameters: { epochs: 60 }, checkpoint: name, resume })
    const { epochs } = await remote
    const hash = await remote.call('hash')
    remote.close()
    await gradus.forgetRun(name)
    return { epochs: epochs.length, hash, left: await gradus.savedRun(name) }
  },
  /** The worker of docs/browser.md. */
  async documented() {
    const parameters = {
      width: 8,
      points: [
        [0, 0],
        [0, 1],
        [1, 0],
        [1, 1],
      ],
      labels: [[0], [1], [1], [0]],
    }
    const remote = gradus.trainInWorker(new URL('../../../docs/training.js', import.meta.url), { parameters })
    const { epochs } = await remote
    const places = await remote.call('boundary', [[0, 1]])
    await remote.close()
    return [epochs.length, places[0][0] > 0]
  },
  async missing() {
    try {
      await gradus.trainInWorker(new URL('./nothing.js', import.meta.url))
      return 'none'
    } catch (error) {
      return error.message
    }
  },
}
