// Shared by the JS peers: the same shapes and kind of data as common.py, timing, one JSON line.
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
export const DIR = resolve(process.env.PEERS_DIR ?? '.peers')
export const require = createRequire(DIR + '/js/index.js')
export const DIMS = { W1: [13, 32, 1], W2: [784, 128, 64, 10], W3: [784, 1024, 1024, 1024, 10] }
export const BATCH = { W1: 16, W2: 32, W3: 256, W4: 64, W5: 12, W6: 32 }
export const POOL = { W1: 50, W2: 50, W3: 8, W4: 8, W5: 8, W6: 8 }
let s = 1
export function rnd() {
  s |= 0
  s = (s + 0x6d2b79f5) | 0
  let t = Math.imul(s ^ (s >>> 15), 1 | s)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296
}
export function randn() {
  return Math.sqrt(-2 * Math.log(1 - rnd())) * Math.cos(2 * Math.PI * rnd())
}
export const fill = (n, f) => {
  const a = new Float32Array(n)
  for (let i = 0; i < n; i++) a[i] = f(i)
  return a
}
// x: Float32Array or Int32Array, y: Float32Array (W1) or Int32Array of classes
export function batches(w) {
  const B = BATCH[w],
    out = []
  for (let k = 0; k < POOL[w]; k++) {
    let x, y
    if (w === 'W1') {
      x = fill(B * 13, randn)
      y = fill(B, (i) => Math.tanh(x[13 * i] + x[13 * i + 1] + x[13 * i + 2] + x[13 * i + 3]))
    } else if (w === 'W2' || w === 'W3') {
      x = fill(B * 784, () => randn() * 0.5)
      y = new Int32Array(B)
      for (let b = 0; b < B; b++) for (let j = 1; j < 10; j++) if (x[784 * b + j] > x[784 * b + y[b]]) y[b] = j
    } else if (w === 'W4') {
      x = fill(B * 784, () => randn() * 0.3)
      y = new Int32Array(B)
      for (let b = 0; b < B; b++) {
        y[b] = (rnd() * 10) | 0
        const c = 5 * (y[b] % 5) + 1,
          q = 14 * ((y[b] / 5) | 0) + 4
        for (let i = 0; i < 4; i++) for (let j = 0; j < 4; j++) x[784 * b + 28 * (q + i) + c + j] += 1
      }
    } else {
      const T = 64
      x = new Int32Array(B * T)
      y = new Int32Array(B * T)
      for (let b = 0; b < B; b++) {
        let c = (rnd() * 65) | 0
        for (let t = 0; t < T; t++) {
          x[b * T + t] = c
          c = rnd() < 0.8 ? (c * 3 + 7) % 65 : (rnd() * 65) | 0
          y[b * T + t] = c
        }
      }
    }
    out.push([x, y])
  }
  return out
}
// step(i): one training step (or stepsPerCall of them); readLoss(): number (may be async)
export async function measure(peer, version, workload, threads, step, readLoss, extra = {}, stepsPerCall = 1) {
  const now = () => performance.now()
  let t = now()
  await step(0)
  const l0 = await readLoss()
  const first = now() - t
  let i = 1,
    warm = 0,
    t0 = now()
  if (first > 45000) {
    // far too slow to repeat: the second step alone counts
    t = now()
    await step(1)
    const l1 = await readLoss(),
      us = +((now() - t) * 1000).toFixed(1)
    console.log(
      JSON.stringify({
        peer,
        version,
        workload,
        threads,
        step_us_median: us,
        step_us_min: us,
        first_step_ms: +first.toFixed(1),
        peak_rss_mb: Math.round(process.resourceUsage().maxRSS / 1024),
        steps: 1,
        loss_first: +l0.toFixed(4),
        loss_last: +l1.toFixed(4),
        ...extra,
      }),
    )
    process.exit(0)
  }
  const first2 = first > 20000
  while (warm < (first2 ? 1 : 2) || (now() - t0 < 1500 && warm < 100000)) {
    await step(i++)
    warm++
    if (warm % 10 === 0 || warm < 3) {
      await readLoss()
      // A browser starts the workers of a worker when that gives way.
      await new Promise((go) => setTimeout(go))
    }
  }
  await readLoss()
  const est = (now() - t0) / warm,
    // BENCH_CHUNK_MS: longer chunks, for clocks as coarse as those of browsers
    chunk = Math.max(est < 500 ? 10 : 1, Math.ceil((process.env.BENCH_CHUNK_MS ?? 0) / est)),
    T = 1000 * (process.env.BENCH_SECONDS ?? 4),
    ts = []
  let n = 0,
    l1
  t0 = now()
  const sync = step.constructor.name !== 'AsyncFunction'
  for (;;) {
    t = now()
    if (sync) for (let k = 0; k < chunk; k++) step(i++)
    else for (let k = 0; k < chunk; k++) await step(i++)
    l1 = await readLoss()
    ts.push(((now() - t) / (chunk * stepsPerCall)) * 1000)
    n += chunk * stepsPerCall
    const el = now() - t0
    if (el >= T && (ts.length >= 5 || el > 30000)) break
  }
  ts.sort((a, b) => a - b)
  const r = (x, d = 1) => +x.toFixed(d),
    m = ts.length >> 1
  console.log(
    JSON.stringify({
      peer,
      version,
      workload,
      threads,
      step_us_median: r(ts.length % 2 ? ts[m] : (ts[m] + ts[m - 1]) / 2),
      step_us_min: r(ts[0]),
      first_step_ms: r(first),
      peak_rss_mb: Math.round(process.resourceUsage().maxRSS / 1024),
      steps: n,
      loss_first: r(l0, 4),
      loss_last: r(l1, 4),
      ...extra,
    }),
  )
  process.exit(0)
}
