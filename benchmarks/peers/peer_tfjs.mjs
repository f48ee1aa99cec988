// TensorFlow.js in Node: node peer_tfjs.mjs <workload> <threads> <cpu|wasm|wasmT>
// wasmT: wasm with a hand-made gradient of matMul that transposes explicitly, since the wasm backend uses XNNPACK only for
// un-transposed unbatched products and a naive loop for the transposed ones that the library's own gradient asks for.
import { BATCH, batches, DIMS, DIR, fill, measure, randn, require, rnd } from './common.mjs'

const [w, nt, be] = [process.argv[2], +process.argv[3], (process.argv[4] ?? 'wasm').replace('T', '')],
  expl = process.argv[4] === 'wasmT'
const log = console.log
console.log = console.warn = () => {} // tfjs prints an advertisement for tfjs-node
const tf = require('@tensorflow/tfjs')
if (be === 'wasm') {
  const wasm = require('@tensorflow/tfjs-backend-wasm')
  wasm.setWasmPaths(DIR + '/js/node_modules/@tensorflow/tfjs-backend-wasm/dist/')
  if (nt > 1) {
    tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', true)
    wasm.setThreadsCount(nt)
  } else tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false)
}
if (!(await tf.setBackend(be))) {
  console.error('backend ' + be + ' failed')
  process.exit(1)
}
await tf.ready()
console.log = log
const cg = tf.customGrad((a, b, save) => {
  save([a, b])
  return {
    value: tf.matMul(a, b),
    gradFunc: (dy, [a, b]) => [tf.matMul(dy, tf.transpose(b)), tf.matMul(tf.transpose(a), dy)],
  }
})
const mm = (a, b, tb = false) => (!expl || a.rank > 2 ? tf.matMul(a, b, false, tb) : cg(a, tb ? tf.transpose(b) : b))
const wasmNow = be === 'wasm',
  notes = []
const vars = []
const V = (data, shape) => {
  const v = tf.variable(tf.tensor(data, shape))
  vars.push(v)
  return v
}
const uni = (k, n) => fill(n, () => (2 * rnd() - 1) * k)
const lin = (a, b) => ({ w: V(uni(1 / Math.sqrt(a), a * b), [a, b]), b: V(uni(1 / Math.sqrt(a), b), [b]) })
const dense = (l, x) => mm(x, l.w).add(l.b)
const B = BATCH[w],
  T = 64
let logits
// token embedding: gather's gradient needs UnsortedSegmentSum, which the wasm backend lacks
const embed = (table, ids) => (wasmNow ? mm(ids, table) : tf.gather(table, ids))
if (w in DIMS) {
  const ls = DIMS[w].slice(1).map((b, i) => lin(DIMS[w][i], b))
  logits = (x) => {
    ls.forEach((l, i) => {
      x = dense(l, x)
      if (i < ls.length - 1) x = w === 'W1' ? x.tanh() : x.relu()
    })
    return x
  }
} else if (w === 'W4') {
  const c1 = { w: V(uni(1 / 3, 9 * 32), [3, 3, 1, 32]), b: V(uni(1 / 3, 32), [32]) },
    c2 = { w: V(uni(1 / 17, 288 * 64), [3, 3, 32, 64]), b: V(uni(1 / 17, 64), [64]) }
  const f1 = lin(9216, 128),
    f2 = lin(128, 10)
  const conv = (x, c) => {
    if (!wasmNow) return tf.conv2d(x, c.w, 1, 'valid').add(c.b).relu()
    // the wasm backend has no Conv2DBackpropFilter: im2col by nine slices and one matMul instead
    const [n, h, ww, ch] = x.shape,
      o = c.w.shape[3],
      cols = []
    for (let i = 0; i < 3; i++) for (let j = 0; j < 3; j++) cols.push(tf.slice(x, [0, i, j, 0], [n, h - 2, ww - 2, ch]))
    return mm(tf.concat(cols, 3).reshape([-1, 9 * ch]), c.w.reshape([9 * ch, o]))
      .add(c.b)
      .relu()
      .reshape([n, h - 2, ww - 2, o])
  }
  if (wasmNow) notes.push('im2col+matMul: wasm has no Conv2DBackpropFilter')
  logits = (x) => {
    x = tf.maxPool(conv(conv(x, c1), c2), 2, 2, 'valid')
    x = tf.dropout(x, 0.25).reshape([B, 9216])
    return dense(f2, tf.dropout(dense(f1, x).relu(), 0.5))
  }
} else if (w === 'W5') {
  const C = 128,
    H = 4,
    n = (...s) =>
      V(
        fill(
          s.reduce((a, b) => a * b),
          () => randn() * 0.02,
        ),
        s,
      ),
    one = () =>
      V(
        fill(C, () => 1),
        [C],
      )
  const wte = n(65, C),
    wpe = n(T, C),
    lnf = one(),
    hs = []
  for (let i = 0; i < 4; i++)
    hs.push({ ln1: one(), ln2: one(), qkv: n(C, 3 * C), proj: n(C, C), fc: n(C, 4 * C), out: n(4 * C, C) })
  const mask = tf.tensor(
    fill(T * T, (i) => (i % T <= ((i / T) | 0) ? 0 : -1e9)),
    [T, T],
  )
  const ln = (x, g) => {
    const { mean, variance } = tf.moments(x, -1, true)
    return x.sub(mean).mul(variance.add(1e-5).rsqrt()).mul(g)
  }
  const gelu = (x) => x.mul(x.mul(Math.SQRT1_2).erf().add(1)).mul(0.5)
  logits = (ids) => {
    let x = embed(wte, ids)
      .reshape([B, T, C])
      .add(wpe)
      .reshape([B * T, C])
    for (const b of hs) {
      const [q, k, v] = tf
        .split(mm(ln(x, b.ln1), b.qkv), 3, 1)
        .map((t) => t.reshape([B, T, H, C / H]).transpose([0, 2, 1, 3]))
      const a = tf.softmax(
        mm(q, k, true)
          .mul(1 / Math.sqrt(C / H))
          .add(mask),
      )
      x = x.add(
        mm(
          mm(a, v)
            .transpose([0, 2, 1, 3])
            .reshape([B * T, C]),
          b.proj,
        ),
      )
      x = x.add(mm(gelu(mm(ln(x, b.ln2), b.fc)), b.out))
    }
    return mm(ln(x, lnf), wte, true)
  }
} else {
  const u = (...s) =>
    V(
      uni(
        0.088,
        s.reduce((a, b) => a * b),
      ),
      s,
    )
  const e = V(fill(65 * 128, randn), [65, 128]),
    wi = u(128, 384),
    bi = u(384),
    wh = u(128, 384),
    bh = u(384),
    o = lin(128, 65)
  logits = (ids) => {
    const gi = tf.unstack(mm(embed(e, ids), wi).add(bi).reshape([B, T, 384]), 1),
      out = []
    let h = tf.zeros([B, 128])
    for (let t = 0; t < T; t++) {
      const gh = mm(h, wh).add(bh)
      const rz = gi[t]
        .slice([0, 0], [B, 256])
        .add(gh.slice([0, 0], [B, 256]))
        .sigmoid()
      const r = rz.slice([0, 0], [B, 128]),
        z = rz.slice([0, 128], [B, 128])
      const nn = gi[t]
        .slice([0, 256], [B, 128])
        .add(r.mul(gh.slice([0, 256], [B, 128])))
        .tanh()
      h = nn.add(z.mul(h.sub(nn)))
      out.push(h)
    }
    return dense(o, tf.stack(out, 1).reshape([B * T, 128]))
  }
}
if (w > 'W4' && wasmNow)
  notes.push('one-hot matMul embedding: wasm has no UnsortedSegmentSum for the gradient of gather')
const data = batches(w).map(([x, y]) => {
  const X =
    w in DIMS
      ? tf.tensor(x, [B, DIMS[w][0]])
      : w === 'W4'
        ? tf.tensor(x, [B, 28, 28, 1])
        : wasmNow
          ? tf.oneHot(tf.tensor1d(x, 'int32'), 65).toFloat()
          : tf.tensor1d(x, 'int32')
  return [X, w === 'W1' ? tf.tensor(y, [B, 1]) : tf.oneHot(tf.tensor1d(y, 'int32'), w > 'W4' ? 65 : 10).toFloat()]
})
const opt = w === 'W1' ? tf.train.sgd(0.01) : tf.train.adam(1e-3, 0.9, w === 'W5' ? 0.99 : 0.999)
let last
function step(i) {
  const [x, y] = data[i % data.length]
  if (last) last.dispose()
  last = tf.tidy(() => {
    const { value, grads } = tf.variableGrads(
      () => (w === 'W1' ? tf.losses.meanSquaredError(y, logits(x)) : tf.losses.softmaxCrossEntropy(y, logits(x))),
      vars,
    )
    if (w === 'W5') {
      const nrm = tf.addN(Object.values(grads).map((g) => g.square().sum())).sqrt(),
        s = tf.minimum(tf.scalar(1), tf.div(1, nrm.add(1e-6)))
      for (const k in grads) grads[k] = grads[k].mul(s)
      for (const v of vars) if (v.rank > 1) v.assign(v.mul(1 - 1e-3 * 0.1))
    }
    opt.applyGradients(grads)
    return value
  })
}
await measure(
  'tfjs-' + be + (expl ? '-explicitT' : ''),
  tf.version.tfjs,
  w,
  nt,
  step,
  () => last.dataSync()[0],
  notes.length ? { note: notes.join('; ') } : {},
)
