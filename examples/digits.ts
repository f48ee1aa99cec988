// The README's first example, word for word: digits from data to a saved network in some 20 lines.
// What to look at: the validation accuracy, and that the test data are read once, after training. `break` ends a run.
// biome-ignore-all format: as in the README
import { digits } from '@gradus/datasets'
import { evaluate, fit, loss, metrics, nn, optim, save } from 'gradus'

const { train, validation, test } = await digits()
const net = nn.sequential(
  nn.flatten(),
  nn.linear(784, 128), nn.relu,
  nn.dropout(0.2),
  nn.linear(128, 10),
)
const run = fit(net, {
  train, validation,
  loss: loss.crossEntropy,
  optimizer: optim.adam({ learningRate: 1e-3, weightDecay: 1e-4 }),
  metrics: { accuracy: metrics.accuracy },
  epochs: 20, batchSize: 64, seed: 1,
  earlyStopping: { patience: 3, restoreBest: true },
})
for await (const epoch of run) console.log(epoch.train.loss, epoch.validation?.accuracy)   // break = stop
console.log(await evaluate(net, test, { loss: loss.crossEntropy, metrics: { accuracy: metrics.accuracy } }))
await save(net, 'digits.safetensors')
