/**
 * @file Layers against PyTorch: value, gradients of inputs and parameters, second derivatives and changed state, in float32
 * (1e-5) and float64 (1e-10), relative to the largest number of each tensor. The names of parameters must be PyTorch's. That
 * all engines give the same bits is for test/conformance.
 *
 * layersMatch('layers-norms.json', { layerNorm: (dtype) => { const net = nn.layerNorm(5, { dtype }); return { net, call: (x) => net(x) } } })
 */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { DType } from '../../src/base/dtype.js'
import { type ModuleParts, state } from '../../src/nn/module.js'
import { compile } from '../../src/step.js'
import { tensor } from '../../src/trace/creation.js'
import { gradientsOf } from '../../src/trace/grad.js'
import type { Tensor } from '../../src/trace/tensor.js'
import { type Variable, variable } from '../../src/trace/variable.js'
import { numbers, setVariable } from '../support/run.js'

interface Stored {
  readonly shape: number[]
  readonly dtype: 'float32' | 'float64' | 'int64' | 'bool'
  readonly data: (number | boolean)[]
}
type Named = Readonly<Record<string, Stored>>
interface Case {
  readonly name: string
  readonly training: boolean
  readonly inputs: Stored[]
  readonly state: Named
  readonly trainable: string[]
  readonly cotangent: Stored
  readonly value: Stored
  readonly first: Named
  readonly second: Named
  readonly after: Named
}

/** What a test makes of a case: a network, where there is one, and how it is called. */
export interface Built {
  readonly net?: ModuleParts
  readonly call: (...inputs: Tensor[]) => Tensor
}
export type Float = 'float32' | 'float64'

/** A net of one input and one output. */
export const single = (net: ModuleParts): Built => ({ net, call: net as unknown as Built['call'] })

/** A test of each case of a fixture in both precisions. `build` has a row for each; a row or case without the other fails. */
export function layersMatch(file: string, build: Readonly<Record<string, (dtype: Float) => Built>>): void {
  const path = new URL(`../fixtures/torch/${file}`, import.meta.url)
  const { cases } = JSON.parse(readFileSync(path, 'utf8')) as { cases: Case[] }
  test(`${file}: every case has a row`, () => {
    expect(Object.keys(build).sort()).toEqual(cases.map((c) => c.name).sort())
  })
  describe.each(cases)('$name', (c) => {
    test.each([
      ['float32', 1e-5],
      ['float64', 1e-10],
    ] as const)('%s', (dtype, tolerance) => {
      compare(c, build[c.name]!(dtype), dtype, tolerance)
    })
  })
}

function compare(c: Case, { net, call }: Built, dtype: Float, tolerance: number): void {
  const variables = net ? state(net) : new Map<string, Variable>()
  expect(new Set(variables.keys())).toEqual(new Set(Object.keys(c.state)))
  const trainable = [...variables].filter(([, v]) => v.trainable).map(([name]) => name)
  expect(new Set(trainable)).toEqual(new Set(c.trainable))
  for (const [name, v] of variables) {
    expect([name, v.shape]).toEqual([name, c.state[name]!.shape])
  }
  const inputs = c.inputs.map((input) => {
    const isFloat = input.dtype.startsWith('float')
    const type: DType = isFloat ? dtype : input.dtype === 'bool' ? 'bool' : 'int32'
    return variable(tensor(values(input), { shape: input.shape, dtype: type }), { trainable: isFloat })
  })
  const wrt = new Map<string, Variable>([
    ...inputs.flatMap((v, i) => (v.trainable ? [[`input ${i}`, v] as const] : [])),
    ...[...variables].filter(([, v]) => v.trainable),
  ])
  expect(new Set(wrt.keys())).toEqual(new Set(Object.keys(c.first)))
  const cotangent = tensor(values(c.cotangent), { shape: c.cotangent.shape, dtype })
  for (const [name, v] of variables) setVariable(v, values(c.state[name]!))
  const step = compile(
    () => {
      const value = call(...inputs.map((v) => v.value as Tensor))
      const first = gradientsOf(value.mul(cotangent).sum(), [...wrt.values()])
      const squares = first.reduce<Tensor>((sum, g) => sum.add(g.square().sum()), tensor(0, { dtype }))
      return { value, first, second: gradientsOf(squares.mul(0.5), [...wrt.values()]) }
    },
    { training: c.training },
  )
  const { value, first, second } = step()
  expect(value.shape).toEqual(c.value.shape)
  const far: string[] = []
  const check = (what: string, got: Tensor, wanted: Stored) => {
    const error = relativeError(numbers(got), values(wanted))
    if (!(error < tolerance)) far.push(`${what}: ${error}`)
  }
  check('value', value, c.value)
  for (const [i, name] of [...wrt.keys()].entries()) {
    check(`first ${name}`, first[i]!, c.first[name]!)
    check(`second ${name}`, second[i]!, c.second[name]!)
  }
  for (const [name, v] of variables) check(`after ${name}`, v.value as Tensor, c.after[name] ?? c.state[name]!)
  expect(far).toEqual([])
}

/** Nine digits name a float32, but are not all of its digits. */
const values = ({ dtype, data }: Stored): number[] =>
  dtype === 'float32' ? data.map((x) => Math.fround(Number(x))) : data.map(Number)

/** The greatest |a − b|, relative to the greatest |b|; where all b are nearly 0, to 1e-2. */
function relativeError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new Error(`${a.length} numbers against ${b.length}`)
  let [most, size] = [0, 1e-2]
  for (let i = 0; i < b.length; i++) {
    most = Math.max(most, Math.abs(a[i]! - b[i]!))
    size = Math.max(size, Math.abs(b[i]!))
  }
  return most / size
}
