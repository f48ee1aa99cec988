// Images decoded in workers beside what a CNN's step takes: `npm run build && node benchmarks/images.mjs [side of the files] [side of the samples]`.
// Wall-clock figures need an idle machine; CPU time does not.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import encodeJpeg, { init } from '@jsquash/jpeg/encode.js'
import { backpropagate, cnn, compile, imageFolder, loss, optim, pngBytes } from '../dist/index.js'

const [side, size] = [Number(process.argv[2] ?? 256), Number(process.argv[3] ?? 64)]
const count = 256
const root = mkdtempSync(join(tmpdir(), 'gradus-images-'))
const wasm = createRequire(import.meta.url).resolve('@jsquash/jpeg/codec/enc/mozjpeg_enc.wasm')
await init(new WebAssembly.Module(readFileSync(wasm)))
for (const kind of ['jpeg', 'png'])
  for (let i = 0; i < count; i++) {
    const wave = (x, y, c) =>
      128 + 60 * Math.sin(x / (9 + (i % 5)) + c) + 50 * Math.cos(y / 7) + ((x * 7919 + y * 104729 + i) % 13)
    const channels = kind === 'png' ? 3 : 4
    const pixels = new Uint8ClampedArray(side * side * channels)
    for (let at = 0; at < side * side; at++)
      for (let c = 0; c < channels; c++)
        pixels[at * channels + c] = c === 3 ? 255 : wave(at % side, Math.floor(at / side), c)
    const bytes =
      kind === 'png'
        ? await pngBytes(pixels, { width: side, height: side, channels: 3 })
        : new Uint8Array(await encodeJpeg({ data: pixels, width: side, height: side }))
    mkdirSync(join(root, kind, `${i % 2}`), { recursive: true })
    writeFileSync(join(root, kind, `${i % 2}`, `${i}.${kind}`), bytes)
  }

const measured = async (what, images, f) => {
  await f()
  const [start, cpu] = [performance.now(), process.cpuUsage()]
  await f()
  const { user, system } = process.cpuUsage(cpu)
  const [wall, work] = [(performance.now() - start) / 1e3, (user + system) / 1e6]
  console.log(
    `${what.padEnd(28)} ${(images / wall).toFixed(0).padStart(7)} images/s, ${((1e3 * work) / images).toFixed(2)} ms of CPU an image`,
  )
}
console.log(`${count} files of ${side}×${side}, samples of ${size}×${size}, RGB`)
for (const kind of ['jpeg', 'png'])
  for (const workers of [0, 1, 2]) {
    const { train } = await imageFolder(join(root, kind), { size, channels: 3, workers, cache: false })
    await measured(`${kind}, ${workers} workers`, count, async () => {
      for await (const _ of train.chunks());
    })
  }
const { train } = await imageFolder(join(root, 'jpeg'), { size, channels: 3 })
const [input, target] = (await train.batch(64).take(1).toArray())[0]
const net = cnn({ inputs: [3, size, size], outputs: 2 })
const optimizer = optim.adamW().init(net)
const step = compile(
  (x, t) => {
    const error = loss.crossEntropy(net(x), t)
    optimizer.update(backpropagate(error, net))
    return error
  },
  { training: true },
)
await measured('step of cnn, batch 64', 640, async () => {
  for (let i = 0; i < 10; i++) await step(input, target).item()
})
rmSync(root, { recursive: true })
process.exit()
