import { type Chapter, short } from '../lesson/chapter.js'

const common = { surface: 'regression', optimizer: 'sgd', learningRate: 0.1 } as const

export const batchSizes: Chapter = {
  id: 'batches',
  title: 'All samples, batches, single samples',
  claim:
    'The gradient of all samples leads straight down; that of a single sample is cheap and noisy; mini-batches are the compromise.',
  text: [
    'The cost is a mean over all samples, and so is its gradient. A part of the samples gives an estimate of it: the smaller the part, the noisier the estimate, and the cheaper.',
    'The surface is the error of a line, y = slope · x + intercept, over its two parameters. All three paths take the same number of updates with the same learning rate. The one of all samples is smooth; the one of single samples wanders, also when it has arrived.',
    'Noise is not only a price. In the time of one update with all samples, single samples have made as many updates as there are samples.',
  ],
  tries: [
    'Lower the learning rate of single samples: the wandering gets smaller with it.',
    'In the playground, compare batches of 1, 32 and all by epochs, then by seconds.',
  ],
  settings: {},
  runs: [],
  descents: [
    { label: 'all samples', batchSize: 'full', updates: 120, ...common },
    { label: 'batches of 8', batchSize: 8, updates: 120, ...common },
    { label: 'single samples', batchSize: 1, updates: 120, ...common },
  ],
  judge: (_, descents) => {
    const [full, mini, single] = descents.map(({ detour }) => detour) as [number, number, number]
    return {
      holds:
        full < 1.6 &&
        mini > full &&
        single > 1.5 * mini &&
        descents.every(({ heights }) => heights.at(-1)! < heights[0]! / 4),
      columns: ['descent', 'length of the path / distance covered', 'loss in the end'],
      figures: descents.map(({ label, detour, heights }) => ({
        label,
        values: [short(detour), short(heights.at(-1)!)],
      })),
    }
  },
  code: `for (const size of ['full', 8, 1] as const) {
  const line = nn.linear(1, 1)
  const optimizer = optim.sgd({ learningRate: 0.1 }).init(line)
  const step = compile((input: Tensor, target: Tensor) => {
    optimizer.update(backpropagate(loss.meanSquaredError(line(input), target), line))
  }, { training: true })
  for (let epoch = 0; epoch < 10; epoch++)
    for (const [input, target] of batches(samples, { size, shuffle: true, seed: epoch })) step(input, target)
}`,
}
