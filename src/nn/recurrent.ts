/**
 * @file Recurrent layers: rnn, gru, lstm. In: sizes. Out: a layer from a sequence to a sequence, with the parameters of
 * PyTorch's, which runs as one loop over time: the products of the inputs are made for all times at once, before it.
 *
 * const net = nn.gru(8, 16); const [outputs, state] = net(x); const [more] = net(later, state)
 */
import type { FloatDType } from '../base/dtype.js'
import { DtypeError, ShapeError, ValueError } from '../base/errors.js'
import { formatShape, type Shape, sameShape } from '../base/shape.js'
import { zeros } from '../trace/creation.js'
import { concatenate } from '../trace/functions.js'
import { scan } from '../trace/scan.js'
import { Tensor } from '../trace/tensor.js'
import type { Variable } from '../trace/variable.js'
import { relu } from './activations.js'
import { checkCount, checkDtype, checkOptions, checkProbability, floatDtype } from './checks.js'
import { dropped } from './dropout.js'
import { parameter, uniformByFanIn } from './initializers.js'
import { type ModuleParts, makeModule } from './module.js'
import type { Gives, ShapeOf, Takes } from './shapes.js'

/** Of `gru` and `lstm`. */
export interface RecurrentOptions<D extends FloatDType = FloatDType, Both extends boolean = boolean> {
  /** How many layers stand on one another, each but the first on the outputs of the one below; 1 by default. */
  readonly layers?: number
  /** A second pass from the end to the beginning, whose outputs stand beside those of the first; false by default. */
  readonly bidirectional?: Both
  /**
   * Whether inputs and outputs are [batch, time, size]; true by default, as all other layers here have the batch in front.
   * false is PyTorch's default, [time, batch, size]. States are [layers · directions, batch, size] either way.
   */
  readonly batchFirst?: boolean
  /** The share of the outputs of each layer but the last that are 0 in training; 0 by default. */
  readonly dropout?: number
  /** Whether there are biases; true by default. */
  readonly bias?: boolean
  readonly dtype?: D
}

/** Of `rnn`. */
export interface RnnOptions<D extends FloatDType = FloatDType, Both extends boolean = boolean>
  extends RecurrentOptions<D, Both> {
  /** tanh by default. */
  readonly nonlinearity?: 'tanh' | 'relu'
}

/** What a layer hands on from one part of a sequence to the next: [layers · directions, batch, size], for one sequence without the batch. */
export interface RecurrentState<D extends FloatDType = 'float32'> {
  // biome-ignore lint/suspicious/noExplicitAny: a state made by hand has any shape
  readonly hidden: Tensor<any, D>
}

/** What an lstm hands on: besides `hidden` its memory, `cell`, of the same shape. */
export interface LstmState<D extends FloatDType = 'float32'> extends RecurrentState<D> {
  // biome-ignore lint/suspicious/noExplicitAny: a state made by hand has any shape
  readonly cell: Tensor<any, D>
}

/** Of layer l: weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, and with _reverse at the end those of the second direction. */
export interface RecurrentParts<D extends FloatDType> {
  readonly [name: string]: Variable<readonly number[], D>
}

/** From a sequence [batch, time, in] to outputs [batch, time, out] and the state after the last time. */
export interface Recurrent<In extends number, Out extends number, D extends FloatDType, State>
  extends ModuleParts<RecurrentParts<D>> {
  /**
   * Outputs of the last layer at every time, and the state after the last; the state before the first is zeros unless given.
   * In `sequential` the outputs go on.
   */
  <X extends Tensor>(
    input: X & Takes<X, readonly [In], D>,
    state?: State,
  ): [outputs: Tensor<Gives<ShapeOf<X>, readonly [In], readonly [Out]>, D>, state: State]
  readonly takes: readonly [In] | undefined
  readonly gives: readonly [Out] | undefined
  readonly dtype: D | undefined
}

/** What rnn gives. */
export type Rnn<
  In extends number,
  Out extends number,
  D extends FloatDType = 'float32',
  Both extends boolean = false,
> = Recurrent<In, Sides<Out, Both>, D, RecurrentState<D>>

/** What gru gives. */
export type Gru<
  In extends number,
  Out extends number,
  D extends FloatDType = 'float32',
  Both extends boolean = false,
> = Rnn<In, Out, D, Both>

/** What lstm gives. */
export type Lstm<
  In extends number,
  Out extends number,
  D extends FloatDType = 'float32',
  Both extends boolean = false,
> = Recurrent<In, Sides<Out, Both>, D, LstmState<D>>
/** Two directions give twice as many numbers. */
type Sides<Out extends number, Both extends boolean> = Both extends false ? Out : number

/**
 * hₜ = tanh(W_ih xₜ + b_ih + W_hh hₜ₋₁ + b_hh), or with relu. x: [batch, time, in], outputs: [batch, time, size] (twice the
 * size in two directions); a single sequence is [time, in]. weight_ih: [size, in], weight_hh: [size, size], uniform in
 * ±1/√size as biases are. Elman 1990, doi:10.1207/s15516709cog1402_1; torch's RNN
 */
export function rnn<
  const In extends number,
  const Out extends number,
  D extends FloatDType = 'float32',
  const Both extends boolean = false,
>(inputs: In, size: Out, options: RnnOptions<D, Both> = {}): Rnn<In, Out, D, Both> {
  const { nonlinearity = 'tanh', ...rest } = options
  if (nonlinearity !== 'tanh' && nonlinearity !== 'relu')
    throw new ValueError('nn.rnn', `the nonlinearity is tanh or relu, not ${String(nonlinearity)}`)
  const f = nonlinearity === 'tanh' ? (x: Tensor) => x.tanh() : relu
  return build('rnn', inputs, size, rest, {
    gates: 1,
    states: ['hidden'],
    next: (x, h) => [f(x.add(h)) as Tensor],
  }) as unknown as Rnn<In, Out, D, Both>
}

/**
 * r = σ(W_ir x + b_ir + W_hr h + b_hr), z likewise, n = tanh(W_in x + b_in + r ⊙ (W_hn h + b_hn)), h' = (1 − z) ⊙ n + z ⊙ h.
 * x: [batch, time, in], outputs: [batch, time, size] (twice the size in two directions); a single sequence is [time, in].
 * weight_ih: [3 size, in], weight_hh: [3 size, size], gates in the order r, z, n; uniform in ±1/√size as biases are.
 * Cho et al. 2014, arXiv:1406.1078; torch's GRU
 */
export function gru<
  const In extends number,
  const Out extends number,
  D extends FloatDType = 'float32',
  const Both extends boolean = false,
>(inputs: In, size: Out, options: RecurrentOptions<D, Both> = {}): Gru<In, Out, D, Both> {
  return build('gru', inputs, size, options, {
    gates: 3,
    states: ['hidden'],
    next: (x, h, [before]) => {
      const [xr, xz, xn] = parts(x, 3)
      const [hr, hz, hn] = parts(h, 3)
      const reset = gate(xr!.add(hr!))
      const update = gate(xz!.add(hz!))
      const fresh = xn!.add(reset.mul(hn!)).tanh()
      return [fresh.add(update.mul(before!.sub(fresh)))]
    },
  }) as unknown as Gru<In, Out, D, Both>
}

/**
 * i = σ(W_ii x + b_ii + W_hi h + b_hi), f and o likewise, g = tanh(W_ig x + b_ig + W_hg h + b_hg), c' = f ⊙ c + i ⊙ g,
 * h' = o ⊙ tanh c'. x: [batch, time, in], outputs: [batch, time, size] (twice the size in two directions); a single sequence
 * is [time, in]. weight_ih: [4 size, in], weight_hh: [4 size, size], gates in the order i, f, g, o; uniform in ±1/√size as
 * biases are. Hochreiter & Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735; torch's LSTM without projections
 */
export function lstm<
  const In extends number,
  const Out extends number,
  D extends FloatDType = 'float32',
  const Both extends boolean = false,
>(inputs: In, size: Out, options: RecurrentOptions<D, Both> = {}): Lstm<In, Out, D, Both> {
  return build('lstm', inputs, size, options, {
    gates: 4,
    states: ['hidden', 'cell'],
    next: (x, h, [, cell]) => {
      const [input, forget, fresh, output] = parts(x.add(h), 4)
      const next = gate(forget!).mul(cell!).add(gate(input!).mul(fresh!.tanh()))
      return [gate(output!).mul(next.tanh()), next]
    },
  }) as unknown as Lstm<In, Out, D, Both>
}

interface Cell {
  /** How many vectors of the hidden size the products have. */
  readonly gates: number
  /** Names of what is carried; the first is the output. */
  readonly states: readonly (keyof LstmState)[]
  /** From W_ih x + b_ih, W_hh h + b_hh and the states, the next states. */
  readonly next: (x: Tensor, h: Tensor, states: readonly Tensor[]) => Tensor[]
}
type State = Partial<Record<keyof LstmState, Tensor>>

function build(name: string, inputs: number, size: number, options: RnnOptions, cell: Cell): ModuleParts {
  const operation = `nn.${name}`
  checkCount(operation, 'the size of the inputs', inputs)
  checkCount(operation, 'the size of the state', size)
  const known = ['layers', 'bidirectional', 'batchFirst', 'dropout', 'bias', 'dtype']
  checkOptions(operation, options, name === 'rnn' ? ['nonlinearity', ...known] : known)
  const { layers = 1, bidirectional = false, batchFirst = true, dropout = 0, bias = true } = options
  checkCount(operation, 'the number of layers', layers)
  checkProbability(operation, dropout)
  const dtype = floatDtype(operation, options.dtype)
  const directions = bidirectional ? 2 : 1
  const description = `${name}(${inputs}, ${size}${layers > 1 ? `, { layers: ${layers} }` : ''})`

  const children: Record<string, Variable> = {}
  for (let l = 0; l < layers; l++)
    for (const suffix of ['', '_reverse'].slice(0, directions)) {
      const draw = uniformByFanIn(size)
      const add = (kind: string, shape: Shape) => {
        children[`${kind}_l${l}${suffix}`] = parameter(shape, draw, { dtype }) as Variable
      }
      add('weight_ih', [cell.gates * size, l === 0 ? inputs : directions * size])
      add('weight_hh', [cell.gates * size, size])
      if (!bias) continue
      add('bias_ih', [cell.gates * size])
      add('bias_hh', [cell.gates * size])
    }

  const forward = (m: typeof children, given: Tensor, state?: State): [Tensor, State] => {
    const shape = given.shape as Shape
    if ((shape.length !== 2 && shape.length !== 3) || shape[shape.length - 1] !== inputs)
      throw new ShapeError(
        name,
        `takes ${batchFirst ? '[batch, time' : '[time, batch'}, ${inputs}], got ${formatShape(shape)}`,
        {
          hint: `It was built as ${description}; a single sequence may be [time, ${inputs}].`,
        },
      )
    checkDtype(name, given, dtype, description)
    const single = shape.length === 2
    const swap = batchFirst && !single
    // [time, batch, size], as the loop goes
    let x: Tensor = single ? given.expandDims(1) : swap ? given.transpose([1, 0, 2]) : given
    const batch = x.shape[1] as number
    const initial = initialStates(name, cell, state, [layers * directions, ...(single ? [] : [batch]), size], dtype)
    const last = cell.states.map((): Tensor[] => [])
    for (let l = 0; l < layers; l++) {
      if (l > 0) x = dropped(name, x, dropout)
      const sides = ['', '_reverse'].slice(0, directions).map((suffix, d) => {
        const weight = (kind: string) => m[`${kind}_l${l}${suffix}`]?.value as Tensor | undefined
        const start = initial.map((all) =>
          all
            ? all.slice([l * directions + d], [l * directions + d + 1]).reshape([batch, size])
            : (zeros([batch, size], { dtype }) as Tensor),
        )
        const [states, outputs] = along(x, start, weight, cell, d === 1)
        states.forEach((one, i) => {
          last[i]!.push(one.expandDims(0))
        })
        return outputs
      })
      x = sides.length === 1 ? sides[0]! : concatenate(sides, -1)
    }
    const outputs = single ? x.squeeze([1]) : swap ? x.transpose([1, 0, 2]) : x
    const states = last.map((list) => {
      const all: Tensor = concatenate(list, 0)
      return single ? all.squeeze([1]) : all
    })
    return [outputs, Object.fromEntries(cell.states.map((what, i) => [what, states[i]!]))]
  }
  return makeModule(description, children, forward as never, {
    takes: [inputs],
    gives: [directions * size],
    dtype,
    givesState: true as const,
  }) as unknown as ModuleParts
}

/** One layer in one direction: its states after the last time, and its outputs at every time. */
function along(
  x: Tensor,
  start: readonly Tensor[],
  weight: (kind: string) => Tensor | undefined,
  cell: Cell,
  reverse: boolean,
): readonly [readonly Tensor[], Tensor] {
  const product = (value: Tensor, side: string): Tensor => {
    const y: Tensor = value.matmul(weight(`weight_${side}`)!.transpose())
    const bias = weight(`bias_${side}`)
    return bias ? y.add(bias) : y
  }
  return scan(
    (states: readonly Tensor[], gates: Tensor) => {
      const next = cell.next(gates, product(states[0]!, 'hh'), states)
      return [next, next[0]!] as const
    },
    start,
    product(x, 'ih'),
    { reverse },
  ) as readonly [readonly Tensor[], Tensor]
}

/** σ(x) = ½ + ½ tanh(x/2): its derivative needs one number, which the loop keeps. Near 0 it is exact to ½ · 2⁻²⁴, not relatively. */
const gate = (x: Tensor): Tensor => x.mul(0.5).tanh().mul(0.5).add(0.5)

/** The vectors of each gate: [batch, count · size] → count of [batch, size]. */
function parts(x: Tensor, count: number): Tensor[] {
  const size = (x.shape[1] as number) / count
  return Array.from({ length: count }, (_, i) => x.slice([0, i * size], [x.shape[0] as number, (i + 1) * size]))
}

function initialStates(
  name: string,
  { states }: Cell,
  given: State | undefined,
  shape: Shape,
  dtype: FloatDType,
): (Tensor | undefined)[] {
  if (given === undefined) return states.map(() => undefined)
  const wanted = `{ ${states.join(', ')} }`
  if (given instanceof Tensor || typeof given !== 'object' || given === null)
    throw new ValueError(name, `the state is no object ${wanted}`, {
      hint: 'Pass on what a call returns: const [outputs, state] = net(x), then net(later, state).',
    })
  checkOptions(name, given, states)
  return states.map((what) => {
    const one = given[what]
    if (!(one instanceof Tensor))
      throw new ValueError(name, `the state has no tensor '${what}'`, { hint: `It is ${wanted}.` })
    if (!sameShape(one.shape as Shape, shape))
      throw new ShapeError(
        name,
        `the state's ${what} is ${formatShape(one.shape as Shape)}, not ${formatShape(shape)}`,
        {
          hint: 'It is [layers · directions, batch, size]; the batch is left out where there is none.',
        },
      )
    if (one.dtype !== dtype) throw new DtypeError(name, `the state's ${what} is ${one.dtype}, not ${dtype}`)
    return one
  })
}
