/**
 * @file ONNX's recurrent layers: RNN, GRU, LSTM in one or both directions. In: a call. Out: all states, the last ones.
 * Gate orders are ONNX's: GRU z r h, LSTM i o f c. https://onnx.ai/onnx/operators/onnx__GRU.html
 */
import type { Shape } from '../../base/shape.js'
import * as activations from '../../nn/activations.js'
import { zeros } from '../../trace/creation.js'
import { stack } from '../../trace/functions.js'
import { scan } from '../../trace/scan.js'
import type { Tensor } from '../../trace/tensor.js'
import type { Call, Rules } from './call.js'

const shapeOf = (x: Tensor): number[] => [...(x.shape as Shape)]
type Activation = (x: Tensor) => Tensor
const known: { readonly [name: string]: Activation } = {
  sigmoid: (x) => activations.sigmoid(x) as Tensor,
  tanh: (x) => x.tanh(),
  relu: (x) => activations.relu(x) as Tensor,
  softsign: (x) => activations.softSign(x) as Tensor,
  softplus: (x) => activations.softplus(x) as Tensor,
}

/** One direction's weights and initial states, and how a step goes: [the next states], of which the first is the output. */
interface Direction {
  readonly states: readonly Tensor[]
  /** Of the whole sequence [time, batch, gates]: what the inputs alone give. */
  readonly fromInputs: Tensor
  readonly step: (x: Tensor, states: readonly Tensor[]) => readonly Tensor[]
}

/** A row [i, ...] of what has a row for each direction. */
const row = (x: Tensor, i: number): Tensor => x.slice([i], [i + 1]).reshape(shapeOf(x).slice(1))
/** Columns of gate number `gate` of [..., gates · hidden]. */
const gate = (x: Tensor, hidden: number, number: number, count = 1): Tensor => {
  const none = shapeOf(x).slice(0, -1)
  return x.slice([...none.map(() => 0), number * hidden], [...none, (number + count) * hidden])
}

function layer(call: Call, gates: number, defaults: readonly string[], make: (parts: Parts) => Direction): Tensor[] {
  const kind = call.text('direction', 'forward')
  call.only('direction', kind, 'forward', 'reverse', 'bidirectional')
  if (call.hasAttribute('clip')) call.fail('has clip, which is not supported')
  const batchFirst = call.int('layout', 0) === 1
  const x = batchFirst ? call.input(0).transpose([1, 0, 2]) : call.input(0)
  const [time, batch] = shapeOf(x) as [number, number, number]
  const lengths = call.has(4) ? call.numbers(4, 'lengths') : undefined
  if (lengths?.some((n) => n !== time)) call.fail('has sequences of different lengths, which is not supported')
  const names = call.texts('activations') ?? []
  const hidden = shapeOf(call.input(2))[2]!
  const directions = kind === 'bidirectional' ? 2 : 1
  const initial = (i: number, d: number): Tensor => {
    const given = call.optional(i)
    if (!given) return zeros([batch, hidden], { dtype: x.dtype }) as Tensor
    return row(batchFirst ? given.transpose([1, 0, 2]) : given, d)
  }
  const results = Array.from({ length: directions }, (_, d) => {
    const bias = call.has(3) ? row(call.input(3), d) : undefined
    const chosen = defaults.map((name, i) => {
      const wanted = (names[d * defaults.length + i] ?? name).toLowerCase()
      return known[wanted] ?? call.fail(`has the activation ${wanted}, which is not supported`)
    })
    const direction = make({
      call,
      x,
      w: row(call.input(1), d),
      r: row(call.input(2), d),
      inputBias: bias && gate(bias, hidden, 0, gates),
      stateBias: bias && gate(bias, hidden, gates, gates),
      hidden,
      activations: chosen,
      initial: (i) => initial(i, d),
      direction: d,
    })
    return loop(direction, kind === 'reverse' || d === 1)
  })
  // [time, directions, batch, hidden], or with the batch first [batch, time, directions, hidden]
  const all = stack(
    results.map(([ys]) => ys!),
    1,
  )
  const last = Array.from({ length: results[0]!.length - 1 }, (_, s) =>
    stack(
      results.map((one) => one[s + 1]!),
      0,
    ),
  )
  return batchFirst ? [all.transpose([2, 0, 1, 3]), ...last.map((state) => state.transpose([1, 0, 2]))] : [all, ...last]
}

interface Parts {
  readonly call: Call
  readonly x: Tensor
  readonly w: Tensor
  readonly r: Tensor
  readonly inputBias: Tensor | undefined
  readonly stateBias: Tensor | undefined
  readonly hidden: number
  readonly activations: readonly Activation[]
  readonly initial: (input: number) => Tensor
  readonly direction: number
}

/** All outputs [time, batch, hidden], then the last states. */
function loop({ states, fromInputs, step }: Direction, reverse: boolean): Tensor[] {
  const [last, ys] = scan(
    (carry: readonly Tensor[], x: Tensor) => {
      const next = step(x, carry)
      return [next, next[0]!] as const
    },
    states,
    fromInputs,
    { reverse },
  )
  return [ys as Tensor, ...last]
}

const plus = (x: Tensor, bias: Tensor | undefined): Tensor => (bias ? x.add(bias) : x)

const gru = (call: Call): Tensor[] =>
  layer(call, 3, ['Sigmoid', 'Tanh'], ({ x, w, r, inputBias, stateBias, hidden, activations: [f, g], initial }) => ({
    states: [initial(5)],
    fromInputs: plus(x.matmul(w.transpose()), inputBias),
    step: (xs, [h]) => {
      const part = (of: Tensor, number: number, count = 1) => gate(of, hidden, number, count)
      const after = call.flag('linear_before_reset', false)
      const recurrent = after ? plus(h!.matmul(r.transpose()), stateBias) : undefined
      // Rows of r, entries of the bias: those of the first two gates.
      const gates = recurrent
        ? part(recurrent, 0, 2)
        : plus(h!.matmul(r.slice([0], [2 * hidden]).transpose()), stateBias && part(stateBias, 0, 2))
      const both = f!(part(xs, 0, 2).add(gates))
      const [z, reset] = [part(both, 0), part(both, 1)]
      const candidate = recurrent
        ? reset.mul(part(recurrent, 2))
        : plus(reset.mul(h!).matmul(r.slice([2 * hidden]).transpose()), stateBias && part(stateBias, 2))
      const n = g!(part(xs, 2).add(candidate))
      return [n.add(z.mul(h!.sub(n)))]
    },
  }))

const lstm = (call: Call): Tensor[] => {
  if (call.flag('input_forget', false)) call.fail('has input_forget, which is not supported')
  return layer(call, 4, ['Sigmoid', 'Tanh', 'Tanh'], (parts) => {
    const {
      x,
      w,
      r,
      inputBias,
      stateBias,
      hidden,
      activations: [f, g, h],
      initial,
      direction,
    } = parts
    // Peepholes, for i, o and f.
    const peep = call.has(7) ? row(call.input(7), direction) : undefined
    const look = (value: Tensor, cell: Tensor, number: number) =>
      peep ? value.add(cell.mul(gate(peep, hidden, number))) : value
    return {
      states: [initial(5), initial(6)],
      fromInputs: plus(plus(x.matmul(w.transpose()), inputBias), stateBias),
      step: (xs, [state, cell]) => {
        const sums = xs.add(state!.matmul(r.transpose()))
        const part = (number: number) => gate(sums, hidden, number)
        const i = f!(look(part(0), cell!, 0))
        const forget = f!(look(part(2), cell!, 2))
        const next = forget.mul(cell!).add(i.mul(g!(part(3))))
        const o = f!(look(part(1), next, 1))
        return [o.mul(h!(next)), next]
      },
    }
  })
}

const rnn = (call: Call): Tensor[] =>
  layer(call, 1, ['Tanh'], ({ x, w, r, inputBias, stateBias, activations: [f], initial }) => ({
    states: [initial(5)],
    fromInputs: plus(plus(x.matmul(w.transpose()), inputBias), stateBias),
    step: (xs, [h]) => [f!(xs.add(h!.matmul(r.transpose())))],
  }))

/** Outputs that a node leaves out at the end are not asked for. */
export const recurrentRules: Rules = { GRU: gru, LSTM: lstm, RNN: rnn }
