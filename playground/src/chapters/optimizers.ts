import { type Chapter, type DescentResult, short } from '../lesson/chapter.js'

/** Updates until the loss is below a twentieth of what it was. */
const updatesOf = ({ heights }: DescentResult): number => {
  const found = heights.findIndex((height) => height < heights[0]! / 20)
  return found < 0 ? Number.POSITIVE_INFINITY : found
}

const ravine = { surface: 'ravine', batchSize: 'full', updates: 600 } as const
const plateau = { surface: 'plateau', batchSize: 'full', updates: 600 } as const

export const optimizers: Chapter = {
  id: 'optimizers',
  title: 'Momentum, Adagrad, Adam',
  claim:
    'Where gradients are small, plain descent hardly moves: momentum gathers speed there, Adagrad and Adam give each parameter a rate of its own.',
  text: [
    'Plain descent moves by the gradient times the rate. In a ravine the rate must be small enough for the steep walls, and is then too small for the gentle slope along the bottom.',
    'Momentum adds up gradients: those across the ravine cancel, those along it do not. Adagrad divides each parameter’s step by the root of the sum of its squared gradients; Adam by that of a running mean, and adds momentum.',
    'On the plateau one parameter’s gradient is tiny and the other’s is not. Rates of their own make both move.',
  ],
  tries: [
    'Give plain descent a larger rate in the ravine: where does it begin to leap from wall to wall?',
    'Train a network of five layers of sigmoids with each of the four.',
  ],
  settings: {},
  runs: [],
  descents: [
    { label: 'ravine, plain descent', optimizer: 'sgd', learningRate: 0.01, ...ravine },
    { label: 'ravine, momentum', optimizer: 'momentum', learningRate: 0.01, ...ravine },
    { label: 'plateau, plain descent', optimizer: 'sgd', learningRate: 0.1, ...plateau },
    { label: 'plateau, Adagrad', optimizer: 'adagrad', learningRate: 1, ...plateau },
    { label: 'plateau, Adam', optimizer: 'adam', learningRate: 0.1, ...plateau },
  ],
  judge: (_, descents) => {
    const [plain, momentum, slow, adagrad, adam] = descents.map(updatesOf) as [number, number, number, number, number]
    return {
      holds: momentum < plain / 2 && adagrad < slow / 2 && adam < slow / 2,
      columns: ['descent', 'updates until a twentieth of the loss is left', 'loss in the end'],
      figures: descents.map((one) => ({
        label: one.label,
        values: [
          updatesOf(one) === Number.POSITIVE_INFINITY ? 'more than 600' : String(updatesOf(one)),
          short(one.heights.at(-1)!),
        ],
      })),
    }
  },
  code: `const [x, y] = [variable(tensor(-1.7), { trainable: true }), variable(tensor(-1.1), { trainable: true })]
const optimizer = optim.momentum({ learningRate: 0.01 }).init([x, y])     // or sgd, adagrad, adam
const step = compile(() => {
  const height = x.value.add(y.value).square().mul(0.25).add(x.value.sub(y.value).square().mul(25))
  optimizer.update(backpropagate(height, [x, y]))
  return height
})`,
}
