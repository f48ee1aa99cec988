/** @file Settings as the TypeScript program that does the same with Gradus. In: settings. Out: its text. */
import { isClasses, type Settings } from './settings.js'

const losses = {
  crossEntropy: 'loss.crossEntropy',
  L2: 'loss.meanSquaredError',
  L1: 'loss.meanAbsoluteError',
} as const

export function codeOf(settings: Settings): string {
  const { data, network, training, seed } = settings
  const classes = isClasses(data.kind)
  const initializer = {
    default: '',
    glorot: ', { initializer: nn.init.xavierNormal() }',
    he: ", { initializer: nn.init.kaimingNormal({ nonlinearity: 'relu' }) }",
  }[network.start]
  let before = classes ? 2 : 1
  const layers = network.layers.map(({ width, activation }) => {
    const line = [
      `nn.linear(${before}, ${width}${initializer})`,
      ...(activation === 'none' ? [] : [`nn.${activation}`]),
      ...(network.dropout > 0 ? [`nn.dropout(${network.dropout})`] : []),
    ]
    before = width
    return `  ${line.join(', ')},`
  })
  const overProbabilities = classes && training.loss !== 'crossEntropy'
  const decay = training.weightDecay > 0 ? `, weightDecay: { rate: ${training.weightDecay}, where: optim.notBias }` : ''
  const options = [
    'train, validation,',
    overProbabilities
      ? `loss: (output, target) => ${losses[training.loss]}(nn.softmax(output), target),   // targets: [1, 0] and [0, 1]`
      : `loss: ${losses[training.loss]},`,
    `optimizer: optim.${training.optimizer}({ learningRate: ${training.learningRate}${decay} }),`,
    `epochs: ${training.epochs}, batchSize: ${training.batchSize === 'full' ? "'full'" : training.batchSize}, seed: ${seed},`,
    ...(training.patience > 0 ? [`earlyStopping: { patience: ${training.patience}, restoreBest: true },`] : []),
  ]
  return [
    "import { fit, loss, nn, optim } from 'gradus'",
    '',
    'const net = nn.sequential(',
    ...layers,
    `  nn.linear(${before}, ${classes ? 2 : 1}),`,
    ')',
    'const run = fit(net, {',
    ...options.map((line) => `  ${line}`),
    '})',
    'for await (const { epoch, train, validation } of run) console.log(epoch, train.loss, validation.loss)',
  ].join('\n')
}
