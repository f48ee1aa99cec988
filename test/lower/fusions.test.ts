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
  loss,
  nn,
  optim,
  scatterAdd,
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

type Step = (...inputs: Tensor[]) => Tensor | readonly Tensor[]

/** The kernels of a step on float32 inputs of these shapes (int32 for one axis), for WebAssembly on one thread. */
function kernelsOf(step: Step, ...shapes: readonly number[][]): Kernel[] {
  const trace = new Trace({ training: true, random: new RandomGenerator(1) })
  const traced = trace.record(() => {
    const inputs = shapes.map((shape) => {
      const dtype = shape.length === 1 ? 'int32' : 'float32'
      return new Tensor(trace.argument(dtype, shape), trace)
    })
    return [step(...(inputs as Tensor[]))].flat().map((result) => TensorValue.nodeOf(result as Tensor))
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

/** A step of a layer of 4 × 8 weights on 6 samples: gradients of one tile. */
function layer(spec: optim.OptimizerSpec): Kernel[] {
  const [w, b] = [weights(4, 8), weights(8)]
  const all = named({ weight: w, bias: b })
  const optimizer = spec.init(all)
  const step: Step = (x, y) => {
    const error = loss.meanSquaredError(x!.matmul(w.value).add(b.value) as never, y as never)
    optimizer.update(backpropagate(error as never, all))
    return error
  }
  return kernelsOf(step, [6, 4], [6, 8])
}

interface Case {
  readonly says: string
  /** How many kernels the step has. */
  readonly kernels: number
  /** Which of them are shown; all unless said otherwise. */
  readonly shown?: readonly number[]
  readonly make: () => Kernel[]
}

const cases: { readonly [name: string]: Case } = {
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
    says: 'Forward and backward in one loop over rows: exponentials stay in the row. The mean of the losses needs all rows: a kernel of its own.',
    kernels: 2,
    make: () => {
      const logits = weights(6, 8)
      return kernelsOf(
        (y) => {
          const error = loss.crossEntropy(logits.value as never, y as never)
          return [error, backpropagate(error, [logits]).get(logits)!]
        },
        [6],
      )
    },
  },
  'bias-activation': {
    says: 'The bias and ReLU are applied to the totals of a tile before they are stored.',
    kernels: 1,
    make: () => {
      const [w, b] = [weights(5, 8), weights(8)]
      return kernelsOf((x) => nn.relu(x!.matmul(w.value).add(b.value) as never), [4, 5])
    },
  },
  'activation-derivative': {
    says: 'A hidden layer stores where ReLU gave 0, a byte an element, beside its result. Backward, the product with the next weights is dropped there before it is stored.',
    kernels: 4,
    shown: [0, 2],
    make: () => {
      const [v, b, w] = [weights(5, 8), weights(8), weights(8, 8)]
      return kernelsOf(
        (x) => {
          const output = nn.relu(x!.matmul(v.value).add(b.value) as never).matmul(w.value)
          return backpropagate(output.square().sum() as never, [v]).get(v)!
        },
        [4, 5],
      )
    },
  },
  'adam-epilogue': {
    says: 'Adam with decoupled decay, at the end of the weight gradient: moments and weights are updated by the tile, the gradient is never stored. The bias has no product to end in: one pass more.',
    kernels: 4,
    shown: [2, 3],
    make: () => layer(optim.adamW({ learningRate: 0.01, weightDecay: 0.1 })),
  },
  'momentum-epilogue': {
    says: 'Momentum at the end of the weight gradient: velocity and weights are updated by the tile.',
    kernels: 4,
    shown: [2],
    make: () => layer(optim.momentum({ learningRate: 0.01 })),
  },
  'adam-clipped': {
    says: 'With clipping by the global norm: a pass for the squares of all gradients, their sum, then one pass for all updates.',
    kernels: 6,
    shown: [3, 4, 5],
    make: () => layer(optim.chain(optim.clipByGlobalNorm(1), optim.adamW({ learningRate: 0.01, weightDecay: 0.1 }))),
  },
  dropout: {
    says: 'The mask is drawn once and stored, a byte an element; forward and backward it is applied to the totals of a tile. Drawing takes some 90 operations for four elements, reading them back one load.',
    kernels: 7,
    shown: [0, 1, 3],
    make: () => {
      const [v, w] = [weights(4, 8), weights(8, 8)]
      const drop = nn.dropout(0.5)
      return kernelsOf(
        (x) => {
          const output = drop(x!.matmul(v.value) as never).matmul(w.value)
          return backpropagate(output.square().sum() as never, [v]).get(v)!
        },
        [4, 4],
      )
    },
  },
  'scatter-add': {
    says: 'What is taken from a table goes back to it by number: the table is filled with zeros, then each row gets its updates, one after another, computed on the way.',
    kernels: 1,
    make: () => {
      const table = weights(10, 8)
      return kernelsOf(
        (which, factors) => {
          const rows = gather(table.value as never, which as never) as Tensor
          return backpropagate(rows.mul(factors!.square() as never).sum() as never, [table]).get(table)!
        },
        [4],
        [4, 8],
      )
    },
  },
  'scatter-in-place': {
    says: 'A Variable that rows are added to is added to where it is: the copy before it is of each element to itself.',
    kernels: 1,
    make: () => {
      const table = weights(10, 8)
      return kernelsOf(
        (which, rows) => {
          table.assign(scatterAdd(table.value, which!, rows!.mul(-0.1)))
          return []
        },
        [4],
        [4, 8],
      )
    },
  },
  'cumulative-sum': {
    says: 'Along an inner axis lanes stand side by side; along the innermost each row is one chain.',
    kernels: 2,
    make: () => kernelsOf((x) => [x!.exp().cumsum(0), x!.cumsum(1, { reverse: true })], [3, 8]),
  },
  argsort: {
    says: 'Runs of 1, 2 and 4 merged into runs twice as long; the last merge stores places alone.',
    kernels: 1,
    make: () => kernelsOf((x) => x!.square().argsort(), [3, 7]),
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

test.each(Object.entries(cases))('%s', async (name, { says, kernels, shown, make }) => {
  const all = make()
  expect(all).toHaveLength(kernels)
  const some = shown ? shown.map((i) => all[i]!) : all
  const text = [says, '', ...some.map((kernel) => `${skeleton(kernel)}\n`)].join('\n')
  await expect(text).toMatchFileSnapshot(fileURLToPath(new URL(`../fixtures/fusions/${name}.txt`, import.meta.url)))
})
