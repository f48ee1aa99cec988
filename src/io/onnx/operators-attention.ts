/**
 * @file ONNX's Attention and RotaryEmbedding (opset 23), which exporters of today write for transformers. In: a call. Out:
 * tensors. https://onnx.ai/onnx/operators/onnx__Attention.html
 */
import type { DType } from '../../base/dtype.js'
import type { Shape } from '../../base/shape.js'
import { iota } from '../../trace/creation.js'
import { concatenate, gather } from '../../trace/functions.js'
import { type Tensor, where } from '../../trace/tensor.js'
import type { Call, Rules } from './call.js'

const shapeOf = (x: Tensor): number[] => [...(x.shape as Shape)]
const minusInfinity = Number.NEGATIVE_INFINITY

/** [batch, places, heads · size] → [batch, heads, places, size]; what has four axes stays. */
function inHeads(call: Call, x: Tensor, attribute: string): Tensor {
  if (x.rank === 4) return x
  const heads = call.int(attribute, 0)
  if (heads < 1) call.fail(`has three axes and no ${attribute}`)
  const [batch, places, width] = shapeOf(x) as [number, number, number]
  return x.reshape([batch, places, heads, width / heads]).transpose([0, 2, 1, 3])
}

/** Each head of keys and values serves as many neighbouring heads of queries. */
function repeated(x: Tensor, times: number): Tensor {
  if (times === 1) return x
  const [batch, heads, places, size] = shapeOf(x) as [number, number, number, number]
  return x
    .expandDims(2)
    .broadcastTo([batch, heads, times, places, size])
    .reshape([batch, heads * times, places, size])
}

/** Softmax over the last axis; 0 where all is −∞. */
function weightsOf(scores: Tensor): Tensor {
  const greatest = scores.max(-1, { keepAxes: true }).detach()
  const powers = scores.sub(where(greatest.equal(minusInfinity), 0, greatest) as Tensor).exp()
  const sum = powers.sum(-1, { keepAxes: true })
  return powers.div(where(sum.equal(0), 1, sum) as Tensor)
}

function attention(call: Call): Tensor[] {
  if (call.has(6)) call.fail('has nonpad_kv_seqlen, which is not supported')
  if (call.outputs > 3) call.fail('gives its scores, which is not supported')
  for (const side of ['left_window_size', 'right_window_size'])
    if (call.int(side, -1) !== -1) call.fail(`has ${side}, which is not supported`)
  const flat = call.input(0).rank === 3
  const q = inHeads(call, call.input(0), 'q_num_heads')
  const [key, value] = [1, 2].map((i) => inHeads(call, call.input(i), 'kv_num_heads')) as [Tensor, Tensor]
  const past = call.has(4) ? shapeOf(call.input(4))[2]! : 0
  const [allKeys, allValues] = call.has(4)
    ? [concatenate([call.input(4), key], 2), concatenate([call.input(5), value], 2)]
    : [key, value]
  const [batch, heads, queries, size] = shapeOf(q) as [number, number, number, number]
  const times = heads / shapeOf(allKeys)[1]!
  const [k, v] = [repeated(allKeys, times), repeated(allValues, times)]
  const places = shapeOf(k)[2]!
  const scaled = q.matmul(k.transpose()).mul(call.float('scale', 1 / Math.sqrt(size)))
  const cap = call.float('softcap', 0)
  let scores: Tensor = cap > 0 ? scaled.div(cap).tanh().mul(cap) : scaled
  const given = call.optional(3)
  if (given) {
    const missing = places - shapeOf(given).at(-1)!
    const none = shapeOf(given).map(() => 0)
    const ends = shapeOf(given).map((_, i) => (i === given.rank - 1 ? missing : 0))
    const bool = given.dtype === 'bool'
    const mask = missing > 0 ? (given.pad(none, ends, bool ? 0 : minusInfinity) as Tensor) : given
    scores = (
      bool ? where(mask, scores, minusInfinity) : scores.add(mask.cast(scores.dtype as DType) as Tensor)
    ) as Tensor
  }
  if (call.flag('is_causal', false)) {
    const allowed = iota([queries, places], 1).lessEqual(iota([queries, places], 0).add(past))
    scores = where(allowed, scores, minusInfinity) as Tensor
  }
  const y = weightsOf(scores).matmul(v)
  const result = flat ? y.transpose([0, 2, 1, 3]).reshape([batch, queries, heads * shapeOf(v)[3]!]) : y
  return [result, allKeys as Tensor, allValues as Tensor]
}

/** Pairs of numbers turned by angles, whose cosines and sines are given for each place. Su et al. 2021, arXiv:2104.09864 */
function rotaryEmbedding(call: Call): Tensor {
  const given = call.input(0)
  const flat = given.rank === 3
  const [batch, places] = flat ? shapeOf(given) : [shapeOf(given)[0]!, shapeOf(given)[2]!]
  const heads = flat ? call.int('num_heads', 0) : shapeOf(given)[1]!
  const x = flat ? given.reshape([batch!, places!, heads, -1]) : given.transpose([0, 2, 1, 3])
  const size = shapeOf(x)[3]!
  const turned = call.int('rotary_embedding_dim', 0) || size
  const angle = (i: number) => {
    const cache = call.input(i)
    const rows = call.has(3) ? (gather(cache as never, call.input(3) as never) as Tensor) : cache
    return rows.expandDims(-2)
  }
  const [cosine, sine] = [angle(1), angle(2)]
  const interleaved = call.flag('interleaved', false)
  const half = turned / 2
  const part = (i: number) =>
    interleaved
      ? x.slice([0, 0, 0, i], [batch!, places!, heads, turned], [1, 1, 1, 2])
      : x.slice([0, 0, 0, i * half], [batch!, places!, heads, (i + 1) * half])
  const [a, b] = [part(0), part(1)]
  const real = a.mul(cosine).sub(b.mul(sine))
  const imaginary = a.mul(sine).add(b.mul(cosine))
  const pairs = interleaved
    ? concatenate([real.expandDims(4), imaginary.expandDims(4)], 4).reshape([batch!, places!, heads, turned])
    : concatenate([real, imaginary], 3)
  const y = turned === size ? pairs : concatenate([pairs, x.slice([0, 0, 0, turned])], 3)
  return flat ? y.reshape(shapeOf(given)) : y.transpose([0, 2, 1, 3])
}

export const attentionRules: Rules = { Attention: attention, RotaryEmbedding: rotaryEmbedding }
