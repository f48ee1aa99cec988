/** @file Each rule of the loop IR, broken once; and the kernels that lie at the edge of what can be proven. */
import { describe, expect, test } from 'vitest'
import { KernelBuilder } from '../../src/kernel/builder.js'
import {
  addAffine,
  affine,
  affineOf,
  type Buffer,
  type LoopVariable,
  type Statement,
  scaleAffine,
  type Value,
  type ValueOp,
  type ValueType,
} from '../../src/kernel/loop.js'
import { verifyKernel } from '../../src/kernel/verify.js'

const x: Buffer = { name: 'x', dtype: 'float32', length: 64, access: 'read' }
const y: Buffer = { name: 'y', dtype: 'float32', length: 64, access: 'write' }
const mask: Buffer = { name: 'mask', dtype: 'bool', length: 64, access: 'update' }
const float: ValueType = { dtype: 'float32', lanes: 1 }
let next = 0
const fresh = (type: ValueType = float): Value => ({ id: 1000 + next++, type })
const kernel = (...body: Statement[]) => ({ name: 'broken', buffers: [x, y, mask], body, flops: 0 })
const load = (value: Value, constant = 0): Statement => ({
  kind: 'load',
  value,
  buffer: x,
  index: affine(constant),
  stride: 1,
})
const store = (value: Value): Statement => ({ kind: 'store', buffer: y, index: affine(0), value })
const op = (name: ValueOp, value: Value, operands: Value[], attrs: object = {}): Statement => ({
  kind: 'let',
  value,
  op: name,
  operands,
  attrs,
})
const loopOf = (loop: LoopVariable, body: Statement[], stop = 4): Statement => ({
  kind: 'loop',
  loop,
  start: affine(0),
  stop: affine(stop),
  step: 1,
  body,
})

const i: LoopVariable = { name: 'i' }
const parallel = (body: Statement[]): Statement => ({ ...loopOf({ name: 'j' }, body), parallel: true }) as Statement
const [a, b, c] = [fresh(), fresh(), fresh()]
const v4 = fresh({ dtype: 'float32', lanes: 4 })
const v = { id: 1, type: float }
const int: ValueType = { dtype: 'int32', lanes: 1 }
const [n, m, r, n4] = [fresh(int), fresh(int), fresh(int), fresh({ dtype: 'int32', lanes: 4 })]
const w = { id: 2, type: int }
/** The start of row 7. */
const rowOf = (extent: number, stride: number): Statement[] => [
  op('number', n, [], { value: 7 }),
  op('rowStart', r, [n], { extent, stride }),
]
const loadRow = (start: Value, furthest: number, constant = 0, value = fresh()): Statement => ({
  kind: 'load',
  value,
  buffer: x,
  index: affine(constant),
  stride: 1,
  row: { start, furthest },
})
const broken: Record<string, [Statement[], RegExp]> = {
  'use before definition': [[store(a), load(a)], /before its definition/],
  'use outside the block': [[loopOf(i, [load(a)]), store(a)], /outside its block/],
  'assigned twice': [[load(a), load(a)], /assigned twice/],
  'loop variable outside its loop': [
    [loopOf(i, [load(a)]), { kind: 'load', value: fresh(), buffer: x, index: affineOf(i), stride: 1 }],
    /outside its loop/,
  ],
  'one variable for two loops': [[loopOf(i, [loopOf(i, [load(a)])])], /two loops/],
  'undeclared variable': [[load(a), { kind: 'set', variable: v, value: a }], /outside its scope/],
  'variable of another block': [
    [load(a), loopOf(i, [{ kind: 'variable', variable: v, initial: a }]), { kind: 'get', value: fresh(), variable: v }],
    /outside its scope/,
  ],
  'variable of another type': [
    [load(a), load(v4), { kind: 'variable', variable: v, initial: a }, { kind: 'set', variable: v, value: v4 }],
    /another type/,
  ],
  'mixed lanes': [[load(a), load(v4), op('add', fresh(), [a, v4])], /differ in type/],
  'wrong dtype': [[load(a), op('and', fresh(), [a, a])], /not defined for float32/],
  'wrong result': [[load(a), op('less', fresh(), [a, a])], /bools/],
  'wrong arity': [[load(a), op('add', fresh(), [a])], /2 operands/],
  'select by a float': [[load(a), op('select', fresh(), [a, a, a])], /by a bool/],
  'lane that is not there': [[load(v4), op('extract', fresh(), [v4], { lane: 4 })], /lane 4/],
  'number that is not of its dtype': [[op('number', fresh(), [], { value: 0.1 })], /is no float32/],
  'wide shift': [[op('shiftLeft', fresh({ dtype: 'uint32', lanes: 1 }), [], { by: 32 })], /0 to 31/],
  'float64 fma': [
    [op('fma', fresh({ dtype: 'float64', lanes: 1 }), Array(3).fill(fresh({ dtype: 'float64', lanes: 1 })))],
    /./,
  ],
  'load of the wrong dtype': [[{ kind: 'load', value: a, buffer: mask, index: affine(0), stride: 1 }], /loads as bool/],
  'load from what is written': [[{ kind: 'load', value: a, buffer: y, index: affine(0), stride: 1 }], /only written/],
  'store to what is read': [[load(a), { kind: 'store', buffer: x, index: affine(0), value: a }], /only read/],
  'no argument': [[{ kind: 'load', value: a, buffer: { ...x }, index: affine(0), stride: 1 }], /no argument/],
  'below the buffer': [[load(a, -1)], /elements -1 to -1/],
  'beyond the buffer': [[load(a, 64)], /elements 64 to 64/],
  'lanes beyond the buffer': [[load(v4, 61)], /elements 61 to 64/],
  'gather below the buffer': [
    [{ kind: 'load', value: v4, buffer: x, index: affine(5), stride: -2 }],
    /elements -1 to 5/,
  ],
  'no row': [[...rowOf(0, 1)], /0 rows/],
  'rows of a length below 0': [[...rowOf(4, -1)], /rows of -1 elements/],
  'rows beyond what int32 counts': [[...rowOf(2 ** 16, 2 ** 15)], /rows of 32768 elements/],
  'row of a float': [[load(a), op('rowStart', r, [a], { extent: 4, stride: 1 })], /from int32 to int32/],
  'row of several lanes': [
    [
      op('number', n4, [], { value: 1 }),
      op('rowStart', fresh({ dtype: 'int32', lanes: 4 }), [n4], { extent: 4, stride: 1 }),
    ],
    /from int32 to int32/,
  ],
  'row that begins where anything says': [
    [op('number', n, [], { value: 7 }), loadRow(n, 12)],
    /not what a rowStart gives/,
  ],
  'row that reaches less far than it may': [[...rowOf(4, 16), loadRow(r, 47)], /not what a rowStart gives/],
  'row before its definition': [[loadRow(r, 48), ...rowOf(4, 16)], /before its definition/],
  'last row beyond the buffer': [[...rowOf(4, 16), loadRow(r, 48, 16)], /elements 16 to 64/],
  'lanes of the last row beyond the buffer': [[...rowOf(4, 16), loadRow(r, 48, 13, v4)], /elements 13 to 64/],
  'first row below the buffer': [[...rowOf(4, 16), loadRow(r, 48, -1)], /elements -1 to 47/],
  'stored row that begins where anything says': [
    [load(a), op('number', n, [], { value: 7 }), { ...store(a), row: { start: n, furthest: 48 } } as Statement],
    /not what a rowStart gives/,
  ],
  'last stored row beyond the buffer': [
    [load(a), ...rowOf(4, 16), { ...store(a), index: affine(16), row: { start: r, furthest: 48 } } as Statement],
    /elements 16 to 64/,
  ],
  'row from outside a parallel loop': [
    [
      op('number', n, [], { value: 7 }),
      { kind: 'variable', variable: w, initial: n },
      { kind: 'get', value: m, variable: w },
      op('rowStart', r, [m], { extent: 4, stride: 16 }),
      parallel([loadRow(r, 48)]),
    ],
    /variable from outside/,
  ],
  'what a row from a variable gives, from outside a parallel loop': [
    [
      op('number', n, [], { value: 7 }),
      { kind: 'variable', variable: w, initial: n },
      { kind: 'get', value: m, variable: w },
      op('rowStart', r, [m], { extent: 4, stride: 16 }),
      loadRow(r, 48, 0, a),
      parallel([store(a)]),
    ],
    /variable from outside/,
  ],
  'parallel inside a loop': [[loopOf(i, [parallel([load(a)])])], /inside another loop/],
  'variable from outside a parallel loop': [
    [load(a), { kind: 'variable', variable: v, initial: a }, parallel([{ kind: 'set', variable: v, value: a }])],
    /variable from outside/,
  ],
  'sum from outside a parallel loop': [
    [
      load(a),
      { kind: 'variable', variable: v, initial: a },
      { kind: 'get', value: b, variable: v },
      op('add', c, [a, b]),
      parallel([store(c)]),
    ],
    /variable from outside/,
  ],
  'step 0': [[{ ...(loopOf(i, []) as Extract<Statement, { kind: 'loop' }>), step: 0 }], /step 0/],
}

test.each(Object.entries(broken))('%s', (_, [body, message]) => {
  expect(() => verifyKernel(kernel(...body))).toThrow(message)
})

describe('ranges', () => {
  const build = (body: (b: KernelBuilder) => void): (() => void) => {
    const b = new KernelBuilder()
    body(b)
    const built = b.finish('ranges', [x, y, mask], 0)
    return () => verifyKernel(built)
  }
  const copy = (b: KernelBuilder, index: ReturnType<typeof affine>, lanes = 1): void =>
    b.store(y, index, b.load(x, index, lanes))

  test('strides, steps and limits are followed to the last iteration', () => {
    expect(build((b) => b.loop({ stop: 64, step: 4 }, (i) => copy(b, i, 4)))).not.toThrow()
    expect(build((b) => b.loop({ stop: 65, step: 4 }, (i) => copy(b, i, 4)))).toThrow(/elements 0 to 67/)
    expect(build((b) => b.loop({ stop: 62, step: 4 }, (i) => copy(b, i, 4)))).not.toThrow()
    expect(build((b) => b.loop({ start: 1, stop: 62, step: 4 }, (i) => copy(b, i, 4)))).toThrow(/elements 1 to 64/)
    expect(build((b) => b.loop({ stop: 100, limit: 64 }, (i) => copy(b, i)))).not.toThrow()
    expect(build((b) => b.loop({ stop: 8 }, (i) => copy(b, addAffine(scaleAffine(i, -9), 63))))).not.toThrow()
    expect(build((b) => b.loop({ stop: 8 }, (i) => copy(b, addAffine(scaleAffine(i, -9), 62))))).toThrow(
      /elements -1 to 62/,
    )
  })

  test('tiles: by value and relative to their start', () => {
    const tiles = (length: number, packed: number) =>
      build((b) =>
        b.loop({ stop: length, step: 24 }, (tile) =>
          b.loop({ start: tile, stop: addAffine(tile, 24), limit: length, step: 4 }, (i) => {
            copy(b, i, 4)
            const relative = addAffine(i, scaleAffine(tile, -1))
            b.store(y, addAffine(relative, packed), b.load(x, i, 4))
          }),
        ),
      )
    expect(tiles(64, 40)).not.toThrow()
    expect(tiles(64, 41)).toThrow(/elements 41 to 64/)
    expect(tiles(65, 40)).toThrow(/elements 0 to 67/)
  })

  test('rows: to the last one and no further, whatever their numbers are', () => {
    const rows = (extent: number, stride: number, constant: number, lanes = 1) =>
      build((b) => {
        const number = b.number(-(2 ** 31), { dtype: 'int32', lanes: 1 })
        b.loop({ stop: 4 }, (j) => {
          const at = addAffine(j, constant)
          b.store(y, j, b.load(x, at, lanes, 1, b.row(number, extent, stride)))
        })
      })
    expect(rows(4, 20, 0)).not.toThrow()
    expect(rows(4, 20, 1)).toThrow(/elements 1 to 64/)
    expect(rows(4, 19, 0, 4)).not.toThrow()
    expect(rows(4, 20, 0, 4)).toThrow(/elements 0 to 66/)
    expect(rows(1, 64, 60)).not.toThrow()
    expect(rows(2 ** 20, 0, 60)).not.toThrow()
  })

  test('what never runs is not checked', () => {
    const never: Statement = loopOf({ name: 'never' }, [load(fresh(), 1000)], 0)
    expect(() => verifyKernel(kernel(never))).not.toThrow()
  })
})
