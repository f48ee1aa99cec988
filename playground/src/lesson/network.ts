/**
 * @file The network of the playground. In: settings and the data's width. Out: a module, and its hidden layers one by one.
 */
import { type Initializer, type Net, nn, type Tensor } from 'gradus'
import type { ActivationName, NetworkSettings, StartName } from './settings.js'

const activations: Record<ActivationName, (x: Tensor) => Tensor> = {
  sigmoid: nn.sigmoid,
  tanh: nn.tanh,
  relu: nn.relu,
  none: (x) => x,
}

const starts: Record<StartName, Initializer | undefined> = {
  default: undefined,
  glorot: nn.init.xavierNormal(),
  he: nn.init.kaimingNormal({ nonlinearity: 'relu' }),
}

export interface PlaygroundNetwork {
  readonly net: Net
  /** The output, and what each hidden layer gives after its activation. */
  readonly look: (x: Tensor) => { output: Tensor; activations: Tensor[] }
  /** Each linear layer's weight, from the input on. */
  readonly weights: readonly string[]
}

export function buildNetwork(settings: NetworkSettings, inputs: number, outputs: number): PlaygroundNetwork {
  const initializer = starts[settings.start]
  let before = inputs
  const hidden = settings.layers.map(({ width, activation }) => {
    const linear = nn.linear(before, width, { initializer })
    before = width
    return { linear, activation: activations[activation] }
  })
  const dropout = nn.dropout(settings.dropout)
  const output = nn.linear(before, outputs)
  const forward = (x: Tensor) => {
    const seen: Tensor[] = []
    let value = x
    for (const { linear, activation } of hidden) {
      value = activation((linear as unknown as Net)(value) as Tensor)
      seen.push(value)
      if (settings.dropout > 0) value = dropout(value) as Tensor
    }
    return { output: (output as unknown as Net)(value) as Tensor, activations: seen }
  }
  const children = { hidden: hidden.map(({ linear }) => linear), dropout, output }
  const net = nn.module(children, (_, x: Tensor): Tensor => forward(x).output) as unknown as Net
  const weights = [...hidden.map((_, i) => `hidden.${i}.weight`), 'output.weight']
  return { net, look: forward, weights }
}
