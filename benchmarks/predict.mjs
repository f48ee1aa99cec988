/**
 * @file One sample predicted: microseconds a call, for networks of several sizes, from array to array.
 * npm run build && node benchmarks/predict.mjs
 */
import { compile, initialize, nn, tensor } from '../dist/index.js'

for (const sizes of [
  [13, 32, 1],
  [108, 64, 32, 2],
  [784, 128, 64, 10],
  [784, 256, 128, 10],
]) {
  const layers = sizes
    .slice(1)
    .flatMap((size, i) => [nn.linear(sizes[i], size), ...(i + 2 < sizes.length ? [nn.relu] : [])])
  const net = nn.sequential(...layers)
  initialize(net, { seed: 1 })
  const predict = compile((x) => nn.softmax(net(x)), { training: false })
  const sample = Float32Array.from({ length: sizes[0] }, () => Math.random())
  const once = async () => {
    await predict(tensor(sample, { shape: [1, sizes[0]] })).data()
  }
  for (let i = 0; i < 2000; i++) await once()
  const times = []
  for (let round = 0; round < 50; round++) {
    const start = performance.now()
    for (let i = 0; i < 100; i++) await once()
    times.push(((performance.now() - start) / 100) * 1000)
  }
  times.sort((a, b) => a - b)
  console.log(`${sizes.join('-').padEnd(20)} ${times[25].toFixed(1).padStart(7)} µs (fastest ${times[0].toFixed(1)})`)
}
