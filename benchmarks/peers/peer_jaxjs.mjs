// jax-js in Node, the whole step in one jit, hand-written adam (its optax is not published): node peer_jaxjs.mjs <workload> <threads> [wasm|cpu|im2col]
// im2col: wasm, W4's convolutions as nine slices and one matmul.
import { pathToFileURL } from 'node:url'
import { BATCH, batches, DIMS, DIR, fill, measure, randn, rnd } from './common.mjs'

const [w, nt, be] = [process.argv[2], +process.argv[3], (process.argv[4] ?? 'wasm').replace('im2col', 'wasm')],
  i2c = process.argv[4] === 'im2col'
const shim = nt > 1 && typeof Worker === 'undefined'
if (shim) {
  // jax-js threads want the browser's Worker, which Node lacks: a shim over worker_threads
  const { Worker: NodeWorker } = await import('node:worker_threads'),
    { resolveObjectURL } = await import('node:buffer')
  const pre =
    "const { parentPort } = require('node:worker_threads'); globalThis.self = globalThis; globalThis.postMessage = m => parentPort.postMessage(m); parentPort.on('message', d => self.onmessage({ data: d }));\n"
  globalThis.Worker = class {
    #q = []
    #w
    constructor(url) {
      resolveObjectURL(url)
        .text()
        .then((src) => {
          this.#w = new NodeWorker(pre + src, { eval: true })
          this.#w.on('message', (d) => this.onmessage?.({ data: d }))
          this.#w.on('error', (e) => this.onerror?.(e))
          for (const m of this.#q) this.#w.postMessage(m)
        })
    }
    postMessage(m) {
      this.#w ? this.#w.postMessage(m) : this.#q.push(m)
    }
  }
  if (typeof navigator === 'undefined') globalThis.navigator = { hardwareConcurrency: nt }
}
const root = DIR + '/js/node_modules/@jax-js/jax/'
const jax = await import(pathToFileURL(root + 'dist/index.js').href)
const version = JSON.parse((await import('node:fs')).readFileSync(root + 'package.json')).version
const { numpy: np, nn, lax, random, jit, valueAndGrad, tree } = jax
await jax.init(be)
jax.defaultDevice(be)
const A = (d, s) => np.array(d).reshape(s),
  prod = (s) => s.reduce((a, b) => a * b, 1)
const uni = (k, ...s) =>
    A(
      fill(prod(s), () => (2 * rnd() - 1) * k),
      s,
    ),
  nrm = (...s) =>
    A(
      fill(prod(s), () => randn() * 0.02),
      s,
    )
const lin = (a, b) => ({ w: uni(1 / Math.sqrt(a), a, b), b: uni(1 / Math.sqrt(a), b) })
const dense = (l, x) => np.matmul(x, l.w).add(l.b)
const B = BATCH[w],
  T = 64,
  C = 128,
  H = 4,
  notes = ['one-hot labels']
let params, logits
if (w in DIMS) {
  params = DIMS[w].slice(1).map((b, i) => lin(DIMS[w][i], b))
  logits = (p, x) => {
    p.forEach((l, i) => {
      x = dense(l, x)
      if (i < p.length - 1) x = w === 'W1' ? np.tanh(x) : nn.relu(x)
    })
    return x
  }
} else if (w === 'W4') {
  params = {
    c1: { w: uni(1 / 3, 32, 1, 3, 3), b: uni(1 / 3, 32, 1, 1) },
    c2: { w: uni(1 / 17, 64, 32, 3, 3), b: uni(1 / 17, 64, 1, 1) },
    f1: lin(9216, 128),
    f2: lin(128, 10),
  }
  const conv = (x, c) => nn.relu(lax.conv(x, c.w, [1, 1], 'VALID').add(c.b))
  const conv2 = (x, c) => {
    const [n, ch, h, ww] = x.shape,
      o = c.w.shape[0],
      cols = []
    for (let i = 0; i < 3; i++)
      for (let j = 0; j < 3; j++) cols.push(x.ref.slice([], [], [i, h - 2 + i], [j, ww - 2 + j]))
    x.dispose()
    const col = np.transpose(np.stack(cols, 2), [0, 3, 4, 1, 2]).reshape([-1, ch * 9]) // [n*h*w, ch*9]
    return np.transpose(
      nn
        .relu(np.matmul(col, np.transpose(c.w.reshape([o, ch * 9]))).add(c.b.reshape([o])))
        .reshape([n, h - 2, ww - 2, o]),
      [0, 3, 1, 2],
    )
  }
  const drop = (x, key, keep) => np.where(random.bernoulli(key, keep, x.shape), x.mul(1 / keep), 0)
  logits = (p, x, key) => {
    const [k1, k2] = np.unstack(random.split(key, 2), 0)
    x = i2c ? conv2(conv2(x, p.c1), p.c2) : conv(conv(x, p.c1), p.c2)
    x = np.max(np.max(x.reshape([B, 64, 12, 2, 12, 2]), 5), 3)
    x = drop(x, k1, 0.75).reshape([B, 9216])
    x = drop(nn.relu(dense(p.f1, x)), k2, 0.5)
    return dense(p.f2, x)
  }
} else if (w === 'W5') {
  const one = () => np.array(fill(C, () => 1))
  params = {
    wte: nrm(65, C),
    wpe: nrm(T, C),
    ln: one(),
    h: [0, 1, 2, 3].map(() => ({
      ln1: one(),
      ln2: one(),
      qkv: nrm(C, 3 * C),
      proj: nrm(C, C),
      fc: nrm(C, 4 * C),
      out: nrm(4 * C, C),
    })),
  }
  const ln = (x, g) => {
    const m = np.mean(x.ref, -1, { keepdims: true })
    const d = x.sub(m)
    const v = np.mean(np.square(d.ref), -1, { keepdims: true })
    return d.div(np.sqrt(v.add(1e-5))).mul(g)
  }
  const mask = () =>
    np
      .tril(np.ones([T, T]))
      .sub(1)
      .mul(1e9)
  notes.push('one-hot matmul embedding')
  logits = (p, x) => {
    let h = np
      .matmul(x, p.wte.ref)
      .reshape([B, T, C])
      .add(p.wpe)
      .reshape([B * T, C])
    for (const b of p.h) {
      const [q, k, v] = np
        .split(np.matmul(ln(h.ref, b.ln1), b.qkv), 3, 1)
        .map((t) => np.transpose(t.reshape([B, T, H, C / H]), [0, 2, 1, 3]))
      const a = nn.softmax(
        np
          .matmul(q, np.transpose(k, [0, 1, 3, 2]))
          .mul(1 / Math.sqrt(C / H))
          .add(mask()),
        -1,
      )
      h = h.add(np.matmul(np.transpose(np.matmul(a, v), [0, 2, 1, 3]).reshape([B * T, C]), b.proj))
      h = h.add(np.matmul(nn.gelu(np.matmul(ln(h.ref, b.ln2), b.fc), { approximate: false }), b.out))
    }
    return np.matmul(ln(h, p.ln), np.transpose(p.wte))
  }
} else {
  params = {
    e: A(fill(65 * 128, randn), [65, 128]),
    wi: uni(0.088, 128, 384),
    bi: uni(0.088, 384),
    wh: uni(0.088, 128, 384),
    bh: uni(0.088, 384),
    o: lin(128, 65),
  }
  notes.push('one-hot matmul embedding', 'no scan: 64 steps unrolled in the jit')
  logits = (p, x) => {
    // x is time-major here: [T*B, 65]
    const gi = np.split(np.matmul(np.matmul(x, p.e), p.wi).add(p.bi), T, 0),
      out = []
    let h = np.zeros([B, 128])
    for (let t = 0; t < T; t++) {
      const [hr, hz, hn] = np.split(np.matmul(h.ref, p.wh.ref).add(p.bh.ref), 3, 1),
        [ir, iz, inn] = np.split(gi[t], 3, 1)
      const r = nn.sigmoid(ir.add(hr)),
        z = nn.sigmoid(iz.add(hz)),
        n = np.tanh(inn.add(r.mul(hn)))
      h = n.ref.add(z.mul(h.sub(n)))
      out.push(h.ref)
    }
    h.dispose()
    p.wh.dispose()
    p.bh.dispose()
    return dense(p.o, np.concatenate(out, 0))
  }
}
const lf = (p, x, y, key) =>
  w === 'W1'
    ? np.mean(np.square(logits(p, x).sub(y)))
    : np.sum(nn.logSoftmax(logits(p, x, key), -1).mul(y)).mul(-1 / (w > 'W4' ? B * T : B))
const b1 = 0.9,
  b2 = w === 'W5' ? 0.99 : 0.999,
  lr = 1e-3
const zeros = (p) => tree.map((a) => np.zeros(a.shape), p)
let st = w === 'W1' ? { p: params } : { p: params, m: zeros(params), v: zeros(params), t: np.array([0]) }
if (w === 'W4') st.key = random.key(0)
const whole = jit((st, x, y) => {
  let key, next
  if (w === 'W4') [key, next] = np.unstack(random.split(st.key, 2), 0)
  const [loss, g0] = valueAndGrad(w === 'W4' ? (p, x, y, k) => lf(p, x, y, k) : (p, x, y) => lf(p, x, y))(
    tree.ref(st.p),
    x,
    y,
    ...(w === 'W4' ? [key] : []),
  )
  let g = g0
  if (w === 'W1') return [{ p: tree.map((p, g) => p.sub(g.mul(0.01)), st.p, g) }, loss]
  if (w === 'W5') {
    const n = np.sqrt(
        tree
          .leaves(g)
          .map((a) => np.sum(np.square(a.ref)))
          .reduce((a, b) => a.add(b)),
      ),
      s = np.minimum(np.reciprocal(n.add(1e-6)), 1)
    g = tree.map((a) => a.mul(s.ref), g)
    s.dispose()
  }
  const t = st.t.add(1),
    c1 = np
      .exp(t.ref.mul(Math.log(b1)))
      .mul(-1)
      .add(1),
    c2 = np.sqrt(
      np
        .exp(t.ref.mul(Math.log(b2)))
        .mul(-1)
        .add(1),
    )
  const m = tree.map((m, g) => m.mul(b1).add(g.ref.mul(1 - b1)), st.m, g),
    v = tree.map((v, g) => v.mul(b2).add(np.square(g).mul(1 - b2)), st.v, g)
  const p = tree.map(
    (p, m, v) => {
      const q = w === 'W5' && p.ndim > 1 ? p.mul(1 - lr * 0.1) : p
      return q.sub(m.ref.mul(lr).div(c1.ref).div(np.sqrt(v.ref).div(c2.ref).add(1e-8)))
    },
    st.p,
    m,
    v,
  )
  c1.dispose()
  c2.dispose()
  return [{ p, m, v, t, ...(next ? { key: next } : {}) }, loss]
})
const hot = (y, n) => {
  const a = new Float32Array(y.length * n)
  for (let i = 0; i < y.length; i++) a[i * n + y[i]] = 1
  return A(a, [y.length, n])
}
const tm = (a) => {
  const o = new Int32Array(a.length)
  for (let b = 0; b < B; b++) for (let t = 0; t < T; t++) o[t * B + b] = a[b * T + t]
  return o
}
const data = batches(w).map(([x, y]) => {
  if (w === 'W6') {
    x = tm(x)
    y = tm(y)
  }
  return [
    w in DIMS ? A(x, [B, DIMS[w][0]]) : w === 'W4' ? A(x, [B, 1, 28, 28]) : hot(x, 65),
    w === 'W1' ? A(y, [B, 1]) : hot(y, w > 'W4' ? 65 : 10),
  ]
})
let last
function step(i) {
  const [x, y] = data[i % data.length]
  if (last) last.dispose()
  ;[st, last] = whole(st, x.ref, y.ref)
}
if (shim) notes.push('Worker shim')
await measure(
  'jax-js-' + be + (process.execArgv.some((a) => a.includes('relaxed')) ? '-relaxed' : '') + (i2c ? '-im2col' : ''),
  version,
  w,
  nt,
  step,
  async () => {
    const v = (await last.ref.data())[0]
    await jax.blockUntilReady(st)
    return v
  },
  { note: notes.join('; ') },
)
