/**
 * What fusion makes of the chains it exists for, as text: test/fixtures/fusions/NAME.txt, one kernel after another. Runs of
 * arithmetic are counted, not shown: what matters is which loops there are, and what is loaded and stored.
 * After a wanted change: npx vitest run test/lower/fusions.test.ts -u
 */
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { compileGraph } from '../../src/compile.js'
import {
  backpropagate,
  gather,
  initialize,
  loss,
  nn,
  optim,
  Tensor,
  tensor,
  type Variable,
  variable,
} from '../../src/index.js'
import type { Kernel } from '../../src/kernel/loop.js'
import { printKernel } from '../../src/kernel/print.js'
import { RandomGenerator } from '../../src/trace/random.js'
import { Trace } from '../../src/trace/trace.js'
import { TensorValue } from '../../src/trace/value.js'

type Step = (...inputs: Tensor[]) => Tensor

/** The kernels of a step on float32 inputs of these shapes (int32 for one axis), for WebAssembly on one thread. */
function kernelsOf(step: Step, ...shapes: readonly number[][]): Kernel[] {
  const trace = new Trace({ training: true, random: new RandomGenerator(1) })
  const traced = trace.record(() => {
    const inputs = shapes.map((shape) => {
      const dtype = shape.length === 1 ? 'int32' : 'float32'
      return new Tensor(trace.argument(dtype, shape), trace)
    })
    return [TensorValue.nodeOf(step(...(inputs as Tensor[])))]
  })
  const at = new Map(traced.bindings.map((b, i) => [b.kind === 'variable' ? b.variable : undefined, i]))
  const storages = traced.bindings.map((b) => (b.kind === 'variable' ? b.variable.storage : undefined))
  const updates = new Map(traced.updates.map((one, i) => [traced.results + i, at.get(one)!]))
  const { plan } = compileGraph(traced.graph, updates, storages, { engine: 'interpreter', numerics: 'fused' })
  return plan.launches.map(({ kernel }) => plan.kernels[kernel]!)
}

/** Loops, loads and stores; `… n operations` for what is computed between. */
function skeleton(kernel: Kernel): string {
  const lines: string[] = []
  let [count, indent] = [0, '']
  const flush = () => {
    if (count > 0) lines.push(`${indent}… ${count} operation${count === 1 ? '' : 's'}`)
    count = 0
  }
  for (const line of printKernel(kernel, { names: true }).trimEnd().split('\n')) {
    if (/^ *(%\d+ = (?!load)|var |v\d+ := )/.test(line)) {
      indent = /^ */.exec(line)![0]
      count++
    } else {
      flush()
      lines.push(line)
    }
  }
  return lines.join('\n')
}

const weights = (...shape: number[]): Variable =>
  variable(tensor(new Float32Array(shape.reduce((n, extent) => n * extent, 1)), { shape }), { trainable: true })
const named = (list: Record<string, Variable>) => new Map(Object.entries(list))

/** A layer of 5 × 16 weights on 6 samples, all that a step needs. */
function layer(spec: optim.OptimizerSpec): Step {
  const [w, b] = [weights(5, 16), weights(16)]
  const all = named({ weight: w, bias: b })
  const optimizer = spec.init(all)
  return (x, y) => {
    const error = loss.meanSquaredError(x!.matmul(w.value).add(b.value) as never, y as never)
    optimizer.update(backpropagate(error as never, all))
    return error
  }
}

const cases: { readonly [name: string]: { says: string; kernels: number; make: () => Kernel[] } } = {
  softmax: {
    says: 'The maximum, the exponentials, their sum and the quotients of a row, in one loop over rows.',
    kernels: 1,
    make: () => kernelsOf((x) => nn.softmax(x as never), [4, 8]),
  },
  'layer-norm': {
    says: 'Mean, variance and the normalised values of a row, in one loop over rows.',
    kernels: 1,
    make: () =>
      kernelsOf(
        (x) => {
          const centred = x.sub(x.mean(-1, { keepAxes: true } as never) as never)
          return centred.div(
            centred
              .square()
              .mean(-1, { keepAxes: true } as never)
              .add(1e-5)
              .sqrt() as never,
          )
        },
        [4, 8],
      ),
  },
  'cross-entropy': {
    says: 'Forward and backward in one loop over rows: exponentials stay in the row; then the mean of the losses.',
    kernels: 2,
    make: () => {
      const w = weights(6, 10)
      return kernelsOf(
        (y) => {
          const error = loss.crossEntropy(w.value as never, y as never)
          w.assign(backpropagate(error, [w]).get(w)!)
          return error
        },
        [6],
      )
    },
  },
  'bias-activation': {
    says: 'The bias and ReLU are applied to the totals of a tile before they are stored.',
    kernels: 1,
    make: () => {
      const [w, b] = [weights(5, 16), weights(16)]
      return kernelsOf((x) => nn.relu(x.matmul(w.value).add(b.value) as never), [6, 5])
    },
  },
  'activation-derivative': {
    says: 'The gradient of a hidden layer: where ReLU was 0 the product with the next weights is dropped as it is stored.',
    kernels: 5,
    make: () => {
      const [v, w] = [weights(5, 8), weights(8, 16)]
      return kernelsOf(
        (x) => {
          const error = nn
            .relu(x.matmul(v.value) as never)
            .matmul(w.value)
            .sum()
          v.assign(backpropagate(error as never, [v]).get(v)!)
          return error
        },
        [6, 5],
      )
    },
  },
  'adam-epilogue': {
    says: 'Adam with decoupled decay, at the end of the weight gradient: moments and weights are updated by the tile, the gradient is never stored.',
    kernels: 0,
    make: () => kernelsOf(layer(optim.adamW({ learningRate: 0.01, weightDecay: 0.1 })), [6, 5], [6, 16]),
  },
  'adam-clipped': {
    says: 'With clipping by the global norm: a pass for the norm, then one for all updates.',
    kernels: 0,
    make: () =>
      kernelsOf(
        layer(optim.chain(optim.clipByGlobalNorm(1), optim.adamW({ learningRate: 0.01, weightDecay: 0.1 }))),
        [6, 5],
        [6, 16],
      ),
  },
  dropout: {
    says: 'The mask is one byte an element, drawn once: drawing takes some 50 operations an element, reading it back one load.',
    kernels: 0,
    make: () => {
      const w = weights(6, 16)
      const drop = nn.dropout(0.5)
      return kernelsOf(
        (y) => {
          const error = drop(w.value as never)
            .square()
            .mul(y.sum().cast('float32'))
            .sum()
          w.assign(backpropagate(error as never, [w]).get(w)!)
          return error
        },
        [6],
      )
    },
  },
  gather: {
    says: 'Rows of bytes by number, made float32 and scaled on the way: one pass, whose rows begin where a number says.',
    kernels: 1,
    make: () => {
      const bytes = variable(tensor(new Uint8Array(10 * 16), { shape: [10, 16] }))
      return kernelsOf(
        (which) =>
          gather(bytes.value as never, which as never)
            .cast('float32')
            .mul(1 / 255) as never,
        [4],
      )
    },
  },
}

test.each(Object.entries(cases))('%s', async (name, { says, kernels, make }) => {
  initialize(nn.sequential(nn.linear(1, 1)))
  const all = make()
  if (kernels > 0) expect(all).toHaveLength(kernels)
  const text = [says, '', ...all.map((kernel) => `${skeleton(kernel)}\n`)].join('\n')
  await expect(text).toMatchFileSnapshot(fileURLToPath(new URL(`../fixtures/fusions/${name}.txt`, import.meta.url)))
})
