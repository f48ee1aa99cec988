import { type Chapter, gapOf, type RunResult, short } from '../lesson/chapter.js'
import type { Changes } from '../lesson/settings.js'

/** Few samples, some of them wrong, and a network that can learn them by heart. */
const byHeart: Changes = {
  data: { samples: 200, noise: 0.18, validation: 0.7, mislabelled: 0.1 },
  network: {
    layers: [
      { width: 64, activation: 'relu' },
      { width: 64, activation: 'relu' },
    ],
  },
  training: { optimizer: 'adam', learningRate: 0.01, batchSize: 16, epochs: 300 },
}
const lowest = ({ last }: RunResult) => Math.min(...last.epochs.map(({ validation }) => validation))
const row = (run: RunResult) => {
  const { best, epochs } = run.last
  const at = best ? epochs[best.epoch - 1]! : epochs.at(-1)!
  return { label: run.label, values: [short(at.train), short(at.validation), short(gapOf(run))] }
}
const columns = ['run', 'training loss', 'validation loss', 'gap between them']

export const overfitting: Chapter = {
  id: 'overfitting',
  title: 'Overfitting',
  claim:
    'A network with many parameters learns few samples by heart: its training error goes on falling, while its validation error rises again.',
  text: [
    'Sixty samples, of which one in ten has the wrong class, and a network of more than four thousand parameters. The boundary bends around single points. That is right for them, and wrong for everything near them.',
    'The samples for validation are not used for learning. The moment their loss begins to rise is where the network stops learning what is general.',
  ],
  tries: ['Take more samples: does the gap close?', 'Take a smaller network.', 'Take away the wrong labels.'],
  settings: byHeart,
  runs: [
    { label: '60 samples', changes: {} },
    { label: '1,000 samples', changes: { data: { samples: 1400, validation: 0.2857 }, training: { epochs: 60 } } },
  ],
  descents: [],
  judge: (runs) => {
    const [few, many] = runs as [RunResult, RunResult]
    const end = few.last.epochs.at(-1)!
    return {
      holds: end.train < 0.5 * lowest(few) && end.validation > 1.3 * lowest(few) && gapOf(many) < gapOf(few) / 2,
      columns: [...columns, 'lowest validation loss'],
      figures: runs.map((run) => ({ ...row(run), values: [...row(run).values, short(lowest(run))] })),
    }
  },
  code: `const history = await fit(net, {
  train, validation, loss: loss.crossEntropy, optimizer: optim.adam({ learningRate: 0.01 }), epochs: 300, batchSize: 16, seed: 1,
})
for (const { epoch, train, validation } of history.epochs) console.log(epoch, train.loss, validation.loss)`,
}

export const remedies: Chapter = {
  id: 'remedies',
  title: 'Against overfitting',
  claim:
    'Weight decay, dropout and early stopping each narrow the gap between training and validation; so does sharing parameters.',
  text: [
    'Weight decay pulls weights towards 0: what is not needed again and again fades. Dropout leaves out a random part of the units in every step, so that none can rely on another. Early stopping ends where the validation loss was lowest, and takes the parameters of that epoch.',
    'Parameter sharing uses one layer in many places. A convolution looks at every part of an image with the same weights; the demo of handwritten digits has one.',
  ],
  tries: [
    'Find the weight decay with the lowest validation loss.',
    'Combine two remedies.',
    'Is a narrow gap always good? Take a weight decay of 1.',
  ],
  settings: byHeart,
  runs: [
    { label: 'no remedy', changes: {} },
    { label: 'weight decay', changes: { training: { weightDecay: 0.02 } } },
    { label: 'dropout', changes: { network: { dropout: 0.5 } } },
    { label: 'early stopping', changes: { training: { patience: 20 } } },
  ],
  descents: [],
  judge: (runs) => {
    const [none, ...cures] = runs.map(gapOf) as [number, ...number[]]
    return { holds: cures.every((gap) => gap < 0.8 * none), columns, figures: runs.map(row) }
  },
  code: `const net = nn.sequential(
  nn.linear(2, 64), nn.relu, nn.dropout(0.5),                                  // dropout
  nn.linear(64, 64), nn.relu, nn.dropout(0.5),
  nn.linear(64, 2),
)
await fit(net, {
  train, validation, loss: loss.crossEntropy, epochs: 300, seed: 1,
  optimizer: optim.adam({ learningRate: 0.01, weightDecay: { rate: 0.02, where: optim.notBias } }),   // weight decay
  earlyStopping: { patience: 20, restoreBest: true },                          // early stopping
})`,
}
