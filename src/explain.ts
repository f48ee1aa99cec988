/**
 * @file explain(): what a program does and costs, kernel by kernel. A table when printed, an object when read.
 */
import { byteSize } from './base/dtype.js'
import type { Program } from './compile.js'
import { trafficOf } from './runtime/wasm.js'

export interface KernelExplanation {
  readonly name: string
  /** Floating-point operations; a multiply-add counts two, an exponential about twenty. */
  readonly flops: number
  /** Bytes read and written, each buffer counted once. */
  readonly bytes: number
  /** Median time of the kernel alone, where it was asked for. */
  readonly seconds?: number
}

export interface Explanation {
  readonly engine: string
  readonly numerics: string
  readonly kernels: readonly KernelExplanation[]
  readonly flops: number
  readonly bytes: number
  /** Memory of intermediate values, arguments and results: fixed before the first step. */
  readonly arenaBytes: number
  /** Memory of Variables and captured tensors that the program uses. */
  readonly variableBytes: number
  /** Milliseconds each pass of the compiler took. */
  readonly compileTimes: { readonly [pass: string]: number }
  toString(): string
}

export function explain(program: Program, seconds: readonly number[] | undefined): Explanation {
  const { plan } = program
  const kernels = plan.launches.map(({ kernel }, i): KernelExplanation => {
    const { name, flops } = plan.kernels[kernel]!
    return { name, flops, bytes: trafficOf(plan, i), ...(seconds ? { seconds: seconds[i]! } : {}) }
  })
  const total = (of: (kernel: KernelExplanation) => number) => kernels.reduce((sum, kernel) => sum + of(kernel), 0)
  const explanation = {
    engine: program.engine,
    numerics: program.mode,
    kernels,
    flops: total((kernel) => kernel.flops),
    bytes: total((kernel) => kernel.bytes),
    arenaBytes: plan.arenaBytes,
    variableBytes: plan.slots.reduce(
      (sum, slot) => sum + (slot.kind === 'outside' ? slot.length * byteSize[slot.dtype] : 0),
      0,
    ),
    compileTimes: Object.fromEntries(program.compileTimes),
    toString: () => table(explanation),
  }
  return explanation
}

const units = (x: number, names: readonly string[], base: number): string => {
  let i = 0
  while (x >= base && i < names.length - 1) {
    x /= base
    i++
  }
  return `${x < 10 && i > 0 ? x.toFixed(2) : x < 100 && i > 0 ? x.toFixed(1) : Math.round(x)} ${names[i]}`
}
const flopsText = (x: number): string => units(x, ['', 'k', 'M', 'G', 'T'], 1000)
const bytesText = (x: number): string => units(x, ['B', 'KiB', 'MiB', 'GiB'], 1024)

function table(e: Explanation): string {
  const timed = e.kernels.some((kernel) => kernel.seconds !== undefined)
  const head = ['kernel', 'flop', 'memory', ...(timed ? ['time', 'GFLOP/s', 'GB/s'] : [])]
  const row = (name: string, flops: number, bytes: number, seconds: number | undefined): string[] => [
    name,
    flopsText(flops),
    bytesText(bytes),
    ...(timed && seconds !== undefined
      ? [`${(seconds * 1e6).toFixed(1)} µs`, (flops / seconds / 1e9).toFixed(1), (bytes / seconds / 1e9).toFixed(1)]
      : []),
  ]
  const rows = e.kernels.map((kernel) => row(kernel.name, kernel.flops, kernel.bytes, kernel.seconds))
  const all = timed ? e.kernels.reduce((sum, kernel) => sum + (kernel.seconds ?? 0), 0) : undefined
  const lines = [head, ...rows, row('all', e.flops, e.bytes, all)]
  const widths = head.map((_, c) => Math.max(...lines.map((line) => line[c]?.length ?? 0)))
  const text = lines.map((line) =>
    line
      .map((cell, c) => (c === 0 ? cell.padEnd(widths[c]!) : cell.padStart(widths[c]!)))
      .join('  ')
      .trimEnd(),
  )
  const rule = widths.map((width) => '─'.repeat(width)).join('──')
  const compile = Object.values(e.compileTimes).reduce((sum, ms) => sum + ms, 0)
  return [
    text[0]!,
    rule,
    ...text.slice(1, -1),
    rule,
    text[text.length - 1]!,
    `${e.engine}, ${e.numerics} multiply-adds; arena ${bytesText(e.arenaBytes)}, variables ${bytesText(e.variableBytes)}; compiled in ${compile.toFixed(0)} ms`,
  ].join('\n')
}
