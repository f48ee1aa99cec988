/**
 * @file explain(): what a program does and costs, kernel by kernel. A table when printed, an object when read. With times,
 * each kernel stands beside what the machine can do at most: its roofline (Williams, Waterman, Patterson 2009,
 * doi:10.1145/1498765.1498785).
 */
import type { TypedArray } from './base/dtype.js'
import type { Program } from './compile.js'
import { touchedBytes } from './kernel/traffic.js'
import { outsideBytes } from './lower/plan.js'
import { type MachinePeak, machinePeak } from './runtime/peak.js'

/** What one kernel does and costs. */
export interface KernelExplanation extends Partial<KernelTime> {
  /** What it computes: the operations in it. */
  readonly name: string
  /** How often it runs in each step, where it stands in a loop (scan); all other numbers are of all these times. */
  readonly times?: number
  /** Floating-point operations; a multiply-add counts two, an exponential about twenty. */
  readonly flops: number
  /** Bytes read and written: each buffer once, twice if it is updated, and of gathered rows those that are read. */
  readonly bytes: number
  /** Whether threads share it. */
  readonly shared: boolean
}

/** What a kernel's time tells; there where times were asked for. */
export interface KernelTime {
  /** Median time of the kernel alone, its data as near as they fit. */
  readonly seconds: number
  /** Of the time of all kernels, from 0 to 1. */
  readonly share: number
  readonly flopsPerSecond: number
  readonly bytesPerSecond: number
  /** Which limit is nearer: how fast the machine computes, or how fast it moves as many bytes. */
  readonly bound: 'compute' | 'memory'
  /** How near, as a share of the measured peak. Above 1 for a kernel that finds more in the caches than the measurement did. */
  readonly peakShare: number
  /** Of a product that packs its operands: what part of its time that is, by running the packing alone. */
  readonly packingShare?: number
}

/** The most the engine has reached on this machine; see `machinePeak`. */
export interface PeakExplanation {
  /** float32, in registers. */
  readonly flopsPerSecond: number
  /** By size of the working set, those that the kernels have. */
  readonly bandwidths: readonly { readonly workingSet: number; readonly bytesPerSecond: number }[]
}

/** What a program does and costs; printed, it is a table. */
export interface Explanation {
  /** What runs it: `wasm`, `native` or `interpreter`. */
  readonly engine: string
  /** How many threads share it. */
  readonly threads: number
  /** Whether multiply-adds round once (`fused`) or twice (`portable`). */
  readonly numerics: string
  /** In the order in which they run. */
  readonly kernels: readonly KernelExplanation[]
  /** Floating-point operations of all kernels. */
  readonly flops: number
  /** Bytes that all kernels read and write. */
  readonly bytes: number
  /** Time of all kernels, where it was asked for. */
  readonly seconds?: number
  /** Where times were asked for. */
  readonly peak?: PeakExplanation
  /** Memory of intermediate values, arguments and results: fixed before the first step. */
  readonly arenaBytes: number
  /** What of the arena must be there at once, whatever is placed where: the least that these kernels need. */
  readonly liveBytes: number
  /** Memory of Variables that the program updates: parameters, moments, counters. */
  readonly updatedBytes: number
  /** Memory of what it only reads: other Variables, captured tensors, data that it holds. */
  readonly heldBytes: number
  /** The part of it that belongs to a model: parameters of a prediction, or those that are frozen; statistics, the learning rate. */
  readonly keptBytes: number
  /** Milliseconds each pass of the compiler took. */
  readonly compileTimes: { readonly [pass: string]: number }
  /** The table, columns aligned. */
  toString(): string
}

/** With times where the inputs are given: of each kernel, and of packing within it; beside the machine's peak unless `peaks` is false. */
export function explain(
  program: Program,
  inputs?: readonly (TypedArray | undefined)[],
  peaks: boolean = true,
): Explanation {
  const { plan } = program
  const timesOf = plan.launches.map(({ loops = [] }) => loops.reduce((n, loop) => n * plan.loops[loop]!, 1))
  const ofStep = (list: readonly number[]) => list.map((one, i) => one * timesOf[i]!)
  const seconds = inputs && ofStep(program.time(inputs))
  const packing = inputs && peaks ? ofStep(program.packingTime(inputs)) : undefined
  const peak = seconds && peaks ? machinePeak(program.engine, program.mode) : undefined
  const whole = seconds?.reduce((sum, time) => sum + time, 0)
  const kernels = plan.launches.map(({ kernel, slots, shared = false }, i): KernelExplanation => {
    const { name, buffers } = plan.kernels[kernel]!
    const times = timesOf[i]!
    const flops = plan.kernels[kernel]!.flops * times
    const touched = touchedBytes(plan.kernels[kernel]!)
    // What is updated is read and written.
    const each = touched.reduce((sum, size, b) => sum + size * (buffers[b]!.access === 'update' ? 2 : 1), 0)
    const bytes = each * times
    const what = { name, ...(times === 1 ? {} : { times }), flops, bytes, shared }
    if (!seconds || whole === undefined) return what
    if (!peak) return { ...what, ...ratesOf({ flops, bytes }, seconds[i]!, whole) }
    const places = new Map(slots.map((slot, b) => [slot, touched[b]!]))
    const workingSet = [...places.values()].reduce((sum, size) => sum + size, 0)
    const time = timeOf({ flops, bytes, workingSet }, seconds[i]!, whole, peak)
    const packed = packing?.[i] ? { packingShare: Math.min(1, packing[i] / seconds[i]!) } : {}
    return { ...what, ...time, ...packed }
  })
  const total = (of: (kernel: KernelExplanation) => number) => kernels.reduce((sum, kernel) => sum + of(kernel), 0)
  const explanation = {
    engine: program.engine,
    threads: program.threads,
    numerics: program.mode,
    kernels,
    flops: total((kernel) => kernel.flops),
    bytes: total((kernel) => kernel.bytes),
    ...(seconds ? { seconds: whole! } : {}),
    ...(peak ? { peak: peakOf(peak) } : {}),
    arenaBytes: plan.arenaBytes,
    liveBytes: plan.liveBytes,
    updatedBytes: outsideBytes(plan, true),
    heldBytes: outsideBytes(plan, false),
    keptBytes: program.keptBytes,
    compileTimes: Object.fromEntries(program.compileTimes),
    toString: () => explanationTable(explanation),
  }
  return explanation
}

/** A kernel is as near to the peak as the nearer of its two limits: flops or bytes a second. */
export function timeOf(
  work: { readonly flops: number; readonly bytes: number; readonly workingSet: number },
  seconds: number,
  whole: number,
  peak: Pick<MachinePeak, 'flopsPerSecond' | 'bytesPerSecond'>,
): KernelTime {
  const rates = ratesOf(work, seconds, whole)
  const compute = rates.flopsPerSecond / peak.flopsPerSecond
  const memory = rates.bytesPerSecond / peak.bytesPerSecond(work.workingSet)
  return { ...rates, bound: compute >= memory ? 'compute' : 'memory', peakShare: Math.max(compute, memory) }
}

function ratesOf(work: { readonly flops: number; readonly bytes: number }, seconds: number, whole: number) {
  // A clock too coarse to see a kernel gives 0.
  const time = Math.max(seconds, 1e-9)
  const share = whole > 0 ? seconds / whole : 0
  return { seconds, share, flopsPerSecond: work.flops / time, bytesPerSecond: work.bytes / time }
}

const peakOf = ({ flopsPerSecond, bandwidths }: MachinePeak): PeakExplanation => ({
  flopsPerSecond,
  bandwidths: [...bandwidths]
    .map(([workingSet, bytesPerSecond]) => ({ workingSet, bytesPerSecond }))
    .sort((a, b) => a.workingSet - b.workingSet),
})

const units = (x: number, names: readonly string[], base: number): string => {
  let i = 0
  while (x >= base && i < names.length - 1) {
    x /= base
    i++
  }
  return `${x < 10 && i > 0 ? x.toFixed(2) : x < 100 && i > 0 ? x.toFixed(1) : Math.round(x)} ${names[i]}`.trimEnd()
}
const flopsText = (x: number): string => units(x, ['', 'k', 'M', 'G', 'T'], 1000)
export const bytesText = (x: number): string => units(x, ['B', 'KiB', 'MiB', 'GiB'], 1024)
/** '12.3 µs', '4.56 ms' */
export const timeText = (seconds: number): string =>
  seconds < 1e-3
    ? `${(seconds * 1e6).toFixed(1)} µs`
    : seconds < 1
      ? `${(seconds * 1e3).toFixed(2)} ms`
      : `${seconds.toFixed(2)} s`
const giga = (perSecond: number): string => (perSecond / 1e9).toFixed(perSecond < 1e9 ? 2 : 1)
const percentText = (share: number): string => `${Math.round(100 * share)} %`

function explanationTable(e: Explanation): string {
  const timed = e.peak !== undefined
  const head = timed
    ? ['', 'kernel', 'flop', 'memory', 'time', 'share', 'GFLOP/s', 'GB/s', 'of peak', 'nearer']
    : ['', 'kernel', 'flop', 'memory']
  const rows = e.kernels.map(({ name, times, flops, bytes, ...time }, i) => [
    String(i + 1),
    times === undefined ? name : `${times} × ${name}`,
    flopsText(flops),
    bytesText(bytes),
    ...(timed ? timeCells(time as KernelTime) : []),
  ])
  const whole = e.seconds ?? 0
  const all = ['', 'all', flopsText(e.flops), bytesText(e.bytes)]
  if (timed && whole > 0)
    all.push(
      timeText(whole),
      percentText(1),
      giga(e.flops / whole),
      giga(e.bytes / whole),
      // The mean by time: what is left to 100 % is what a perfect program would save.
      percentText(e.kernels.reduce((sum, { share = 0, peakShare = 0 }) => sum + share * peakShare, 0)),
    )
  const lines = [head, ...rows, all]
  const last = timed ? head.length - 1 : -1
  const widths = head.map((_, c) => Math.max(...lines.map((line) => line[c]?.length ?? 0)))
  const text = lines.map((line) =>
    line
      .map((cell, c) => (c === 1 || c === last ? cell.padEnd(widths[c]!) : cell.padStart(widths[c]!)))
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
    `${e.engine}, ${e.numerics} multiply-adds, ${threadsText(e)}; compiled in ${compile.toFixed(0)} ms`,
    memoryText(e),
    ...(e.peak ? [peakText(e.peak), ...packingText(e.kernels)] : []),
  ].join('\n')
}

/** 'memory 12.3 MiB: parameters and moments 10.1 MiB, arena 2.2 MiB (2.1 MiB live at once)' */
export function memoryText(
  e: Pick<Explanation, 'arenaBytes' | 'liveBytes' | 'updatedBytes' | 'heldBytes' | 'keptBytes'>,
): string {
  const data = e.heldBytes - e.keptBytes
  return (
    `memory ${bytesText(e.updatedBytes + e.arenaBytes + e.heldBytes)}: ` +
    `${e.updatedBytes > 0 ? 'parameters and moments' : 'parameters'} ${bytesText(e.updatedBytes + e.keptBytes)}, ` +
    `arena ${bytesText(e.arenaBytes)} (${bytesText(e.liveBytes)} live at once)` +
    `${data >= 1024 ? `, data and constants ${bytesText(data)}` : ''}`
  )
}

/** '1 thread', '2 threads, which share 9 of 15 kernels (times are of one)' */
function threadsText({ threads, kernels, seconds }: Explanation): string {
  if (threads === 1) return '1 thread'
  const shared = kernels.filter((kernel) => kernel.shared).length
  return `${threads} threads, which share ${shared} of ${kernels.length} kernels${seconds === undefined ? '' : ' (times are of one)'}`
}

/** 'packing 4 % of the time of products that pack; most: kernel 5, 9 %' */
function packingText(kernels: readonly KernelExplanation[]): string[] {
  const packing = kernels.flatMap(({ packingShare = 0, seconds = 0 }, i) =>
    packingShare > 0 ? [{ number: i + 1, packingShare, seconds }] : [],
  )
  if (packing.length === 0) return []
  const most = packing.reduce((a, b) => (b.packingShare > a.packingShare ? b : a))
  const whole = packing.reduce((sum, { seconds }) => sum + seconds, 0)
  const share = packing.reduce((sum, one) => sum + one.packingShare * one.seconds, 0) / whole
  return [
    `packing ${percentText(share)} of the time of products that pack; most: kernel ${most.number}, ${percentText(most.packingShare)}`,
  ]
}

const timeCells = ({ seconds, share, flopsPerSecond, bytesPerSecond, peakShare, bound }: KernelTime): string[] => [
  timeText(seconds),
  percentText(share),
  giga(flopsPerSecond),
  giga(bytesPerSecond),
  percentText(peakShare),
  bound,
]

/** 'peak 51.2 GFLOP/s; 88 GB/s within 32 KiB, 12 GB/s within 8 MiB' */
export function peakText({ flopsPerSecond, bandwidths }: PeakExplanation): string {
  const sizes = bandwidths.map(
    ({ workingSet, bytesPerSecond }) => `${giga(bytesPerSecond)} on ${bytesSize(workingSet)}`,
  )
  return `peak of this engine here: ${giga(flopsPerSecond)} GFLOP/s; GB/s ${sizes.join(', ')}`
}
const bytesSize = (bytes: number): string => (bytes < 2 ** 20 ? `${bytes / 2 ** 10} KiB` : `${bytes / 2 ** 20} MiB`)
