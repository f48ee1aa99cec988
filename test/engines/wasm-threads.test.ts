/**
 * Threads of WebAssembly: bits of a whole training do not depend on them; a worker that fails or dies makes the step
 * throw, and never hang; none keeps the process alive.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { Code } from '../../src/emit/wasm/code.js'
import { assemble } from '../../src/emit/wasm/emit.js'
import { webAssembly } from '../../src/emit/wasm/host.js'
import { emitWait } from '../../src/emit/wasm/team.js'
import { backpropagate, compile, initialize, loss, nn, optim, type Tensor, tensor } from '../../src/index.js'
import { leastShared } from '../../src/lower/schedule.js'
import { state } from '../../src/nn/module.js'
import { Heap, maximumPages } from '../../src/runtime/heap.js'
import { sharing } from '../../src/runtime/wasm.js'
import { WasmPool } from '../../src/runtime/wasm-pool.js'
import { startWorker } from '../../src/runtime/wasm-worker.js'
import { sameBits } from '../support/bits.js'

const before = { ...leastShared, afterMs: sharing.afterMs }
beforeAll(() => {
  Object.assign(leastShared, { kernel: 0, program: 0 })
  sharing.afterMs = 0
})
afterAll(() => {
  Object.assign(leastShared, { kernel: before.kernel, program: before.program })
  sharing.afterMs = before.afterMs
})

const wave = (length: number, from = 0) => Float32Array.from({ length }, (_, i) => Math.sin(1.7 * (i + from)))

const steps = 40

/** Losses of some steps with dropout, clipping and Adam, then all that the net and the optimizer hold. */
async function train(threads: number): Promise<Float64Array<ArrayBuffer>[]> {
  const net = nn.sequential(nn.linear(61, 67), nn.relu, nn.dropout(0.3), nn.linear(67, 5))
  initialize(net, { seed: 1 })
  const optimizer = optim.chain(optim.clipByGlobalNorm(1), optim.adam({ learningRate: 1e-2 })).init(net)
  const step = compile(
    (x: Tensor<readonly [33, 61], 'float32'>, y: Tensor<readonly [33], 'int32'>) => {
      const error = loss.crossEntropy(net(x), y)
      optimizer.update(backpropagate(error, net))
      return error
    },
    { training: true, random: 3, engine: 'wasm', threads },
  )
  const labels = tensor(
    Int32Array.from({ length: 33 }, (_, i) => i % 5),
    { shape: [33] },
  )
  const losses: number[] = []
  const shared = sharing.calls
  for (let i = 0; i < steps; i++) {
    const input = tensor(wave(33 * 61, i), { shape: [33, 61] })
    losses.push(await step(input, labels).item())
    // Alone while workers start, and while they compile.
    if (threads > 1 && i < 2) await new Promise((resolve) => setTimeout(resolve, 300))
  }
  // Not each of the others: where neighbours are busy, some calls are made alone.
  if (threads > 1) expect(sharing.calls).toBeGreaterThan(shared)
  else expect(sharing.calls).toBe(shared)
  const values = [...state(net).values()].map((variable) => Float64Array.from(variable.storage.read()))
  return [Float64Array.from(losses), ...values]
}

test('a training has the same bits on one, two and three threads', async () => {
  const expected = await train(1)
  for (const threads of [2, 3, 2])
    (await train(threads)).forEach((values, i) => {
      expect(sameBits(values, expected[i]!), `${threads} threads, ${i}`).toBeUndefined()
    })
})

/** `share` ends when all threads have called it; threads other than the first divide by 0 before, if they are told to. */
function program(fails: boolean): Uint8Array<ArrayBuffer> {
  const code = new Code(3)
  if (fails) {
    code.get(1)
    code.open('if')
    code.i32(1)
    code.i32(0)
    code.instruction('i32.div_u')
    code.instruction('drop')
    code.end()
  }
  emitWait(code, 2, 0)
  return assemble([{ name: 'share', arity: 3, code }], [{ name: 'wait', arity: 1 }], {
    shared: { maximum: maximumPages },
  })
}

describe('the pool', () => {
  const load = (pool: WasmPool, heap: Heap, module: Uint8Array<ArrayBuffer>) => {
    const env = { memory: heap.memory, wait: pool.wait }
    const { exports } = new webAssembly.Instance(new webAssembly.Module(module), { env })
    return { module, share: exports['share'] as (table: number, thread: number, threads: number) => void }
  }
  const ready = async (pool: WasmPool, one: ReturnType<typeof load>, threads: number) => {
    for (let i = 0; i < 100 && pool.team(one, threads) === 1; i++)
      await new Promise((resolve) => setTimeout(resolve, 10))
    return pool.team(one, threads)
  }

  test('runs more programs than it keeps, on teams of different sizes', async () => {
    const heap = new Heap()
    const pool = new WasmPool(heap)
    const programs = Array.from({ length: 70 }, () => load(pool, heap, program(false)))
    for (const one of [...programs, programs[0]!, programs[69]!]) {
      expect(await ready(pool, one, 3)).toBe(3)
      for (let i = 0; i < 20; i++) pool.run(one, 64, 2 + (i % 2))
    }
  })

  test('lets go of programs that nobody uses any more', async () => {
    const heap = new Heap()
    const pool = new WasmPool(heap)
    const used = await (async () => {
      const one = load(pool, heap, program(false))
      expect(await ready(pool, one, 2)).toBe(2)
      pool.run(one, 64, 2)
      return new WeakRef(one)
    })()
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    for (let i = 0; i < 20 && used.deref(); i++) {
      await new Promise((resolve) => setTimeout(resolve, 10))
      collect()
    }
    expect(used.deref()).toBeUndefined()
    expect(await ready(pool, load(pool, heap, program(false)), 2)).toBe(2)
  })

  test('throws when a worker fails in the middle of a step, and goes on alone', async () => {
    const heap = new Heap()
    const pool = new WasmPool(heap)
    const [good, bad] = [load(pool, heap, program(false)), load(pool, heap, program(true))]
    expect(await ready(pool, good, 3)).toBe(3)
    pool.run(good, 64, 3)
    expect(await ready(pool, bad, 3)).toBe(3)
    expect(() => pool.run(bad, 64, 3)).toThrow(/a worker has failed in the middle of a step/)
    expect(pool.team(good, 3)).toBe(1)
  })

  test('is refused a module that cannot be compiled, and goes on alone', async () => {
    const heap = new Heap()
    const pool = new WasmPool(heap)
    const bad = { module: new Uint8Array([1, 2, 3]), share: () => {} }
    expect(await ready(pool, bad, 2).then(() => pool.team(bad, 2))).toBe(1)
  })
})

describe('a worker of a browser', () => {
  /** What a page has; `fails`: workers cannot be made. */
  function startInPage(fails = false) {
    const valid = new Set<string>()
    const made: FakeWorker[] = []
    class FakeWorker {
      onmessage: (() => void) | null = null
      onerror: ((event: { message?: string }) => void) | null = null
      sent: unknown[] = []
      constructor(url: string) {
        if (fails) throw new Error('not allowed')
        expect(valid).toContain(url)
        made.push(this)
      }
      postMessage(value: unknown) {
        this.sent.push(value)
      }
      terminate() {}
    }
    vi.stubGlobal('Worker', FakeWorker)
    vi.spyOn(URL, 'createObjectURL').mockImplementation(() => {
      const url = `blob:${valid.size}`
      valid.add(url)
      return url
    })
    vi.spyOn(URL, 'revokeObjectURL').mockImplementation((url) => void valid.delete(url))
    const { getBuiltinModule } = process
    const heap = new Heap()
    try {
      Object.assign(process, { getBuiltinModule: undefined })
      const start = { threads: new Uint8Array(), memory: heap.memory, control: 64, own: 128, thread: 1 }
      return { valid, made, start, worker: startWorker(start) }
    } finally {
      Object.assign(process, { getBuiltinModule })
    }
  }
  afterEach(() => {
    vi.unstubAllGlobals()
    vi.restoreAllMocks()
  })

  test.each<[string, (page: ReturnType<typeof startInPage>) => void]>([
    ['it has started', ({ made }) => made[0]!.onmessage!()],
    ['it cannot be started', ({ made }) => made[0]!.onerror!({ message: 'no' })],
    ['it is ended', ({ worker }) => worker.terminate()],
  ])('its address is given back when %s', (_, happens) => {
    const page = startInPage()
    const ends: string[] = []
    page.worker.onEnd((reason) => ends.push(reason))
    expect(page.valid.size).toBe(1)
    expect(page.made[0]!.sent).toEqual([page.start])
    happens(page)
    expect(page.valid.size).toBe(0)
    expect(ends).toEqual(_ === 'it cannot be started' ? [expect.stringMatching(/^no; .*worker-src blob:/)] : [])
  })

  test('and when there can be none', () => {
    const revoked = vi.spyOn(URL, 'revokeObjectURL')
    expect(() => startInPage(true)).toThrow('not allowed')
    expect(revoked).toHaveBeenCalledTimes(1)
  })
})

const library = fileURLToPath(new URL('../../dist/index.js', import.meta.url))
/** Trains in a process of its own, in which `workers` are those of the pool. */
function inProcess(script: string, env: Record<string, string> = {}) {
  const text = `
    import threads from 'node:worker_threads'
    const workers = []
    threads.Worker = class extends threads.Worker { constructor(...a) { super(...a); workers.push(this) } }
    const { compile, tensor } = await import(${JSON.stringify(library)})
    const product = compile((x) => x.matmul(x).matmul(x), { engine: 'wasm', threads: 2 })
    const x = tensor(new Float32Array(40000).fill(0.01), { shape: [200, 200] })
    const run = (ms) => { for (const start = performance.now(); performance.now() - start < ms; ) product(x) }
    const { sharing } = await import(${JSON.stringify(library.replace('index.js', 'runtime/wasm.js'))})
    /** Until workers take part, however busy the machine is. */
    const share = () => { for (let i = 0; i < 100 && sharing.calls === 0; i++) run(100) }
    ${script}`
  return spawnSync(process.execPath, ['--input-type=module', '-e', text], {
    encoding: 'utf8',
    timeout: 60_000,
    env: { ...process.env, GRADUS_VERIFY: '', GRADUS_THREADS: '', ...env },
  })
}

describe('the process', () => {
  test('ends while workers wait, and while they look', () => {
    const { stdout, status, stderr } = inProcess(`
      run(500)
      console.log(workers.length, performance.now())
      process.on('exit', () => console.log(performance.now()))`)
    expect(stderr).toBe('')
    const [count, end, exit] = stdout.split(/\s+/).map(Number)
    expect({ count, status }).toEqual({ count: 1, status: 0 })
    expect(exit! - end!).toBeLessThan(1000)
  })

  test('gets an error when a worker is killed in the middle of steps, then goes on', () => {
    const { stdout, stderr } = inProcess(`
      share()
      void workers[0].terminate()
      try { run(5000); console.log('nothing') } catch (error) { console.log(error.name, error.message) }
      run(50)
      console.log('goes on')`)
    expect(stdout, stderr).toMatch(/^GradusError .*a worker has died in the middle of a step[\s\S]*goes on\n$/)
  })

  test('goes on alone when a worker is killed between steps, and says so once', () => {
    const { stdout, stderr } = inProcess(`
      run(500)
      await workers[0].terminate()
      run(100)
      await new Promise((resolve) => setTimeout(resolve, 50))
      run(100)
      console.log('goes on')`)
    expect(stdout).toBe('goes on\n')
    expect(stderr).toMatch(/^gradus: steps go on with one thread: a worker has stopped \(.*\)\n$/)
  })

  test('has one thread where memory cannot be shared, and says so once', () => {
    const text = `
      delete globalThis.SharedArrayBuffer
      const { compile, tensor } = await import(${JSON.stringify(library)})
      const x = tensor([[1, 2], [3, 4]])
      for (const n of [1, 2, 3]) console.log(await compile((x) => x.matmul(x).mul(n), { engine: 'wasm', threads: 2 })(x).sum().item())`
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', text], { encoding: 'utf8' })
    expect(stdout).toBe('54\n108\n162\n')
    expect(stderr).toBe(
      'gradus: WebAssembly has one thread here: there is no shared memory (a page must be cross-origin isolated)\n',
    )
  })
})
