/**
 * @file What an engine can do at most on this machine, measured: multiply-adds a second with everything in registers, and
 * bytes a second at several sizes of working sets, since a cache is faster than memory. The kernels are small, written in
 * the loop language, and take the engine's own way to machine code; so a share of the peak compares like with like.
 * In: an engine's name, a numerics mode. Out: figures, measured once a process.
 *
 * machinePeak('wasm', 'fused').flopsPerSecond                     // 5.1e10
 */
import { relaxedMadd } from '../emit/wasm/features.js'
import { KernelBuilder } from '../kernel/builder.js'
import { type Affine, affine, type Buffer, type Kernel, type Value } from '../kernel/loop.js'
import type { Plan } from '../lower/plan.js'
import { lanesOf, type Target } from '../lower/target.js'
import type { NumericsMode } from '../numerics/arithmetic.js'
import type { Engine } from './engine.js'
import { engineNamed } from './engines.js'

export interface MachinePeak {
  /** float32 operations a second, a multiply-add counting two. */
  readonly flopsPerSecond: number
  /** Bytes read and written a second by a loop over so many bytes, of which it has just made use. */
  bytesPerSecond(workingSet: number): number
  /** What has been measured so far, by size of the working set. */
  readonly bandwidths: ReadonlyMap<number, number>
}

const known = new Map<string, MachinePeak>()
/** Working sets: 32 KiB, and fourfold up to 32 MiB, which is more than most caches hold. */
const smallest = 2 ** 15
const largest = 2 ** 25
/** Peaks are the best of so many measurements: whatever else the machine does only takes away. */
const passes = 3

/** Measures at the first call for an engine and mode, in about a tenth of a second; later calls look it up. */
export function machinePeak(name: Engine['name'], mode: NumericsMode): MachinePeak {
  const key = `${name} ${mode}`
  let peak = known.get(key)
  if (!peak) known.set(key, (peak = measured(engineNamed(name), mode)))
  return peak
}

function measured(engine: Engine, mode: NumericsMode): MachinePeak {
  // Asking also switches on what V8 may hide.
  if (mode === 'fused') relaxedMadd()
  // The interpreter takes a thousand times as long for the same.
  const patience = engine.name === 'interpreter' ? 1 / 256 : 1
  const kernels = multiplyAdds(engine.target(), mode, patience)
  const seconds = best(engine, kernels)
  const bandwidths = new Map<number, number>()
  return {
    flopsPerSecond: Math.max(...kernels.map(({ flops }, i) => flops / seconds[i]!)),
    bandwidths,
    bytesPerSecond(workingSet) {
      const size = levelOf(workingSet)
      let found = bandwidths.get(size)
      if (found === undefined) {
        const { kernels, bytes } = traffic(engine.target(), size, patience)
        found = bytes / Math.min(...best(engine, kernels))
        bandwidths.set(size, found)
      }
      return found
    },
  }
}

/** The size measured for a working set: the nearest by ratio. */
export function levelOf(workingSet: number): number {
  const level = Math.round(Math.log2(Math.max(1, workingSet) / smallest) / 2)
  return Math.min(largest, smallest * 4 ** Math.max(0, level))
}

/** Least seconds of each kernel. */
function best(engine: Engine, kernels: readonly Kernel[]): number[] {
  const runnable = engine.load(
    planOf(kernels),
    kernels.map(() => undefined),
  )
  const times = Array.from({ length: passes }, () => runnable.time([]))
  return kernels.map((_, k) => Math.min(...times.map((time) => time[k]!)))
}

/** Kernels of the same buffers, one after another. */
function planOf(kernels: readonly Kernel[]): Plan {
  let arenaBytes = 0
  const slots = kernels[0]!.buffers.map(({ dtype, length }) => {
    const offset = arenaBytes
    arenaBytes += Math.ceil((4 * length) / 64) * 64
    return { kind: 'arena', dtype, length, offset } as const
  })
  const all = slots.map((_, i) => i)
  const launches = kernels.map((_, kernel) => ({ kernel, slots: all }))
  return { kernels, launches, slots, loops: [], inputs: [], outputs: [], arenaBytes, liveBytes: arenaBytes }
}

/** Parts that could be done in any order, or at the same time. */
const parts = 16

/**
 * Sums in registers, each a chain of multiply-adds: x·y + sum, or sum·x + y, of which one may suit the processor's instruction
 * better; 4 to 12 chains, since fewer wait for each other and more do not fit the registers of some.
 */
export function multiplyAdds(target: Target, mode: NumericsMode, patience = 1): Kernel[] {
  const lanes = lanesOf('float32', target)
  const count = Math.ceil(2048 * patience)
  const kernels: Kernel[] = []
  // Rounded twice, x·y would be the same in each turn, and be computed once.
  for (const chains of [4, 6, 8, 10, 12])
    for (const form of mode === 'fused' ? (['xy', 'sx'] as const) : (['sx'] as const)) {
      const out: Buffer = { name: 'out', dtype: 'float32', length: parts * 12 * lanes, access: 'write' }
      const b = new KernelBuilder()
      const type = { dtype: 'float32', lanes } as const
      const fma = (x: Value, y: Value, z: Value) =>
        mode === 'fused' ? b.op('fma', x, y, z) : b.op('add', b.op('multiply', x, y), z)
      b.loop({ stop: parts }, (part) => {
        const x = b.number(0.999, type)
        const y = b.number(0.001, type)
        const sums = Array.from({ length: chains }, (_, i) => b.variable(b.number(i / 16, type)))
        b.loop({ stop: count }, () => {
          for (const sum of sums) b.set(sum, form === 'xy' ? fma(x, y, b.get(sum)) : fma(b.get(sum), x, y))
        })
        sums.forEach((sum, i) => {
          b.store(out, at(part, 12 * lanes, i * lanes), b.get(sum))
        })
      })
      kernels.push(b.finish(`peak${chains}${form}`, [out], 2 * lanes * chains * count * parts))
    }
  return kernels
}

/** Copies half of `size` bytes to the other half; adds up all of them. Again and again, so that a call costs nothing beside it. */
export function traffic(
  target: Target,
  size: number,
  patience = 1,
): { readonly kernels: readonly Kernel[]; readonly bytes: number } {
  const lanes = lanesOf('float32', target)
  const length = size / 8
  const rounds = Math.max(1, Math.round((2 ** 21 / size) * patience))
  // Where even one round takes long, only a part of it.
  const stop = Math.max(
    8 * lanes,
    Math.floor((length * Math.min(1, (largest / size) * patience)) / (8 * lanes)) * 8 * lanes,
  )
  const from: Buffer = { name: 'from', dtype: 'float32', length, access: 'read' }
  const to: Buffer = { name: 'to', dtype: 'float32', length, access: 'update' }
  const eight = Array.from({ length: 8 }, (_, i) => i * lanes)
  const copy = new KernelBuilder()
  copy.loop({ stop: rounds }, () => {
    copy.loop({ stop, step: 8 * lanes }, (i) => {
      for (const offset of eight) copy.store(to, at(i, 1, offset), copy.load(from, at(i, 1, offset), lanes))
    })
  })
  const sum = new KernelBuilder()
  const sums = eight.map(() => sum.variable(sum.number(0, { dtype: 'float32', lanes })))
  sum.loop({ stop: rounds }, () => {
    sum.loop({ stop, step: 8 * lanes }, (i) => {
      for (const buffer of [from, to])
        sums.forEach((one, k) => {
          sum.set(one, sum.op('add', sum.get(one), sum.load(buffer, at(i, 1, eight[k]!), lanes)))
        })
    })
  })
  sums.forEach((one, k) => {
    sum.store(to, affine(eight[k]!), sum.get(one))
  })
  return {
    kernels: [copy.finish('copy', [from, to], 0), sum.finish('sum', [from, to], 2 * stop * rounds)],
    bytes: 8 * stop * rounds,
  }
}

/** index · coefficient + constant */
const at = ({ constant, terms }: Affine, coefficient: number, plus: number): Affine => ({
  constant: constant * coefficient + plus,
  terms: terms.map((term) => ({ ...term, coefficient: term.coefficient * coefficient })),
})
