/**
 * @file The worker's side of training for a page: makes the training, runs it by `fit`, and answers between two calls of the
 * program. In: a training, or a function that makes it; functions that the page may call. Out: messages.
 *
 * // training.js
 * serveTraining(({ parameters }) => ({ network: nn.sequential(...), train, loss, optimizer: optim.adam(), epochs: 50 }), {
 *   calls: { probabilities: ({ network }, points) => predict(network, tensor(points)) } })
 */
import { describeValue } from '../base/describe.js'
import { ValueError } from '../base/errors.js'
import { checkNames } from '../base/options.js'
import { modelBytes } from '../io/model.js'
import { checkTraining, type Training } from './define-training.js'
import { fit } from './fit.js'
import type { FitOptions } from './options.js'
import type { Progress } from './progress.js'
import { type BatchNow, type FromWorker, plainError, type ToWorker } from './remote-messages.js'
import type { Run } from './run.js'
import type { Epoch, Metrics } from './types.js'
import { portToOwner } from './worker-port.js'

const frame = 16

/** With what is asked for asked. */
const plainBatch = ({ metrics, learningRate, ...now }: Parameters<NonNullable<Progress['batch']>>[0]): BatchNow => ({
  ...now,
  metrics: metrics?.(),
  learningRate: learningRate?.(),
})

/** What a training in a worker is told when it begins. */
export interface ServeContext<P> {
  /** Draws the parameters of the network and the order of the samples. */
  readonly seed: number
  /** What the page gave. */
  readonly parameters: P
}

/** What a page may ask of a training in a worker, by name: it gets the training, and what the page gave. */
export interface ServeOptions<T> {
  /** Values that come and go are copied, as `structuredClone` does; tensors are not among them: give arrays. */
  readonly calls?: { readonly [name: string]: (training: T, ...values: never[]) => unknown }
}

/**
 * Serves a training to the page that started this worker: `trainInWorker` there begins it, and gets its epochs. Called once, in the
 * worker's own file. `training` is what `defineTraining` takes: options of `fit` with the network, or a function that makes them of
 * `parameters`; it may be asynchronous.
 */
export function serveTraining<P = unknown, M extends Metrics = Metrics>(
  training: Training<M> | ((context: ServeContext<P>) => Training<M> | Promise<Training<M>>),
  options: ServeOptions<Training<M>> = {},
): void {
  checkNames('serveTraining', options, ['calls'])
  const port = portToOwner()
  const tell = (message: FromWorker, transfer?: ArrayBuffer[]) => port.send(message, transfer)
  const aborter = new AbortController()
  let run: Run<Epoch> | undefined
  let made: Training<M> | undefined
  let [begun, held, left] = [false, false, false]

  const news: Epoch[] = []
  let waiting = false
  function flush(): void {
    waiting = false
    if (news.length > 0) tell({ kind: 'epochs', epochs: news.splice(0) })
  }
  /** Short epochs go together: a page has one frame in so many milliseconds. */
  function report(epochs: readonly Epoch[]): void {
    news.push(...epochs)
    if (!waiting) setTimeout(flush, frame)
    waiting = true
  }

  async function start(message: ToWorker & { kind: 'start' }): Promise<void> {
    const { seed, checkpoint, resume } = message
    try {
      made =
        typeof training === 'function' && !('children' in training)
          ? await training({ seed, parameters: message.parameters as P })
          : (training as Training<M>)
      checkTraining('serveTraining', made)
      const { network, test: _, name: _1, ...rest } = made
      const batch = message.batches
        ? {
            batch: (now: Parameters<NonNullable<Progress['batch']>>[0]) =>
              tell({ kind: 'batch', now: plainBatch(now) }),
          }
        : undefined
      const given = { seed, ...rest, signal: aborter.signal, progress: batch } as FitOptions
      run = fit(network, checkpoint === undefined ? given : { ...given, checkpoint: checkpoint as string, resume })
      if (left) run.leave()
      else if (held) void run.pause()
      tell({ kind: 'started' })
      let first = true
      for await (const epoch of run) {
        // Those before a resume as well.
        report(first ? run.history.epochs : [epoch])
        first = false
      }
      if (first) report(run.history.epochs)
      flush()
      tell({ kind: 'end', history: run.history })
    } catch (error) {
      flush()
      tell({ kind: 'failed', error: plainError(error), history: run?.history })
    }
  }

  async function answer(id: number, what: () => unknown): Promise<void> {
    try {
      const value = await what()
      tell({ kind: 'answer', id, value })
    } catch (error) {
      tell({ kind: 'answer', id, error: plainError(error) })
    }
  }

  function called(name: string, values: readonly unknown[]): unknown {
    const f = options.calls?.[name]
    const names = Object.keys(options.calls ?? {}).join(', ')
    if (!f)
      throw new ValueError('call', `the worker has no function ${describeValue(name)}`, {
        hint: names ? `It has ${names}.` : 'Give it some: serveTraining(training, { calls: { ... } }).',
      })
    if (!made) throw new ValueError('call', 'there is no training yet')
    return f(made, ...(values as never[]))
  }

  port.onMessage((data) => {
    const message = data as ToWorker
    switch (message?.kind) {
      case 'start':
        if (!begun) void start(message)
        begun = true
        return
      case 'pause':
        held = true
        return void answer(message.id, async () => {
          await run?.pause()
          flush()
        })
      case 'resume':
        held = false
        return run?.resume()
      case 'save':
        return void answer(message.id, () => run?.save())
      case 'abort':
        return aborter.abort()
      case 'leave':
        left = true
        return run?.leave()
      case 'weights':
        return void answer(message.id, () => {
          if (!made) throw new ValueError('weights', 'there is no network yet')
          return modelBytes(made.network)
        })
      case 'call':
        return void answer(message.id, () => called(message.name, message.values))
    }
  })
  tell({ kind: 'ready' })
}
