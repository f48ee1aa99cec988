/** @file Seeded random kernels: loops, strides, variables, aliasing accesses; for the tests of each target. */
import { allocate, type DType, type TypedArray } from '../../src/base/dtype.js'
import { KernelBuilder, loadedAs } from '../../src/kernel/builder.js'
import {
  type Affine,
  addAffine,
  affine,
  type Buffer,
  type Kernel,
  type Statement,
  scaleAffine,
  type Value,
  type ValueDType,
  type ValueType,
  type Variable,
} from '../../src/kernel/loop.js'
import { LoopRanges } from '../../src/kernel/ranges.js'
import { generator, samples } from './harness.js'

type Writable<T> = { -readonly [K in keyof T]: T[K] }

/** `vectorBytes`: how wide the vectors are. */
export function randomKernel(seed: number, vectorBytes = 16): Kernel {
  const random = generator(seed)
  const int = (low: number, high: number): number => low + Math.floor(random() * (high - low + 1))
  const pick = <T>(list: readonly T[]): T => list[int(0, list.length - 1)]!
  const wide = random() < 0.3
  const lanes = ((wide ? 2 : 4) * vectorBytes) / 16
  const vectors: readonly ValueDType[] = wide ? ['float64', 'bool'] : ['float32', 'int32', 'uint32', 'bool']
  const stored: readonly DType[] = wide ? ['float64', 'bool'] : ['float32', 'int32', 'uint32', 'bool', 'uint8']
  const buffers: Writable<Buffer>[] = Array.from({ length: int(1, 5) }, (_, i) => ({
    name: `buffer${i}`,
    dtype: i === 0 ? stored[0]! : pick(stored),
    length: 1,
    access: pick(['update', 'update', 'read', 'write'] as const),
  }))
  buffers[0]!.access = 'update'
  const b = new KernelBuilder()
  /** The loops around, as the builder will write them. */
  let ranges = new LoopRanges()
  const loops: Affine[] = []
  const values: Value[] = []
  const variables: Variable[] = []

  /** An index within the buffer, which grows to hold it. */
  const index = (buffer: Writable<Buffer>, before: number, after: number): Affine => {
    let at = affine(0)
    for (const loop of loops) if (random() < 0.7) at = addAffine(at, scaleAffine(loop, pick([1, 1, 4, -1, 3, -5, 12])))
    at = addAffine(at, int(0, 9) + before - Math.min(0, ranges.low(at)))
    if (ranges.low(at) < before) at = addAffine(at, before - ranges.low(at))
    else if (random() < 0.5) at = addAffine(at, before - ranges.low(at))
    buffer.length = Math.max(buffer.length, ranges.high(at) + after + 1)
    return at
  }
  const value = (type: ValueType): Value => {
    const known = values.filter((v) => v.type.dtype === type.dtype && v.type.lanes === type.lanes)
    if (known.length > 0 && random() < 0.9) return pick(known)
    const dtype = type.dtype
    return keep(b.number(pick(samples(dtype, 40, seed)), type))
  }
  const keep = (v: Value): Value => {
    values.push(v)
    return v
  }

  const operation = (): void => {
    const type: ValueType =
      random() < 0.5 ? { dtype: pick(vectors), lanes } : { dtype: pick(['float64', ...vectors]), lanes: 1 }
    const x = value(type)
    const y = value(type)
    const float = type.dtype === 'float32' || type.dtype === 'float64'
    switch (int(0, 8)) {
      case 0:
      case 1:
        keep(b.op(type.dtype === 'bool' ? 'xor' : pick(['add', 'subtract', 'multiply']), x, y))
        break
      case 2:
        keep(b.op(pick(['maximum', 'minimum']), x, y))
        break
      case 3:
        keep(b.op(pick(['less', 'lessEqual', 'equal', 'notEqual']), x, y))
        break
      case 4:
        keep(b.op('select', value({ dtype: 'bool', lanes: type.lanes }), x, y))
        break
      case 5:
        if (float) keep(b.op(pick(['floor', 'round', 'sqrt', 'abs', 'negate']), x))
        else keep(b.op(pick(['and', 'or', 'xor']), x, y))
        break
      case 6:
        if (type.dtype === 'float32') keep(b.op('fma', x, y, value(type)))
        else if (type.dtype === 'uint32') keep(b.shift(pick(['shiftLeft', 'shiftRight']), x, int(0, 31)))
        else if (!float) keep(b.op('not', x))
        break
      case 7:
        if (type.lanes === 1) {
          if (vectors.includes(type.dtype)) keep(b.splat(x, lanes))
        } else keep(random() < 0.5 ? b.extract(x, int(0, lanes - 1)) : b.insert(x, int(0, lanes - 1), b.extract(y, 0)))
        break
      default:
        keep(b.convert(x, pick(type.lanes === 1 ? ['float32', 'float64', 'int32', 'uint32', 'bool'] : vectors)))
    }
  }

  const statement = (depth: number): void => {
    const choice = random()
    if (choice < 0.25) {
      const buffer = pick(buffers)
      if (buffer.access === 'write') return
      const width = pick([1, lanes])
      const stride = pick([0, 1, 1, 1, 3, -1, -2])
      const span = (width - 1) * stride
      // Numbers of rows may be anything: they are clamped.
      const numbers = values.filter((v) => v.type.dtype === 'int32' && v.type.lanes === 1)
      if (numbers.length > 0 && random() < 0.5) {
        const row = b.row(pick(numbers), int(1, 5), int(0, 9))
        const last = Math.max(0, span) + row.furthest
        keep(b.load(buffer, index(buffer, Math.max(0, -span), last), width, stride, row))
      } else keep(b.load(buffer, index(buffer, Math.max(0, -span), Math.max(0, span)), width, stride))
    } else if (choice < 0.4) {
      const buffer = pick(buffers)
      if (buffer.access === 'read') return
      const width = pick([1, lanes])
      const stored = value({ dtype: loadedAs(buffer.dtype), lanes: width })
      const numbers = values.filter((v) => v.type.dtype === 'int32' && v.type.lanes === 1)
      if (numbers.length > 0 && random() < 0.4) {
        const row = b.row(pick(numbers), int(1, 5), int(0, 9))
        b.store(buffer, index(buffer, 0, width - 1 + row.furthest), stored, row)
      } else b.store(buffer, index(buffer, 0, width - 1), stored)
    } else if (choice < 0.5 && values.length > 0) {
      const v = b.variable(pick(values))
      variables.push(v)
    } else if (choice < 0.58 && variables.length > 0) keep(b.get(pick(variables)))
    else if (choice < 0.66 && variables.length > 0) {
      const v = pick(variables)
      b.set(v, value(v.type))
    } else if (choice < 0.7 && loops.length > 0 && !wide)
      keep(b.index(addAffine(pick(loops), int(-3, 3)), pick([1, lanes]), int(-2, 2)))
    else if (choice < 0.8 && depth < 3) loop(depth)
    else operation()
  }

  const loop = (depth: number): void => {
    const outer = loops.length > 0 && random() < 0.5 ? pick(loops) : undefined
    const start = outer && random() < 0.6 ? addAffine(scaleAffine(outer, pick([1, 2])), int(-2, 2)) : affine(int(0, 3))
    const stop = random() < 0.7 ? addAffine(start, int(0, 9)) : outer ? addAffine(outer, int(0, 6)) : affine(int(2, 9))
    const limit = random() < 0.4 ? int(1, 14) : undefined
    const step = pick([1, 1, 2, 4])
    const kept = [values.length, variables.length]
    b.loop({ start, stop, ...(limit === undefined ? {} : { limit }), step }, (i) => {
      const scope = ranges
      // A loop of one iteration or none is not written, and its variable is then a constant.
      if (
        i.terms.length === 1 &&
        !loops.some((other) => other.terms[0]?.loop === i.terms[0]!.loop) &&
        !known.has(i.terms[0]!.loop)
      ) {
        known.add(i.terms[0]!.loop)
        const statement = {
          kind: 'loop',
          loop: i.terms[0]!.loop,
          start,
          stop,
          ...(limit === undefined ? {} : { limit }),
          step,
          body: [],
        }
        const range = ranges.enter(statement as Extract<Statement, { kind: 'loop' }>, depth)
        if (range.longest <= 0) return
      }
      loops.push(i)
      for (let n = int(1, 6); n > 0; n--) statement(depth + 1)
      loops.pop()
      ranges = scope
    })
    values.length = kept[0]!
    variables.length = kept[1]!
  }
  const known = new Set<unknown>()
  for (let n = int(3, 8); n > 0; n--) statement(0)
  for (let n = int(1, 3); n > 0; n--) loop(0)
  // What is left is stored, so that little is dead.
  for (const v of variables) {
    const buffer = buffers.find((to) => to.access !== 'read' && loadedAs(to.dtype) === v.type.dtype)
    if (buffer) b.store(buffer, index(buffer, 0, v.type.lanes - 1), b.get(v))
  }
  return b.finish(`random${seed}`, buffers, 0)
}

/** Arrays for the kernel's buffers, specials among them. */
export const randomArrays = (kernel: Kernel, seed: number): TypedArray[] =>
  kernel.buffers.map(({ dtype, length }, i) => {
    const array = allocate(dtype, length)
    array.set(samples(dtype === 'uint8' ? 'uint32' : dtype, length + 40, seed + i).slice(-length))
    return array
  })
