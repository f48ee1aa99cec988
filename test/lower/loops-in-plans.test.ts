/**
 * Loops of a program, as text: test/fixtures/fusions/gru.txt has the launches of a GRU's training step, with how often each is
 * made and which parts of memory it works on, and the kernels of both loops. A loop is one however long it is; products of the
 * inputs stand before it, gradients of weights after it.
 * After a wanted change: npx vitest run test/lower/loops-in-plans.test.ts -u
 */
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { compileGraph } from '../../src/compile.js'
import { backpropagate, initialize, nn, optim, remat, scan, Tensor, tensor, variable, zeros } from '../../src/index.js'
import { printKernel } from '../../src/kernel/print.js'
import type { Plan } from '../../src/lower/plan.js'
import { RandomGenerator } from '../../src/trace/random.js'
import { Trace } from '../../src/trace/trace.js'
import { TensorValue } from '../../src/trace/value.js'
import { numbers, runTraced } from '../support/run.js'

function planOf(shape: readonly number[], step: (x: Tensor) => Tensor): Plan {
  const trace = new Trace({ training: true, random: new RandomGenerator(1) })
  const traced = trace.record(() => [TensorValue.nodeOf(step(new Tensor(trace.argument('float32', shape), trace)))])
  const at = new Map(traced.bindings.map((b, i) => [b.kind === 'variable' ? b.variable : undefined, i]))
  const storages = traced.bindings.map((b) => (b.kind === 'variable' ? b.variable.storage : undefined))
  const updates = new Map(traced.updates.map((one, i) => [traced.results + i, at.get(one)!]))
  return compileGraph(traced.graph, updates, storages, { engine: 'interpreter', numerics: 'fused' }).plan
}

function gruStep(time: number, batch = 4, size = 16): Plan {
  const net = nn.gru(8, size)
  initialize(net, { seed: 1 })
  const optimizer = optim.sgd({ learningRate: 0.1 }).init(net)
  return planOf([batch, time, 8], (x) => {
    const [outputs] = net(x as never)
    const error = (outputs as Tensor).square().mean()
    optimizer.update(backpropagate(error as never, net))
    return error
  })
}

/** `a` to `z`, by first use; a part as `c[64 + 64i]`, with i the iteration and ~ where it is even or odd. */
function launchLines(plan: Plan): string[] {
  const names = new Map<number, string>()
  const nameOf = (slot: number): string => {
    const one = plan.slots[slot]!
    if (one.kind === 'part') {
      const { start, step, of } = one
      const moves = step ? `${step.by < 0 ? ' − ' : ' + '}${Math.abs(step.by)}${step.alternating ? '~' : 'i'}` : ''
      return `${nameOf(of)}[${start}${moves}]`
    }
    const known = names.get(slot)
    if (known) return known
    const next = one.kind === 'outside' ? `variable${one.input}` : `m${names.size}`
    names.set(slot, next)
    return next
  }
  return plan.launches.map(({ kernel, slots, loops = [] }) => {
    const { name, buffers } = plan.kernels[kernel]!
    const places = slots.map((slot, i) => `${buffers[i]!.access === 'read' ? '' : '→ '}${nameOf(slot)}`)
    return `${loops.map((loop) => `${plan.loops[loop]} times `).join('')}${name}(${places.join(', ')})`
  })
}

/** Loops, loads and stores; arithmetic is counted. */
function skeleton(text: string): string {
  const lines: string[] = []
  let [count, indent] = [0, '']
  for (const line of [...text.trimEnd().split('\n'), '']) {
    if (/^ *(%\d+ = (?!load)|var |v\d+ := )/.test(line)) {
      indent = /^ */.exec(line)![0]
      count++
      continue
    }
    if (count > 0) lines.push(`${indent}… ${count} operation${count === 1 ? '' : 's'}`)
    count = 0
    lines.push(line)
  }
  return lines.join('\n')
}

test('the training step of a GRU', async () => {
  const plan = gruStep(10)
  const inLoops = plan.launches.filter(({ loops }) => loops)
  const kernels = [...new Set(inLoops.map(({ kernel }) => plan.kernels[kernel]!))]
  const text = [
    'A GRU from [4,10,8] to 16 numbers, the mean of the squares of its outputs, SGD. Two launches an iteration, there and back;',
    'the products of the inputs are one contraction before the loop, the gradients of both weights two after it. What iterations',
    'leave for the way back is stacked; the states are rows of one memory, which is the outputs and what the way back reads.',
    '',
    ...launchLines(plan),
    '',
    ...kernels.map((kernel) => skeleton(printKernel(kernel, { names: true }))),
  ].join('\n')
  await expect(text).toMatchFileSnapshot(fileURLToPath(new URL('../fixtures/fusions/gru.txt', import.meta.url)))
})

test('a loop is as long as it is, not its program', () => {
  const [short, long] = [gruStep(10), gruStep(500)]
  expect(long.launches.length).toBe(short.launches.length)
  expect(long.loops).toEqual([500, 500])
  const timesOf = (plan: Plan, pattern: RegExp) =>
    plan.launches.flatMap(({ kernel, loops = [] }) =>
      pattern.test(plan.kernels[kernel]!.name) ? [loops.reduce((n, loop) => n * plan.loops[loop]!, 1)] : [],
    )
  // x W, h U, dh, and the gradients of W and U.
  expect(timesOf(long, /contract/).sort()).toEqual([1, 1, 1, 500, 500])
})

test('what does not depend on carries leaves the loop, wherever it was written', () => {
  const [w, u] = [
    variable(tensor(new Float32Array(64), { shape: [8, 8] })),
    variable(tensor(new Float32Array(64), { shape: [8, 8] })),
  ]
  const plan = planOf([30, 4, 8], (x) => {
    const cell = (h: Tensor, one: Tensor) => {
      const scaled = u.value.mul(2).exp()
      const next = one.mul(3).matmul(w.value).add(h.matmul(scaled)).tanh()
      return [next, undefined] as const
    }
    return scan(cell, zeros([4, 8]) as Tensor, x)[0]
  })
  const counts = plan.launches.map(
    ({ kernel, loops }) => `${loops ? 30 : 1} ${plan.kernels[kernel]!.name.replace(/_.*/, '')}`,
  )
  expect(counts.filter((one) => one === '1 contract')).toHaveLength(1)
  expect(counts.filter((one) => one.startsWith('30'))).toEqual(['30 contract'])
  expect(counts).toHaveLength(4)
})

test('without a derivative a state has two rows', () => {
  const size = 64
  const step = (time: number) =>
    planOf(
      [time, 4, size],
      (x) => scan((h: Tensor, y: Tensor) => [h.add(y).tanh(), undefined], zeros([4, size]) as Tensor, x)[0],
    )
  const [few, many] = [step(10), step(1000)]
  const inputs = (time: number) => time * 4 * size * 4
  expect(many.arenaBytes - inputs(1000)).toBe(few.arenaBytes - inputs(10))
})

test('a body under remat leaves its states alone for the way back, and has the same derivative', () => {
  const [batch, size, time] = [4, 16, 12]
  const w = variable(
    tensor(
      Float32Array.from({ length: size * size }, (_, i) => Math.sin(i) / 4),
      { shape: [size, size] },
    ),
    {
      trainable: true,
    },
  )
  const cell = (h: Tensor, x: Tensor): [Tensor, undefined] => {
    const z = h.matmul(w.value).add(x)
    return [z.tanh().mul(z.sin()).add(z.exp().log1p().mul(0.1)), undefined]
  }
  const step = (body: typeof cell) => (x: Tensor) => {
    const last = scan(body, zeros([batch, size]) as Tensor, x)[0]
    return backpropagate(last.square().sum() as never, [w]).get(w)! as Tensor
  }
  const plans = [cell, remat(cell as never) as unknown as typeof cell].map((body) =>
    planOf([time, batch, size], step(body)),
  )
  const [kept, made] = plans.map((plan) => plan.launches.filter(({ loops }) => loops).length)
  expect(made!).toBeGreaterThan(0)
  expect(kept!).toBeGreaterThan(0)
  // tanh z, sin z, exp z and what they are made of, of every iteration.
  expect(plans[0]!.arenaBytes - plans[1]!.arenaBytes).toBeGreaterThanOrEqual(2 * time * batch * size * 4)
  const x = tensor(
    Float32Array.from({ length: time * batch * size }, (_, i) => Math.cos(i)),
    { shape: [time, batch, size] },
  )
  const values = [cell, remat(cell as never) as unknown as typeof cell].map((body) =>
    numbers(runTraced(step(body), [x as Tensor], { training: true })[0]!),
  )
  expect(values[1]).toEqual(values[0])
})
