import { type Chapter, finalLoss, type RunResult, short } from '../lesson/chapter.js'
import type { ActivationName, LayerSettings } from '../lesson/settings.js'

const deep = (activation: ActivationName): readonly LayerSettings[] =>
  Array.from({ length: 8 }, () => ({ width: 16, activation }))

/** By how much the gradient shrinks on its way back, from the last hidden layer to the second. */
export const shrinkage = ({ first: { layers } }: RunResult): number =>
  layers.at(-2)!.gradientNorm / layers[1]!.gradientNorm

export const activations: Chapter = {
  id: 'activations',
  title: 'Sigmoid against ReLU',
  claim:
    'The slope of a sigmoid is at most 1/4, so that in a deep network the gradient vanishes on its way back; with ReLU, whose slope is 1, it does not.',
  text: [
    'Backpropagation multiplies by the slope of the activation in every layer it passes. Eight sigmoids multiply by at most (1/4)⁸, a hundred-thousandth: the first layers hardly learn.',
    'tanh has the same shape, but slope 1 in the middle. ReLU has slope 1 wherever it is not 0. What the weights are in the beginning matters as well: Glorot’s start suits sigmoid and tanh, He’s start ReLU.',
  ],
  tries: [
    'Take layers away: from which depth on does the sigmoid learn?',
    'Give ReLU the default start instead of He’s, and look at the gradients of the first layers.',
    'Look at the activations: how many units of ReLU are 0 for every sample?',
  ],
  settings: {
    data: { kind: 'circles', noise: 0.08 },
    training: { optimizer: 'adam', learningRate: 0.003, epochs: 60 },
  },
  runs: [
    { label: 'sigmoid', changes: { network: { layers: deep('sigmoid'), start: 'glorot' } } },
    { label: 'tanh', changes: { network: { layers: deep('tanh'), start: 'glorot' } } },
    { label: 'ReLU', changes: { network: { layers: deep('relu'), start: 'he' } } },
  ],
  descents: [],
  judge: (runs) => {
    const [sigmoid, tanh, relu] = runs as [RunResult, RunResult, RunResult]
    return {
      holds:
        shrinkage(sigmoid) > 300 &&
        shrinkage(tanh) < 30 &&
        shrinkage(relu) < 30 &&
        finalLoss(relu) < finalLoss(sigmoid) / 2 &&
        finalLoss(tanh) < finalLoss(sigmoid) / 2,
      columns: ['activation', 'gradient shrinks by', 'loss in the end'],
      figures: runs.map((run) => ({ label: run.label, values: [short(shrinkage(run)), short(finalLoss(run))] })),
    }
  },
  code: `const deep = (activation: nn.Elementwise, initializer: Initializer) =>
  nn.sequential(
    nn.linear(2, 16, { initializer }), activation,
    ...Array.from({ length: 7 }, () => nn.sequential(nn.linear(16, 16, { initializer }), activation)),
    nn.linear(16, 2),
  )
const nets = [deep(nn.sigmoid, nn.init.xavierNormal()), deep(nn.relu, nn.init.kaimingNormal({ nonlinearity: 'relu' }))]`,
}
