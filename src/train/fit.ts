/**
 * @file fit: trains a network by epochs of mini-batches. In: network, data, loss, optimizer. Out: a run, which is iterated
 * epoch by epoch or awaited for its history. The training step is one compiled program, evaluation another.
 *
 * const history = await fit(net, { train, validation, loss: loss.crossEntropy, optimizer: optim.adam(), epochs: 20, seed: 1 })
 */
import type { TrainingData } from '../data/lazy-dataset.js'
import { checkOptions, type FitOptions } from './options.js'
import { Run, type RunControl } from './run.js'
import { Session } from './session.js'
import type { Epoch, Metrics, Net, NoMetrics, Scores } from './types.js'

export type { FitOptions } from './options.js'

/** Validation scores where there are validation data. */
type ValidationOf<M extends Metrics, V, S> = [V, S] extends [undefined, undefined] ? undefined : Scores<M>

/**
 * Trains a network. Nothing happens until the run is iterated or awaited; it then goes on as it is consumed, and starts once.
 * In each epoch every sample is used once, in batches of a seeded order: forward propagation, error, backpropagation, update.
 * Throws for options out of range; the run rejects for data that do not fit the network (naming the row), and
 * when the loss is no longer finite (naming epoch and batch).
 */
export function fit<
  M extends Metrics = NoMetrics,
  V extends TrainingData | undefined = undefined,
  S extends number | undefined = undefined,
>(net: Net, options: FitOptions<M, V, S>): Run<Epoch<M, ValidationOf<M, V, S>>> {
  checkOptions(options)
  const control: RunControl = { left: false }
  const session = new Session(net, options, control)
  const epochs: Epoch<M, ValidationOf<M, V, S>>[] = []
  const work = session.epochs() as AsyncGenerator<Epoch<M, ValidationOf<M, V, S>>, void, void>
  return new Run(epochs, work, control, () => session.history(epochs))
}
