/** Threads of native code: bits of a whole training do not depend on them, none hangs, none keeps the process alive. */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { compileGraph } from '../../src/compile.js'
import { interpret } from '../../src/graph/interpret.js'
import { input } from '../../src/graph/node.js'
import * as ops from '../../src/graph/ops.js'
import { backpropagate, compile, initialize, loss, nn, optim, type Tensor, tensor } from '../../src/index.js'
import { state } from '../../src/nn/module.js'
import { sameBits } from '../support/bits.js'
import { missing, ownCache } from './harness.js'

afterAll(ownCache())

const wave = (length: number, from = 0) => Float32Array.from({ length }, (_, i) => Math.sin(1.7 * (i + from)))

/** Losses of a few steps with dropout and Adam, then all that the net and the optimizer hold. */
async function train(engine: 'wasm' | 'native', threads: number) {
  const net = nn.sequential(nn.linear(200, 150), nn.relu, nn.dropout(0.3), nn.linear(150, 33))
  initialize(net, { seed: 1 })
  const optimizer = optim.adam({ learningRate: 1e-2 }).init(net)
  const step = compile(
    (x: Tensor, y: Tensor) => {
      const error = loss.crossEntropy(net(x as Tensor<[70, 200], 'float32'>), y as Tensor<[70], 'int32'>)
      optimizer.update(backpropagate(error, net))
      return error
    },
    { training: true, random: 3, engine, threads },
  )
  const y = tensor(
    Int32Array.from({ length: 70 }, (_, i) => i % 33),
    { shape: [70] },
  )
  const losses: number[] = []
  for (let i = 0; i < 20; i++) losses.push(await step(tensor(wave(70 * 200, i), { shape: [70, 200] }), y).item())
  return [Float64Array.from(losses), ...[...state(net).values()].map((variable) => variable.storage.read())]
}

/** x · w · w: two products that threads share, one after the other. */
function products(size: number, threads: number) {
  const [x, w] = [input('float32', [size, size]), input('float32', [size, size])]
  const attrs = { lhsBatch: [], rhsBatch: [], lhsContract: [1], rhsContract: [0] }
  const graph = { inputs: [x, w], outputs: [ops.contract(ops.contract(x, w, attrs), w, attrs)] }
  const program = compileGraph(graph, new Map(), [undefined, undefined], { engine: 'native', threads })
  const inputs = [wave(size * size), wave(size * size, 5)]
  const [expected] = interpret(program.graph, inputs, program.mode)
  return { program, call: () => sameBits(program.run(inputs, 1)[0]!, expected!) }
}

describe.skipIf(missing() !== undefined)('threads', () => {
  test('a training has the same bits on one, two and three', async () => {
    const expected = await train('wasm', 1)
    for (const threads of [1, 2, 3])
      (await train('native', threads)).forEach((values, i) => {
        expect(sameBits(values, expected[i]!), `${threads} threads, ${i}`).toBeUndefined()
      })
  })

  test('two programs alternate, 10,000 calls each', () => {
    const [a, b] = [products(96, 2), products(100, 3)]
    for (const { program } of [a, b]) expect(program.plan.launches.filter(({ shared }) => shared)).toHaveLength(2)
    for (let i = 0; i < 10_000; i++) {
      const [x, y] = [a.call(), b.call()]
      if (x || y) expect.fail(`call ${i}: ${x ?? y}`)
    }
  })

  test('share nothing where there is little to do', () => {
    const { program, call } = products(8, 3)
    expect(program.plan.launches.some(({ shared, wait }) => shared || wait)).toBe(false)
    expect(call()).toBeUndefined()
  })

  test('are counted', () => {
    for (const threads of [0, 1.5, 65, Number.NaN]) expect(() => products(8, threads)).toThrow(/threads is .*, not/)
  })

  test('let the process end', () => {
    const index = fileURLToPath(new URL('../../dist/index.js', import.meta.url))
    const script = `
      import { compile, tensor } from ${JSON.stringify(index)}
      const square = compile((x) => x.matmul(x).matmul(x), { engine: 'native', threads: 3 })
      const x = tensor(new Float32Array(40000).fill(0.01), { shape: [200, 200] })
      for (let i = 0; i < 50; i++) square(x)
      console.log(performance.now())
      process.on('exit', () => console.log(performance.now()))`
    const out = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      timeout: 60_000,
    })
    const [last, exit] = out.trim().split('\n').map(Number)
    expect(exit! - last!).toBeLessThan(1000)
  })
})
