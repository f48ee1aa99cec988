/** @file Steps that are not finite: the first operation, its layer and step are named, in every engine alike; skipping leaves all as it was. */
import { createHash } from 'node:crypto'
import {
  backpropagate,
  type Compiled,
  compile,
  fit,
  initialize,
  loss,
  NonFiniteError,
  nn,
  optim,
  state,
  type Tensor,
  tensor,
  type Variable,
  where,
} from 'gradus'
import { describe, expect, test, vi } from 'vitest'
import { RandomStream } from '../../src/numerics/random.js'

type Step = Compiled<[Tensor, Tensor], Tensor>
type Forward = (x: Tensor) => Tensor

/** Batches of 8 points of 4 numbers in 3 classes. */
function batchesOf(count: number, seed = 1, change?: (data: Float32Array, batch: number) => void): [Tensor, Tensor][] {
  const random = new RandomStream(seed, 'batches')
  return Array.from({ length: count }, (_, i) => {
    const data = Float32Array.from({ length: 32 }, () => random.normal())
    change?.(data, i)
    const x = tensor(data, { shape: [8, 4] })
    return [
      x,
      tensor(
        Int32Array.from({ length: 8 }, () => random.integer(3)),
        { shape: [8], dtype: 'int32' },
      ),
    ]
  })
}

const hash = (variables: Iterable<Variable>): string => {
  const sum = createHash('sha256')
  for (const variable of variables) sum.update(variable.storage.read())
  return sum.digest('hex')
}

interface Made {
  readonly step: Step
  readonly variables: readonly Variable[]
}

function make(
  net: nn.Layer | ReturnType<typeof nn.sequential>,
  options: Parameters<typeof compile>[1],
  error: (output: Tensor, target: Tensor) => Tensor = loss.crossEntropy,
  spec = optim.adam({ learningRate: 1e-2 }),
): Made {
  initialize(net as never, { seed: 3 })
  const optimizer = spec.init(net as never)
  const step = compile(
    (x: Tensor, y: Tensor) => {
      const e = error((net as unknown as Forward)(x), y) as Tensor<readonly []>
      optimizer.update(backpropagate(e, net as never))
      return e as Tensor
    },
    { training: true, ...options },
  )
  return { step, variables: [...state(net as never).values(), ...optimizer.state.values()] }
}

function faultOf(run: () => unknown): NonFiniteError {
  try {
    run()
  } catch (error) {
    if (error instanceof NonFiniteError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

const deep = (broken: Forward) =>
  nn.sequential(
    nn.linear(4, 8),
    nn.relu,
    nn.module({ inner: nn.linear(8, 8) }, (m, x: Tensor) => broken(m.inner(x))),
    nn.linear(8, 3),
  )

describe('the first operation is named', () => {
  const engines = ['wasm', 'interpreter', 'native'] as const
  test.each(engines)('the logarithm of a negative number in layer 2, %s', (engine) => {
    const { step } = make(
      deep((x) => x.log()),
      { onNonFinite: 'stop', engine },
    )
    const { fault, message } = faultOf(() => step.each(batchesOf(1)))
    expect(fault).toMatchObject({
      what: 'the loss',
      value: 'NaN',
      step: 1,
      operation: 'log',
      stage: 'forward propagation',
      layer: '2 (module)',
    })
    expect(fault.place).toMatch(/^non-finite\.test\.ts:\d+$/)
    expect(fault.inputs[0]).toMatchObject({ shape: [8, 8], nan: 0, infinite: 0 })
    expect(fault.inputs[0]!.minimum).toBeLessThan(0)
    expect(fault.output!.nan).toBeGreaterThan(0)
    expect(message).toMatch(
      /the loss is NaN in step 1\. First not finite is log, in 2 \(module\) \(.*\.ts:\d+\).*nn\.softplus/,
    )
  })

  test('a division by 0 in a loss of one’s own, after some steps, in the middle of a call', () => {
    // The third batch has equal inputs, whose deviation is 0.
    const batches = batchesOf(6, 2, (data, i) => {
      if (i === 3) data.fill(0.5)
    })
    const net = nn.sequential(nn.linear(4, 3))
    const own = (output: Tensor, target: Tensor) => {
      const spread = output.max(0).sub(output.min(0)).sum()
      return loss.crossEntropy(output, target).div(spread)
    }
    const { step, variables } = make(net, { onNonFinite: 'stop' }, own)
    const plain = make(nn.sequential(nn.linear(4, 3)), {}, own)
    const { fault } = faultOf(() => step.each(batches))
    expect(fault).toMatchObject({ what: 'the loss', value: 'infinite', step: 4, operation: 'div' })
    expect(fault.place).toMatch(/div, non-finite\.test\.ts/)
    expect(fault.layer).toBeUndefined()
    expect(fault.cure).toContain('0 among the divisors')
    // Everything is as it was before the fourth step.
    plain.step.each(batches.slice(0, 3))
    expect(hash(variables)).toBe(hash(plain.variables))
  })

  test('a gradient that is not finite while the loss is', () => {
    const { step } = make(
      deep((x) => x.mul(0).square().sqrt()),
      { onNonFinite: 'stop' },
    )
    const [[x, y]] = batchesOf(1) as [[Tensor, Tensor]]
    const { fault } = faultOf(() => step(x, y))
    expect(fault).toMatchObject({ value: 'NaN', step: 1, stage: 'backpropagation', layer: '2 (module)' })
    expect(fault.what).toMatch(/^the gradient of 2\.inner\./)
    expect(fault.operation).toContain('in the derivative of sqrt')
    expect(fault.cure).toContain('1e-12')
  })

  test('only the gradient of a large matrix: found by what it did to the parameter, and the step is exact', () => {
    const net = nn.sequential(nn.linear(4, 2000, { bias: false }), nn.linear(2000, 3))
    // From the third batch on the inputs are so large that only products of them overflow.
    const batches = batchesOf(5, 4, (data, i) => {
      if (i === 2) data.fill(3e38)
    })
    const own = (output: Tensor, target: Tensor) => loss.crossEntropy(output.mul(1e-39).mul(1e4), target)
    const { step } = make(net, { onNonFinite: 'stop' }, own, optim.sgd({ learningRate: 1 }))
    const { fault } = faultOf(() => {
      step.each(batches)
      step.checkFinite()
    })
    expect(fault.step).toBe(3)
    expect(fault.operation).toBeDefined()
  })

  test('an exploding rate', () => {
    const { step } = make(
      deep(nn.relu as Forward),
      { onNonFinite: 'stop' },
      loss.crossEntropy,
      optim.sgd({ learningRate: 1e25 }),
    )
    const { fault } = faultOf(() => step.each(batchesOf(4)))
    expect(fault.step).toBe(2)
    expect(fault.stage).not.toBe('input')
    expect(fault.cure).toContain('learning rate')
  })

  test('moments that overflow while all else is finite', () => {
    const net = nn.sequential(nn.linear(4, 3))
    const { step } = make(net, { onNonFinite: 'stop' }, (output, target) => loss.crossEntropy(output, target).mul(1e22))
    const { fault } = faultOf(() => {
      step.each(batchesOf(2))
      step.checkFinite()
    })
    expect(fault).toMatchObject({ step: 1, stage: 'parameter update' })
    expect(fault.what).toMatch(/the new value of the optimizer's .*\/0\./)
  })

  test('data, and parameters that were so before', () => {
    const [[, y]] = batchesOf(1) as [[Tensor, Tensor]]
    const bad = tensor(new Float32Array(32).fill(1).fill(Number.NaN, 9, 10), { shape: [8, 4] })
    const first = make(deep(nn.relu as Forward), { onNonFinite: 'stop' })
    expect(faultOf(() => first.step(bad, y)).fault).toMatchObject({
      operation: "the argument 'x'",
      stage: 'input',
      output: { nan: 1, first: [2, 1] },
    })
    const second = make(deep(nn.relu as Forward), { onNonFinite: 'stop' })
    second.variables[1]!.storage.write(new Float32Array(8).fill(Number.POSITIVE_INFINITY))
    expect(faultOf(() => second.step(...batchesOf(1)[0]!)).fault).toMatchObject({ operation: '0.bias', stage: 'input' })
  })

  test('an infinity that is meant, as in a mask, is passed by', () => {
    const masked = (x: Tensor) => {
      const scores = where(x.greater(0), x, Number.NEGATIVE_INFINITY)
      return nn.softmax(scores.add(0)).mul(where(x.greater(100), x, 1))
    }
    // A row of the first batch is hidden altogether only where all of it is negative: as good as sure with two columns.
    const net = nn.sequential(
      nn.linear(4, 8),
      nn.module({ inner: nn.linear(8, 2) }, (m, x: Tensor) => masked(m.inner(x))),
      nn.linear(2, 3),
    )
    const { step } = make(net, { onNonFinite: 'stop' })
    const { fault } = faultOf(() => step.each(batchesOf(3)))
    expect(fault).toMatchObject({ operation: 'sub', layer: '1 (module)' })
    expect(fault.cure).toContain('mask')
  })
})

describe('skipping', () => {
  const poison = (data: Float32Array, i: number) => {
    if (i === 2 || i === 5) data.fill(Number.NaN, 3, 4)
  }
  const net = () => nn.sequential(nn.linear(4, 16), nn.relu, nn.dropout(0.3), nn.linear(16, 3))

  test.each([
    ['adam', optim.adam({ learningRate: 1e-2, weightDecay: 1e-2 })],
    ['clipped momentum', optim.chain(optim.clipByGlobalNorm(1), optim.sgd({ learningRate: 0.1, momentum: 0.9 }))],
  ] as const)('has the bits of the run that never had the batches: %s', (_, spec) => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
    const batches = batchesOf(8, 5, poison)
    const good = batchesOf(8, 5).filter((_, i) => i !== 2 && i !== 5)
    const skipping = make(net(), { onNonFinite: 'skip', random: 7 }, loss.crossEntropy, spec)
    const plain = make(net(), { random: 7 }, loss.crossEntropy, spec)
    skipping.step.each(batches)
    plain.step.each(good)
    expect(skipping.step.skipped).toBe(2)
    expect(hash(skipping.variables)).toBe(hash(plain.variables))
    // One by one as well.
    const single = make(net(), { onNonFinite: 'skip', random: 7 }, loss.crossEntropy, spec)
    for (const [x, y] of batches) single.step(x, y)
    expect(hash(single.variables)).toBe(hash(plain.variables))
    expect(warn.mock.calls.map(([text]) => text)).toEqual([
      expect.stringMatching(/step 3 was skipped, as the loss is NaN \(1 so far\)\. the argument 'x' has 1 NaN/),
      expect.stringMatching(/step 3 was skipped/),
    ])
    warn.mockRestore()
  })

  test('in fit: counted, left out of the scores, with the bits of engines alike', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
    const random = new RandomStream(1, 'fit')
    const input = Float32Array.from({ length: 400 }, () => random.normal())
    input[37 * 4] = Number.POSITIVE_INFINITY
    const train = {
      input: { data: input, shape: [100, 4] as const },
      target: { data: Int32Array.from({ length: 100 }, () => random.integer(3)), shape: [100] as const },
    }
    const hashes = new Set<string>()
    for (const observe of [false, { every: 3, warnings: false }]) {
      const model = net()
      const history = await fit(model, {
        train,
        loss: loss.crossEntropy,
        optimizer: optim.adam({ learningRate: 1e-2 }),
        epochs: 3,
        batchSize: 16,
        seed: 1,
        onNonFinite: 'skip',
        observe,
      })
      expect(history.epochs.map(({ skipped }) => skipped)).toEqual([1, 1, 1])
      expect(history.epochs.every(({ train: scores }) => Number.isFinite(scores.loss))).toBe(true)
      hashes.add(hash(state(model).values()))
    }
    expect(hashes.size).toBe(1)
    warn.mockRestore()
    await expect(
      fit(net(), { train, loss: loss.crossEntropy, optimizer: optim.adam(), batchSize: 16, seed: 1 }).then(),
    ).rejects.toThrow(
      /the loss is NaN in epoch 1, batch \d of 7.*Row 37 of the inputs has Infinity at place 0.*as it was before this step/,
    )
  })
})

test('what is watched has the bits of what is not', () => {
  const batches = batchesOf(12, 6)
  const net = () => nn.sequential(nn.linear(4, 16), nn.batchNorm(16), nn.gelu, nn.dropout(0.1), nn.linear(16, 3))
  const hashes = new Set<string>()
  for (const numerics of [undefined, 'portable'] as const) {
    hashes.clear()
    for (const options of [
      {},
      { onNonFinite: 'stop' },
      { onNonFinite: 'skip' },
      { observe: { every: 5, to: () => {} } },
      { observe: { every: 1, to: () => {}, gradients: true }, onNonFinite: 'stop' },
    ] as const) {
      const { step, variables } = make(net(), { ...options, numerics, random: 7 })
      step.each(batches)
      hashes.add(hash(variables))
    }
    expect(hashes.size).toBe(1)
  }
})

test('options that are wrong', () => {
  const f = (x: Tensor) => x
  expect(() => compile(f, { onNonFinite: 'ignore' as never })).toThrow(/onNonFinite is the text 'ignore'/)
  expect(() => compile(f, { observe: { every: 0, to: () => {} } })).toThrow(/every must be a whole number above 0/)
  expect(() => compile(f, { observe: { every: 1 } as never })).toThrow(/observe\.to is undefined/)
  expect(() => compile(f, { onNonFinite: 'stop' })(tensor([1]))).toThrow(/nothing is differentiated in the step/)
})
