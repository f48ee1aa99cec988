import { type Chapter, type RunResult, short } from '../lesson/chapter.js'

/** The first epoch with so many right; Infinity if there is none. */
const epochsTo = ({ last }: RunResult, share: number): number =>
  last.epochs.find(({ trainAccuracy }) => trainAccuracy >= share)?.epoch ?? Number.POSITIVE_INFINITY

const share = 0.9

export const losses: Chapter = {
  id: 'losses',
  title: 'L2, L1 and cross-entropy',
  claim:
    'For classes, softmax with cross-entropy learns faster than L2 or L1: its gradient is large wherever the network is wrong, however sure it is.',
  text: [
    'L2, the mean squared error, and L1, the mean absolute error, compare numbers. They are made for curves: L2 looks for the mean of noisy targets, L1 for their median.',
    'Classes are compared by probabilities, which softmax makes of the outputs. The slope of softmax is almost 0 where it is sure, so that with L2 a network that is sure and wrong hardly learns. Cross-entropy takes a logarithm, which undoes just that slope: the gradient is the probability minus the truth.',
  ],
  tries: ['Take a larger learning rate for L2. Does it catch up?', 'Take a curve with noise, and compare L1 with L2.'],
  settings: { data: { kind: 'circles', noise: 0.06 }, training: { optimizer: 'sgd', learningRate: 0.1, epochs: 200 } },
  runs: [
    { label: 'cross-entropy', changes: { training: { loss: 'crossEntropy' } } },
    { label: 'L2', changes: { training: { loss: 'L2' } } },
    { label: 'L1', changes: { training: { loss: 'L1' } } },
  ],
  descents: [],
  judge: (runs) => {
    const [entropy, l2, l1] = runs.map((run) => epochsTo(run, share)) as [number, number, number]
    return {
      holds: entropy < l2 && entropy < l1,
      columns: ['loss', `epochs until ${100 * share} % are right`, 'right in the end'],
      figures: runs.map((run) => ({
        label: run.label,
        values: [
          epochsTo(run, share) === Number.POSITIVE_INFINITY ? 'never' : String(epochsTo(run, share)),
          `${short(100 * run.last.epochs.at(-1)!.trainAccuracy)} %`,
        ],
      })),
    }
  },
  code: `loss.crossEntropy(logits, target)                  // softmax and −log of what the right class got
loss.meanSquaredError(output, target)              // L2
loss.meanAbsoluteError(output, target)             // L1`,
}
