import { type Chapter, lossesOf, short } from '../lesson/chapter.js'

export const fourSteps: Chapter = {
  id: 'four-steps',
  title: 'The four steps',
  claim:
    'Training repeats four steps: forward propagation, error computation, backpropagation, parameter update. Each round makes the error a little smaller.',
  text: [
    'Deep learning is optimisation. A cost function says how wrong the network is; its parameters are what can be changed; an optimisation algorithm changes them.',
    'Forward propagation computes what the network says of a batch of samples. The error compares it with what is right. Backpropagation says, for every parameter, how the error would change with it. The update moves each parameter a little against its gradient.',
    'An epoch is over when every training sample was used once. The picture shows what the network says of every place in the plane, and how that changes as the four steps go round.',
  ],
  tries: [
    'Make a single step, and see all four parts change.',
    'Take a network without hidden layers: it can draw nothing but a straight line.',
    'Take the spirals: how many units does it need?',
  ],
  settings: { training: { optimizer: 'sgd', learningRate: 0.3, epochs: 150 } },
  runs: [
    { label: 'two hidden layers', changes: {} },
    { label: 'no hidden layer', changes: { network: { layers: [] } } },
  ],
  descents: [],
  judge: (runs) => {
    const [deep, linear] = runs
    const of = (losses: number[]) => ({ first: losses[0]!, last: losses.at(-1)! })
    const [a, b] = [of(lossesOf(deep!)), of(lossesOf(linear!))]
    return {
      holds: a.last < 0.6 * a.first && b.last <= b.first && a.last < b.last,
      columns: ['network', 'loss after the first epoch', 'after the last'],
      figures: runs.map((run) => {
        const { first, last } = of(lossesOf(run))
        return { label: run.label, values: [short(first), short(last)] }
      }),
    }
  },
  code: `const step = compile((input: Tensor, target: Tensor) => {
  const output = net(input)                          // forward propagation
  const error = loss.crossEntropy(output, target)    // error computation
  const gradients = backpropagate(error, net)        // backpropagation
  optimizer.update(gradients)                        // parameter update
  return error
}, { training: true })

for (let epoch = 0; epoch < 150; epoch++)
  for (const [input, target] of batches(train, { size: 32, shuffle: true, seed: epoch })) step(input, target)`,
}
