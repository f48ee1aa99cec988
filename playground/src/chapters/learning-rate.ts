import { type Chapter, finalLoss, lossesOf, short } from '../lesson/chapter.js'

export const learningRate: Chapter = {
  id: 'learning-rate',
  title: 'The learning rate',
  claim:
    'With a learning rate that is too small learning takes too long; with one that is too large it does not converge.',
  text: [
    'The gradient says where down is, not how far. The learning rate is the length of the step, in units of the gradient.',
    'Too small a step is safe and slow. Too large a step jumps over the valley, and lands higher than it began; then the gradient is steeper still, and the next jump larger.',
  ],
  tries: [
    'Change the rate while a network trains: it acts from the next update on.',
    'Find the largest rate that still converges. Is it the quickest as well?',
  ],
  settings: { training: { optimizer: 'sgd', epochs: 60 } },
  runs: [
    { label: '0.001: too small', changes: { training: { learningRate: 0.001 } } },
    { label: '0.3: right', changes: { training: { learningRate: 0.3 } } },
    { label: '30: too large', changes: { training: { learningRate: 30 } } },
  ],
  descents: [],
  judge: (runs) => {
    const [small, right, large] = runs.map(finalLoss) as [number, number, number]
    const first = lossesOf(runs[0]!)[0]!
    return {
      holds: small < first && small > 2 * right && large > 2 * right,
      columns: ['learning rate', 'loss in the end', 'right on validation data'],
      figures: runs.map((run) => ({
        label: run.label,
        values: [
          run.last.status === 'diverged' ? 'no number any more' : short(finalLoss(run)),
          `${short(100 * (run.last.epochs.at(-1)?.validationAccuracy ?? Number.NaN))} %`,
        ],
      })),
    }
  },
  code: `for (const learningRate of [0.001, 0.3, 30]) {
  const net = nn.sequential(nn.linear(2, 16), nn.tanh, nn.linear(16, 16), nn.tanh, nn.linear(16, 2))
  const run = fit(net, { train, validation, loss: loss.crossEntropy, optimizer: optim.sgd({ learningRate }), epochs: 60, seed: 1 })
  try {
    for await (const epoch of run) console.log(learningRate, epoch.epoch, epoch.train.loss)
  } catch (error) {
    console.log(learningRate, String(error))         // the loss is no longer a number
  }
}`,
}
