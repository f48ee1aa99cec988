/** @file Every operation on values × dtypes, as kernels over special and random inputs; for the tests of each target. */
import { expect } from 'vitest'
import { KernelBuilder } from '../../src/kernel/builder.js'
import type { Buffer, Kernel, Value, ValueDType, ValueOp } from '../../src/kernel/loop.js'
import { samples, special } from './harness.js'

/** One way to apply an operation. */
export interface Case {
  readonly operands: readonly ValueDType[]
  build(b: KernelBuilder, operands: readonly Value[], lanes: number): Value
  /** Inputs for each operand, where the operation is not defined everywhere. */
  readonly domain?: readonly number[]
  /** Only as a scalar, or only as a vector. */
  readonly only?: 'scalar' | 'vector'
  /** Lanes of the vector, where the operands do not tell. */
  readonly lanes?: number
}

const floats: readonly ValueDType[] = ['float32', 'float64']
const words: readonly ValueDType[] = ['int32', 'uint32']
const every: readonly ValueDType[] = [...floats, ...words, 'bool']
type Plain = Parameters<KernelBuilder['op']>[0]

const unary = (op: Plain, dtypes: readonly ValueDType[]): Case[] =>
  dtypes.map((dtype) => ({ operands: [dtype], build: (b, [x]) => b.op(op, x!) }))
const binary = (op: Plain, dtypes: readonly ValueDType[]): Case[] =>
  dtypes.map((dtype) => ({ operands: [dtype, dtype], build: (b, [x, y]) => b.op(op, x!, y!) }))
const within = (cases: Case[], domain: (dtype: ValueDType) => readonly number[]): Case[] =>
  cases.map((c) => ({ ...c, domain: domain(c.operands[0]!) }))
const integersBetween = (low: number, high: number): number[] =>
  Array.from({ length: high - low + 1 }, (_, i) => low + i)
const normal = (dtype: ValueDType): number[] =>
  samples(dtype, 300, 5).filter(
    (x) => Number.isFinite(x) && Math.abs(x) >= (dtype === 'float32' ? 2 ** -126 : 2 ** -1022),
  )

export const cases: { readonly [O in ValueOp]: readonly Case[] } = {
  number: every.flatMap((dtype) =>
    special[dtype].map((value) => ({
      operands: [dtype],
      build: (b: KernelBuilder, _: readonly Value[], lanes: number) => b.number(value, { dtype, lanes }),
    })),
  ),
  splat: every.map((dtype) => ({
    operands: [dtype],
    only: 'vector',
    build: (b, [x], lanes) => b.splat(b.extract(x!, lanes - 1), lanes),
  })),
  extract: every.flatMap((dtype) =>
    [0, 1].map((lane) => ({
      operands: [dtype],
      only: 'vector' as const,
      build: (b: KernelBuilder, [x]: readonly Value[], lanes: number) =>
        b.splat(b.extract(x!, lane === 0 ? 0 : lanes - 1), lanes),
    })),
  ),
  insert: every.flatMap((dtype) =>
    [0, 1].map((lane) => ({
      operands: [dtype, dtype],
      only: 'vector' as const,
      build: (b: KernelBuilder, [x, y]: readonly Value[], lanes: number) =>
        b.insert(x!, lane === 0 ? 0 : lanes - 1, b.extract(y!, 1)),
    })),
  ),
  // As a scalar: where a vector needs it, its lanes are one number.
  rowStart: [
    [1, 5],
    [7, 3],
    [1000, 0],
  ].map(([extent, stride]) => ({
    operands: ['int32'],
    build: (b: KernelBuilder, [x]: readonly Value[], lanes: number) =>
      b.splat(b.row(lanes === 1 ? x! : b.extract(x!, lanes - 1), extent!, stride!).start, lanes),
  })),
  shuffle: every.flatMap((dtype) =>
    [0, 1].map((turn) => ({
      operands: [dtype, dtype],
      only: 'vector' as const,
      build: (b: KernelBuilder, [x, y]: readonly Value[], lanes: number) =>
        b.shuffle(
          x!,
          y!,
          Array.from({ length: lanes }, (_, i) => (2 * i + 1 + turn * lanes) % (2 * lanes)),
        ),
    })),
  ),
  add: binary('add', [...floats, ...words]),
  subtract: binary('subtract', [...floats, ...words]),
  multiply: binary('multiply', [...floats, ...words]),
  divide: binary('divide', floats),
  sqrt: unary('sqrt', floats),
  floor: unary('floor', floats),
  round: unary('round', floats),
  fma: [{ operands: ['float32', 'float32', 'float32'], build: (b, [x, y, z]) => b.op('fma', x!, y!, z!) }],
  negate: unary('negate', [...floats, ...words]),
  abs: unary('abs', [...floats, 'int32']),
  maximum: binary('maximum', every),
  minimum: binary('minimum', every),
  and: binary('and', [...words, 'bool']),
  or: binary('or', [...words, 'bool']),
  xor: binary('xor', [...words, 'bool']),
  not: unary('not', [...words, 'bool']),
  shiftLeft: [0, 1, 7, 31].map((by) => ({ operands: ['uint32'], build: (b, [x]) => b.shift('shiftLeft', x!, by) })),
  shiftRight: [0, 1, 7, 31].map((by) => ({ operands: ['uint32'], build: (b, [x]) => b.shift('shiftRight', x!, by) })),
  equal: binary('equal', every),
  notEqual: binary('notEqual', every),
  less: binary('less', every),
  lessEqual: binary('lessEqual', every),
  select: every.map((dtype) => ({
    operands: ['bool', dtype, dtype],
    build: (b, [mask, x, y]) => b.op('select', mask!, x!, y!),
  })),
  convert: every.flatMap((from) =>
    every.map((to) => {
      const widths = [from, to].filter((dtype) => dtype !== 'bool').map((dtype) => dtype === 'float64')
      const mixed = widths.length === 2 && widths[0] !== widths[1]
      return {
        operands: [from],
        ...(mixed ? { only: 'scalar' as const } : {}),
        ...(to === 'float64' ? { lanes: 2 } : {}),
        build: (b: KernelBuilder, [x]: readonly Value[]) => b.convert(x!, to),
      }
    }),
  ),
  pow2: within(unary('pow2', floats), (dtype) =>
    dtype === 'float32' ? integersBetween(-126, 127) : integersBetween(-1022, 1023),
  ),
  exponent: within(unary('exponent', floats), normal),
  mantissa: within(unary('mantissa', floats), normal),
  toBits: [
    {
      operands: ['float32'],
      domain: samples('float32', 300, 9).filter((x) => !Number.isNaN(x)),
      build: (b, [x]) => b.op('toBits', x!),
    },
  ],
  fromBits: [{ operands: ['uint32'], build: (b, [x]) => b.op('fromBits', x!) }],
}

/** Every combination of specials, then random ones, a multiple of 16 in all. */
export function inputs({ operands, domain }: Case): number[][] {
  const lists = operands.map(
    (dtype, i) => domain ?? samples(dtype, operands.length === 1 ? 400 : special[dtype].length, i),
  )
  let rows: number[][] = [[]]
  const few = operands.length > 2 ? 12 : 64
  for (const list of lists) {
    const some = lists.length > 1 ? list.slice(0, few).concat(list.slice(-3)) : list
    rows = rows.flatMap((row) => some.map((x) => [...row, x]))
  }
  const random = operands.map((dtype, i) => samples(dtype, 800, 77 + i).slice(-400))
  if (!domain) for (let j = 0; j < 400; j++) rows.push(random.map((list) => list[j]!))
  while (rows.length % 16 !== 0) rows.push(rows[0]!)
  return rows
}

/** for i: out[i] = f(in₀[i], in₁[i]...), of the given lanes. */
export function kernelOf(c: Case, count: number, lanes: number): Kernel {
  const b = new KernelBuilder()
  const buffers: Buffer[] = c.operands.map((dtype, i) => ({ name: `in${i}`, dtype, length: count, access: 'read' }))
  let out: Buffer | undefined
  b.loop({ stop: count, step: lanes }, (i) => {
    const value = c.build(
      b,
      buffers.map((buffer) => b.load(buffer, i, lanes)),
      lanes,
    )
    const atLane = value.type.lanes
    out ??= { name: 'out', dtype: value.type.dtype, length: count, access: 'write' }
    expect(atLane).toBe(lanes)
    b.store(out, i, value)
  })
  return b.finish('case', [...buffers, out!], 0)
}

/** One, and as many as fill a vector. */
export function lanesOf({ operands, only, lanes }: Case, vectorBytes = 16): number[] {
  if (only === 'scalar') return [1]
  const vector = ((lanes ?? (operands.includes('float64') ? 2 : 4)) * vectorBytes) / 16
  return only === 'vector' ? [vector] : [1, vector]
}
