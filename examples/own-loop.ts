// The README's second example, word for word: the loop in one's own hands, the step still one compiled program.
// The error that is printed is that of the epoch's last batch; only reading it waits.
// biome-ignore-all format: as in the README
import { digits } from '@gradus/datasets'
import { backpropagate, batches, compile, loss, nn, optim, type Tensor } from 'gradus'

const { train } = await digits()
const net = nn.sequential(nn.flatten(), nn.linear(784, 128), nn.relu, nn.linear(128, 10))
const optimizer = optim.adam({ learningRate: 1e-3 }).init(net)
const step = compile((input: Tensor, target: Tensor) => {
  const output = net(input)                          // forward propagation
  const error = loss.crossEntropy(output, target)    // error computation
  const gradients = backpropagate(error, net)        // backpropagation
  optimizer.update(gradients)                        // parameter update
  return error
}, { training: true })

for (let epoch = 0; epoch < 3; epoch++) {
  let error: Tensor | undefined
  for (const [input, target] of batches(train, { size: 64, shuffle: true, seed: epoch })) error = step(input, target)
  console.log(epoch, await error?.item())            // reading a value is what waits
}
