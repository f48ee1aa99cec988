/**
 * customGradient, remat and vmap: rules of one's own, values computed again instead of kept, and one sample's function for many.
 */
import { describe, expect, test } from 'vitest'
import {
  backpropagate,
  compile,
  customGradient,
  grad,
  initialize,
  nn,
  optim,
  parameters,
  random,
  remat,
  scan,
  stack,
  type Tensor,
  tensor,
  type Variable,
  variable,
  vmap,
  where,
} from '../../src/index.js'
import { gradientsOf } from '../../src/trace/grad.js'
import { RandomGenerator } from '../../src/trace/random.js'
import { distance, numbers, runTraced } from '../support/run.js'

const values = (...shape: number[]) =>
  tensor(
    Array.from({ length: shape.reduce((n, extent) => n * extent, 1) }, (_, i) => Math.sin(3.7 * i + shape.length)),
    { shape },
  ) as Tensor

describe('customGradient', () => {
  test('takes the rule, also for second derivatives, inside steps and outside', () => {
    // 7x in the place of x², whose slope along x is then 7·2x.
    const odd = customGradient(
      (x: Tensor) => x.square(),
      (gradient, { inputs: [x], output }) => [gradient.mul(x).mul(7).add(output.mul(0))],
    )
    const x = tensor([1, -2, 3])
    expect(numbers(odd(x))).toEqual([1, 4, 9])
    expect(numbers(grad((x: Tensor) => odd(x).sum())(x))).toEqual([7, -14, 21])
    expect(numbers(grad((x: Tensor) => grad((x: Tensor) => odd(x).sum())(x).sum())(x))).toEqual([7, 7, 7])
    const v = variable(x)
    const [slope] = runTraced(() => gradientsOf(odd(v.value).mul(2).sum(), [v]), [])
    expect(numbers(slope!)).toEqual([14, -28, 42])
  })
  test('of several inputs, one of them without a gradient; float64', () => {
    const f = customGradient(
      (x: Tensor, y: Tensor) => x.mul(y),
      (gradient, { inputs: [x] }) => [undefined, gradient.mul(x).mul(10)],
    )
    const [x, y] = [variable(tensor([2, 3], { dtype: 'float64' })), variable(tensor([5, 7], { dtype: 'float64' }))]
    const [first, second] = runTraced(() => gradientsOf(f(x.value, y.value).sum(), [x, y]), [])
    expect(first!.dtype).toBe('float64')
    expect(numbers(first!)).toEqual([0, 0])
    expect(numbers(second!)).toEqual([20, 30])
  })
  test('a straight-through estimator trains', () => {
    const sign = customGradient(
      (x: Tensor) => where(x.greater(0), 1, x.mul(0).sub(1)),
      (gradient) => [gradient],
    )
    expect(
      numbers(
        grad((x: Tensor) =>
          sign(x)
            .mul(tensor([1, 2, 3]))
            .sum(),
        )(tensor([4, -5, 6])),
      ),
    ).toEqual([1, 2, 3])
  })
  test('the graph keeps nothing of it: equal steps have equal programs', () => {
    const made = () => {
      const f = customGradient(
        (x: Tensor) => x.exp(),
        (gradient) => [gradient],
      )
      return String(compile((x: Tensor) => grad((x: Tensor) => f(x).sum())(x).add(f(x))).explain([values(5)]))
    }
    const text = (s: string) => s.replace(/compiled in \d+ ms/, '')
    expect(text(made())).toBe(text(made()))
  })
  test('errors', () => {
    const bad = (rule: (g: Tensor) => readonly Tensor[]) => () =>
      grad((x: Tensor) => customGradient((x: Tensor) => x, rule)(x).sum())(values(2))
    expect(bad((g) => [g.sum()])).toThrow('gradient 1 is float32[], its input float32[2]')
    expect(bad((g) => [g.cast('float64')])).toThrow('gradient 1 is float64[2], its input float32[2]')
    expect(bad((g) => [g, g])).toThrow('the rule gives 2 gradients for 1 inputs')
    expect(bad((g) => g as never)).toThrow('the rule gives a Tensor for 1 inputs')
    expect(() => customGradient(3 as never, () => [])).toThrow('customGradient: f is the number 3, not a function')
  })
})

/** A chain of blocks that keep four tensors of [rows, width] each for their derivatives. */
function chain(depth: number, wrap: typeof remat | ((f: (x: Tensor) => Tensor) => (x: Tensor) => Tensor)) {
  const width = 64
  const weights = Array.from({ length: depth }, (_, i) => variable(values(width, width).mul(0.1 + 0.01 * i)))
  const block = (weight: Variable) =>
    wrap((x: Tensor) => x.matmul(weight.value).tanh().sin().exp().sub(1).tanh().add(x.mul(0.5)))
  const forward = (x: Tensor) => weights.reduce((y, weight) => (block(weight) as (x: Tensor) => Tensor)(y), x)
  return { weights, forward }
}
const plain = (f: (x: Tensor) => Tensor) => f

describe('remat', () => {
  test.each(['wasm', 'interpreter'] as const)('has the bits of what it wraps, %s', (engine) => {
    const results = [plain, remat].map((wrap) => {
      const { weights, forward } = chain(3, wrap)
      return runTraced(
        (x) => {
          const error = forward(x).square().mean()
          const first = gradientsOf(error, weights)
          const along = first.map((slope) => slope.square().sum()).reduce((a, b) => a.add(b))
          return [error, ...first, ...gradientsOf(along, weights.slice(0, 2))]
        },
        [values(9, 64)],
        { engine },
      ).map(numbers)
    })
    // What is fused into what differs, and with it which product and sum round once.
    results[0]!.forEach((expected, i) => {
      expect(distance(results[1]![i]!, expected)).toBeLessThan(1e-6)
    })
  })
  test('keeps results of blocks, not what is between: live bytes of a deep chain', () => {
    const [rows, width, depth] = [256, 64, 12]
    const bytes = (wrap: typeof plain) => {
      const { weights, forward } = chain(depth, wrap)
      const step = compile((x: Tensor) => gradientsOf(forward(x).square().mean(), weights))
      return step.explain([values(rows, width)]).liveBytes
    }
    const one = 4 * rows * width
    const [whole, less] = [bytes(plain), bytes(remat)]
    expect(whole).toBeGreaterThan(2.5 * depth * one)
    expect(less).toBeLessThan((depth + 12) * one)
  })
  test('elementwise blocks are not computed again where they were computed first', () => {
    const [rows, width] = [256, 64]
    const scale = variable(values(rows, width))
    const bytes = (wrap: typeof plain, depth: number) => {
      const block = wrap((x: Tensor) => {
        const y = x.tanh().sin().exp()
        return y.sub(y.mean(0)).tanh().exp().sin()
      })
      const forward = (x: Tensor) => Array.from({ length: depth }).reduce<Tensor>((y) => block(y), x)
      const step = compile((x: Tensor) => gradientsOf(forward(x.mul(scale.value)).square().mean(), [scale]))
      return step.explain([values(rows, width)]).liveBytes
    }
    const one = 4 * rows * width
    const perBlock = (wrap: typeof plain) => (bytes(wrap, 12) - bytes(wrap, 6)) / 6 / one
    expect(perBlock(plain)).toBeGreaterThan(3)
    expect(perBlock(remat)).toBeLessThan(1.01)
  })
  test.each([
    ['linear layers', [1024, 64], () => nn.sequential(nn.linear(64, 256), nn.gelu, nn.linear(256, 64), nn.tanh), 10],
    [
      'convolutions',
      [32, 8, 16, 16],
      () => nn.sequential(nn.conv2d(8, 8, 3, { padding: 1 }), nn.relu, nn.conv2d(8, 8, 3, { padding: 1 }), nn.relu),
      2,
    ],
  ] as const)('%s: weights and biases get their gradients before the next block is computed again', (_, shape, make, whole) => {
    type Block = (x: Tensor) => Tensor
    const x = tensor(new Float32Array(shape.reduce<number>((n, extent) => n * extent, 1)), { shape })
    const units = (wrap: (f: Block) => Block, depth: number) => {
      const blocks = Array.from({ length: depth }, () => wrap(make() as Block))
      const net = nn.module({ blocks }, (m, x: Tensor) => m.blocks.reduce((y, one) => one(y), x))
      const step = compile(
        (x: Tensor) => {
          const error = net(x).square().mean()
          return [error, ...backpropagate(error, net).values()]
        },
        { training: true },
      )
      return step.explain([x]).liveBytes / (4 * x.size)
    }
    const perBlock = (wrap: (f: Block) => Block) => (units(wrap, 6) - units(wrap, 3)) / 3
    expect(perBlock((f) => f)).toBeGreaterThan(whole)
    expect(perBlock(remat)).toBeLessThan(1.1)
  })
  test('computes once more, and once only: exponentials in the program', () => {
    const count = (wrap: typeof plain) => {
      const { weights, forward } = chain(4, wrap)
      const step = compile((x: Tensor) => gradientsOf(forward(x).square().mean(), weights))
      return step.explain([values(128, 64)]).flops
    }
    const [once, twice] = [count(plain), count(remat)]
    expect(twice / once).toBeGreaterThan(1.15)
    expect(twice / once).toBeLessThan(1.5)
  })
  test('of several results is computed once more together', () => {
    const weight = variable(values(64, 64))
    const flops = (wrap: (f: (x: Tensor) => Tensor[]) => (x: Tensor) => Tensor[]) => {
      const f = wrap((x) => {
        const y = x.matmul(weight.value).tanh()
        return [y.sin(), y.exp(), y.square()]
      })
      const step = compile((x: Tensor) =>
        gradientsOf(
          f(x)
            .reduce((a, b, i) => a.add(b.mul(i + 1).tanh()), x)
            .square()
            .sum(),
          [weight],
        ),
      )
      return step.explain([values(128, 64)]).flops
    }
    // The product once more, and what of the elementwise operations derivatives need.
    const product = 2 * 128 * 64 * 64
    const more = flops(remat) - flops((f) => f)
    expect(more).toBeGreaterThan(product)
    expect(more).toBeLessThan(1.6 * product)
  })
  test('of several results, some without a use, also mapped and in a loop of two carries', () => {
    const w = values(4, 4)
    const cell = ([h, c]: readonly [Tensor, Tensor], x: Tensor) => {
      const next = c.mul(0.5).add(h.matmul(w).add(x).tanh())
      return [next.sin(), next, next.exp()] as const
    }
    const slope = (f: typeof cell) => {
      const run = (xs: Tensor) => {
        const once = (h: Tensor, x: Tensor) => {
          const [a, b] = f([h, h.square()], x)
          return a.mul(b).sum()
        }
        const [[h, c]] = scan(
          (carry: readonly [Tensor, Tensor], x: Tensor) => {
            const [h, c] = f(carry, x)
            return [[h, c] as const, x.sum()]
          },
          [values(4).mul(0), values(4).mul(0)] as const,
          xs,
        )
        return vmap(once, [0, null])(xs, h).sum().add(c.square().sum())
      }
      return numbers(grad((xs: Tensor) => run(xs))(values(5, 4)))
    }
    expect(distance(slope(remat(cell)), slope(cell))).toBeLessThan(1e-5)
  })
  test('draws the same dropout again, and gives gradients to captured Variables', () => {
    const weight = variable(values(8, 8))
    const run = (wrap: (f: (x: Tensor) => Tensor) => (x: Tensor) => Tensor) =>
      runTraced(
        (x) => {
          const f = wrap((x) =>
            x
              .matmul(weight.value)
              .mul(random.bernoulli([4, 8], 0.5).cast('float32'))
              .tanh(),
          )
          return gradientsOf(f(f(x)).sum(), [weight])
        },
        [values(4, 8)],
        { random: new RandomGenerator(3), training: true },
      ).map(numbers)
    expect(run(remat)).toEqual(run(plain))
  })
  test('a module stays a module: names, values and training are those of what it wraps', () => {
    const block = () => nn.residual(nn.sequential(nn.linear(4, 6), nn.tanh, nn.dropout(0.5), nn.linear(6, 4)))
    const [a, b] = [nn.sequential(block(), block()), nn.sequential(remat(block()), remat(block()))]
    expect([...parameters(b).keys()]).toEqual([...parameters(a).keys()])
    const results = [a, b].map((net) => {
      initialize(net, { seed: 5 })
      const optimizer = optim.sgd({ learningRate: 0.1 }).init(net)
      const options = { training: true, random: new RandomGenerator(7) }
      const step = compile((x: Tensor) => {
        const error = (net as (x: Tensor) => Tensor)(x).square().mean()
        optimizer.update(backpropagate(error, net))
        return error
      }, options)
      const losses = [0, 1, 2].map(() => numbers(step(values(3, 4)) as Tensor)[0]!)
      return [...losses, ...[...parameters(net).values()].flatMap((one) => numbers(one.value as Tensor))]
    })
    expect(distance(results[1]!, results[0]!)).toBeLessThan(1e-6)
  })
  test('of modules, of trees, nested, and outside of steps', () => {
    const net = nn.sequential(nn.linear(6, 5), nn.tanh, nn.linear(5, 6))
    const f = (x: Tensor) => ({ y: net(x), both: [net(x).exp(), x.square()] as const })
    const total = (g: typeof f) => (x: Tensor) => {
      const { y, both } = g(x)
      return y.add(both[0]).mul(both[1]).sum()
    }
    const x = values(3, 6)
    const expected = numbers(grad(total(f))(x))
    expect(distance(numbers(grad(total(remat(f)))(x)), expected)).toBeLessThan(1e-6)
    const nested = remat((x: Tensor) => remat((x: Tensor) => x.sin().exp())(x).square())
    const direct = (x: Tensor) => x.sin().exp().square()
    expect(
      distance(numbers(grad((x: Tensor) => nested(x).sum())(x)), numbers(grad((x: Tensor) => direct(x).sum())(x))),
    ).toBeLessThan(1e-6)
    // A chain longer than what is evaluated at once outside of steps.
    const long = (x: Tensor) => Array.from({ length: 300 }).reduce<Tensor>((y) => y.mul(1.001), x)
    expect(distance(numbers(grad((x: Tensor) => long(x).sum())(x)), numbers(x.mul(0).add(1.001 ** 300)))).toBeLessThan(
      1e-4,
    )
    expect(
      distance(numbers(grad((x: Tensor) => remat(long)(x).sum())(x)), numbers(x.mul(0).add(1.001 ** 300))),
    ).toBeLessThan(1e-4)
  })
})

describe('in loops', () => {
  const w = values(5, 5)
  const cell = (h: Tensor, x: Tensor) => h.matmul(w).add(x).tanh().sin().exp().sub(1)
  const unrolled = (xs: Tensor) =>
    Array.from({ length: 4 }).reduce<Tensor>(
      (h, _, t) => cell(h, xs.slice([t], [t + 1]).squeeze(0)),
      values(5).mul(0.1),
    )
  const looped = (wrap: (f: typeof cell) => typeof cell) => (xs: Tensor) =>
    scan((h: Tensor, x: Tensor) => [wrap(cell)(h, x), x], values(5).mul(0.1), xs)[0]
  test.each([
    ['remat in scan', looped(remat)],
    ['scan in remat', remat(looped((f) => f))],
    [
      'a rule in scan',
      looped(
        (f) => (h, x) =>
          customGradient(
            (y: Tensor) => y,
            (g) => [g],
          )(f(h, x)),
      ),
    ],
    ['vmap in scan', looped((f) => (h, x) => vmap((h: Tensor) => f(h, x))(h.expandDims(0)).squeeze(0))],
  ] as const)('%s', (_, f) => {
    const x = variable(values(4, 5))
    const run = (f: (xs: Tensor) => Tensor) =>
      runTraced(() => {
        const y = f(x.value)
        const [first] = gradientsOf(y.square().sum(), [x])
        return [y, first!, ...gradientsOf(first!.square().sum(), [x])]
      }, []).map(numbers)
    const expected = run(unrolled)
    run(f).forEach((actual, i) => {
      expect(distance(actual, expected[i]!)).toBeLessThan(2e-5)
    })
  })
  test('remat in scan keeps less', () => {
    const big = values(64, 64).mul(0.1)
    const bytes = (wrap: (f: typeof cell) => typeof cell) => {
      const weight = variable(big)
      const f = wrap((h, x) => h.matmul(weight.value).add(x).tanh().sin().exp().tanh().sub(h.mul(0.5)))
      const step = compile((xs: Tensor) =>
        gradientsOf(scan((h: Tensor, x: Tensor) => [f(h, x), x.sum()], values(32, 64), xs)[0].sum(), [weight]),
      )
      return step.explain([values(16, 32, 64)]).liveBytes
    }
    const one = 4 * 16 * 32 * 64
    expect((bytes((f) => f) - bytes(remat)) / one).toBeGreaterThan(0.9)
  })
  test('vmap of scan', () => {
    const f = looped((f) => f)
    const batch = values(3, 4, 5)
    const each = [0, 1, 2].map((k) => f(batch.slice([k], [k + 1]).squeeze(0)))
    expect(distance(numbers(vmap(f)(batch) as Tensor), numbers(stack(each)))).toBeLessThan(1e-6)
  })
})

describe('vmap', () => {
  const loop = (f: (...x: Tensor[]) => Tensor, args: readonly Tensor[], axes: readonly (number | null)[]) => {
    const size = args.flatMap((x, i) => (axes[i] === null ? [] : [x.shape[axes[i]!] as number]))[0]!
    const take = (x: Tensor, axis: number, k: number) => {
      const [start, limit] = [x.shape.map(() => 0), [...x.shape]] as [number[], number[]]
      start[axis] = k
      limit[axis] = k + 1
      return x.slice(start, limit).squeeze(axis)
    }
    return stack(
      Array.from({ length: size }, (_, k) => f(...args.map((x, i) => (axes[i] === null ? x : take(x, axes[i]!, k))))),
    )
  }
  const softmaxed = (x: Tensor, w: Tensor) => {
    const y = x.matmul(w)
    return y.sub(y.logSumExp(-1, { keepAxes: true })).exp()
  }
  const cases: { [name: string]: [(...x: Tensor[]) => Tensor, Tensor[], (number | null)[]] } = {
    'elementwise, reductions': [(x) => x!.mul(x!.sum()).add(x!.max()), [values(4, 5)], [0]],
    'a shared matrix': [(x, w) => softmaxed(x!, w!), [values(3, 2, 4), values(4, 5)], [1, null]],
    'a matrix each': [(x, w) => softmaxed(x!, w!), [values(2, 4, 3), values(3, 4, 5)], [2, 0]],
    'a vector shared by matrices': [(x, w) => x!.matmul(w!), [values(4), values(3, 4, 2)], [null, 0]],
    'sorts, sums and choices': [
      (x) =>
        x!
          .sort(0)
          .cumsum(1)
          .add(x!.topK(2, { axis: 0 }).values.sum(0)),
      [values(3, 4, 5)],
      [2],
    ],
    gradients: [
      (w, x) => grad((w: Tensor) => softmaxed(x!, w).square().sum())(w!),
      [values(4, 3), values(5, 2, 4)],
      [null, 0],
    ],
    'a rule of one’s own': [
      (w, x) =>
        grad((w: Tensor) =>
          customGradient(
            (w: Tensor, x: Tensor) => x.matmul(w),
            (g, { inputs: [w, x] }) => [x.transpose().matmul(g).mul(w.sum())],
          )(w, x!).sum(),
        )(w!),
      [values(4, 3), values(5, 2, 4)],
      [null, 0],
    ],
    'what is computed again': [
      (w, x) => grad((w: Tensor) => remat(softmaxed)(x!, w).square().sum())(w!),
      [values(4, 3), values(5, 2, 4)],
      [null, 0],
    ],
    'vmap in vmap': [
      (x, y) => vmap((a: Tensor, b: Tensor) => a.mul(b).sum())(x!, y!),
      [values(2, 3, 4), values(2, 3, 4)],
      [0, 0],
    ],
  }
  test.each(Object.entries(cases))('%s', (_, [f, args, axes]) => {
    const mapped = vmap(f, axes)
    const expected = loop(f, args, axes)
    for (const actual of [mapped(...args), ...runTraced((...x: Tensor[]) => mapped(...x), args)]) {
      expect(actual.shape).toEqual(expected.shape)
      expect(distance(numbers(actual), numbers(expected))).toBeLessThan(2e-6)
    }
  })
  test('grad of vmap sums over samples; float64', () => {
    const x = tensor(
      [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
      { dtype: 'float64' },
    )
    const w = tensor([7, 8], { dtype: 'float64' })
    const total = (w: Tensor) => vmap((x: Tensor, w: Tensor) => x.mul(w.square()).sum(), [0, null])(x, w).sum()
    const slope = grad(total)(w)
    expect(slope.dtype).toBe('float64')
    expect(numbers(slope)).toEqual([2 * 7 * 9, 2 * 8 * 12])
  })
  test('grad of vmap of a rule and of remat sums over what samples share', () => {
    const rule = customGradient(
      (x: Tensor, w: Tensor) => x.mul(w),
      (g, { inputs: [x, w] }) => [g.mul(w), g.mul(x)],
    )
    for (const f of [rule, remat((x: Tensor, w: Tensor) => x.mul(w))]) {
      const total = (w: Tensor) =>
        vmap(f, [0, null])(
          tensor([
            [1, 2],
            [3, 4],
          ]),
          w,
        )
          .square()
          .sum()
      expect(numbers(grad(total)(tensor([5, 6])))).toEqual([2 * 5 * (1 + 9), 2 * 6 * (4 + 16)])
    }
  })
  test('trees, places of results, results that do not depend on a sample', () => {
    const f = vmap((x: Tensor) => ({ twice: x.mul(2), all: [x.sum(), tensor([1, 2])] as const }), 0, [1, 0, -1])
    const { twice, all } = f(
      tensor([
        [1, 2],
        [3, 4],
        [5, 6],
      ]),
    )
    expect(twice.shape).toEqual([2, 3])
    expect(numbers(twice)).toEqual([2, 6, 10, 4, 8, 12])
    expect(numbers(all[0] as Tensor)).toEqual([3, 7, 11])
    expect((all[1] as Tensor).shape).toEqual([2, 3])
  })
  test('long chains outside of steps', () => {
    const long = (x: Tensor) => Array.from({ length: 300 }).reduce<Tensor>((y) => y.add(1), x)
    expect(numbers(vmap(long)(tensor([1, 2])))).toEqual([301, 302])
  })
  test('errors', async () => {
    const x = values(2, 3)
    expect(() => vmap((a: Tensor, b: Tensor) => a.add(b))(x, values(3, 3))).toThrow(
      'vmap: sizes differ: [2,3] along 0, [3,3] along 0',
    )
    expect(() => vmap((a: Tensor) => a, [null])(x)).toThrow('no argument has an axis')
    expect(() => vmap((a: Tensor) => a, 2)(x)).toThrow('vmap: axis 2 does not exist')
    expect(() => vmap((a: Tensor) => a, [0, 1])(x)).toThrow('inAxes has 2 entries for 1 arguments')
    expect(() => vmap((a: Tensor) => a, 0, [0, 1])(x)).toThrow('outAxes has 2 entries for 1 results')
    expect(() => vmap((_: Tensor) => 3)(x)).toThrow('returns the number 3, which holds no tensor')
    let seen: Tensor | undefined
    vmap((a: Tensor) => (seen = a).mul(2))(x)
    await expect(seen!.array()).rejects.toThrow('no value while a function is mapped')
    const v = variable(tensor(0))
    const step = compile((x: Tensor) =>
      vmap((x: Tensor) => {
        v.assign(x.sum())
        return x
      })(x),
    )
    expect(() => step(x)).toThrow('assigns a Variable a value of one sample')
  })
})
