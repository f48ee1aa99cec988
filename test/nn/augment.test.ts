/**
 * @file Augmentations: what each does to pixels, beside Pillow and formulas written out; nothing at zero strength and in inference;
 * the same seed, the same bits, also after a resume and in other engines.
 */
import { readFileSync } from 'node:fs'
import { augment, compile, fit, loss, nn, optim, predict, random, type Tensor, tensor } from 'gradus'
import { expect, test } from 'vitest'

type Augmentation = augment.Augmentation

const training = (layer: Augmentation) => compile((x: Tensor) => layer(x), { training: true })
const run = async (layer: Augmentation, x: Tensor) => [...((await training(layer)(x).data()) as Float32Array)]
/** [count, channels, height, width] of different numbers. */
const numbers = (shape: readonly number[]) =>
  tensor(Float32Array.from({ length: shape.reduce((n, m) => n * m, 1) }, (_, i) => i + 1)).reshape(shape) as Tensor
const image = (values: readonly number[], index: number, size: number) => values.slice(index * size, (index + 1) * size)

test('at zero strength, and in inference, nothing changes', async () => {
  const x = random.normal([3, 2, 5, 4]) as Tensor
  const given = [...(await x.data())]
  const none = [
    augment.compose(),
    augment.flip({ horizontal: 0 }),
    augment.shift(0),
    augment.rotate(0),
    augment.scale(0),
    augment.crop({ area: [1, 1], ratio: [1, 1] }),
    augment.noise(0),
    augment.brightness(0),
    augment.contrast(0),
    augment.cutout(3, { probability: 0 }),
  ]
  for (const layer of [...none, augment.compose(...none)]) expect(await run(layer, x), layer.description).toEqual(given)
  const strong = augment.compose(
    augment.flip(),
    augment.rotate(40),
    augment.crop(),
    augment.noise(1),
    augment.cutout(4),
    augment.mixup(),
  )
  expect([...(await compile((y: Tensor) => strong(y), { training: false })(x).data())]).toEqual(given)
  expect([...(await strong(x).data())]).toEqual(given)
})

test('flips are exact, each image for itself', async () => {
  const x = numbers([400, 1, 2, 3])
  const turned = await run(augment.flip({ horizontal: 1, vertical: 1 }), x)
  expect(image(turned, 0, 6)).toEqual([6, 5, 4, 3, 2, 1])
  const some = await run(augment.flip({ horizontal: 0.25 }), x)
  let flipped = 0
  for (let n = 0; n < 400; n++) {
    const [a, b, c, d, e, f] = image(numbersOf(n), 0, 6) as [number, number, number, number, number, number]
    const own = image(some, n, 6)
    if (own[0] === a) expect(own).toEqual([a, b, c, d, e, f])
    else {
      flipped++
      expect(own).toEqual([c, b, a, f, e, d])
    }
  }
  expect(Math.abs(flipped - 100)).toBeLessThan(30)
})
/** The numbers of image n of `numbers([.., 1, 2, 3])`. */
const numbersOf = (n: number) => Array.from({ length: 6 }, (__, i) => 6 * n + i + 1)

test('shifts by whole pixels are exact and equally likely', async () => {
  const count = 900
  const x = tensor(Float32Array.from({ length: count * 9 }, (_, i) => (i % 9) + 1)).reshape([count, 1, 3, 3])
  for (const fill of [0, 'edge'] as const) {
    const moved = await run(augment.shift(1, { fill }), x)
    const seen = new Map<string, number>()
    for (let n = 0; n < count; n++) {
      const own = image(moved, n, 9)
      const found = [-1, 0, 1]
        .flatMap((dy) => [-1, 0, 1].map((dx) => [dx, dy] as const))
        .filter(([dx, dy]) =>
          own.every((value, i) => {
            const [px, py] = [(i % 3) + dx, Math.floor(i / 3) + dy]
            const inside = px >= 0 && px < 3 && py >= 0 && py < 3
            const clipped = Math.min(2, Math.max(0, py)) * 3 + Math.min(2, Math.max(0, px)) + 1
            return value === (inside || fill === 'edge' ? clipped : 0)
          }),
        )
      expect(found.length).toBe(1)
      seen.set(String(found[0]), (seen.get(String(found[0])) ?? 0) + 1)
    }
    expect(seen.size).toBe(9)
    for (const times of seen.values()) expect(Math.abs(times - 100)).toBeLessThan(40)
  }
})

test('turns are those of Pillow, and by 90° exact', async () => {
  const { turn } = JSON.parse(readFileSync(new URL('../fixtures/images.json', import.meta.url), 'utf8')) as {
    readonly turn: readonly { degrees: number; pixels: number[] }[]
  }
  const x = tensor(Float32Array.from(turn[0]!.pixels)).reshape([1, 1, 9, 11])
  for (const { degrees, pixels } of turn) {
    const own = await run(augment.rotate([degrees, degrees]), x)
    const [cos, sin] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)]
    let compared = 0
    for (let i = 0; i < 99; i++) {
      const [px, py] = [(i % 11) - 5, Math.floor(i / 11) - 4]
      const [sx, sy] = [cos * px - sin * py + 5, sin * px + cos * py + 4]
      // At the edge Pillow repeats half a pixel, where torchvision and this blend with what is outside.
      if (sx < 0 || sx > 10 || sy < 0 || sy > 8) continue
      compared++
      expect(Math.abs(own[i]! - pixels[i]!), `${degrees}° at ${i}`).toBeLessThan(0.02)
    }
    expect(compared).toBeGreaterThan(60)
  }
  const square = numbers([1, 1, 3, 3])
  expect(await run(augment.rotate([90, 90]), square)).toEqual([3, 6, 9, 2, 5, 8, 1, 4, 7])
  expect(await run(augment.rotate([-270, -270]), square)).toEqual([3, 6, 9, 2, 5, 8, 1, 4, 7])
  // An angle that was drawn, and whose cosine is not quite 0.
  const larger = random.normal([1, 1, 9, 9]) as Tensor
  expect(await run(augment.rotate([90, 90 + 1e-6]), larger)).toEqual(await run(augment.rotate([90, 90]), larger))
  expect(await run(augment.rotate([180, 180]), numbers([1, 1, 2, 5]))).toEqual([10, 9, 8, 7, 6, 5, 4, 3, 2, 1])
})

test('scale and crop look the pixels up where the formula says', async () => {
  const x = numbers([1, 1, 4, 4])
  // By 2: pixel x comes from 1.5 + (x − 1.5) / 2; the ramp i + 4 j + 1 is linear.
  const twice = await run(augment.scale([2, 2]), x)
  for (let i = 0; i < 16; i++) {
    const at = (p: number) => 1.5 + (p - 1.5) / 2
    expect(twice[i]).toBeCloseTo(1 + at(i % 4) + 4 * at(Math.floor(i / 4)), 2)
  }
  const ramp = tensor(
    Float32Array.from({ length: 200 * 64 }, (_, i) => (i % 8) + 100 * Math.floor((i % 64) / 8)),
  ).reshape([200, 1, 8, 8])
  const cropped = await run(augment.crop({ area: [0.25, 0.25], ratio: [1, 1] }), ramp)
  const starts: number[] = []
  for (let n = 0; n < 200; n++) {
    const own = image(cropped, n, 64)
    // A quarter of the area: neighbours are half a pixel apart, where both lie within the image.
    const inner = own.slice(27, 29) as [number, number]
    expect(inner[1] - inner[0]).toBeCloseTo(0.5, 2)
    expect(own[35]! - own[27]!).toBeCloseTo(50, 1)
    starts.push(inner[0] % 100)
  }
  expect(Math.min(...starts)).toBeLessThan(2.5)
  expect(Math.max(...starts)).toBeGreaterThan(4.5)
})

test('composed movements are one: nothing is lost or interpolated twice', async () => {
  const x = numbers([1, 3, 5, 5])
  const there = augment.compose(augment.rotate([45, 45]), augment.rotate([-45, -45]))
  expect(await run(there, x)).toEqual([...(await x.data())])
  const layer = augment.compose(augment.compose(augment.flip({ horizontal: 1 })), augment.rotate([90, 90]))
  const [first] = [image(await run(layer, numbers([1, 1, 2, 2])), 0, 4)]
  // [[1, 2], [3, 4]] mirrored is [[2, 1], [4, 3]], which turned counterclockwise is [[1, 3], [2, 4]].
  expect(first).toEqual([1, 3, 2, 4])
})

test('noise, brightness, contrast and cutout', async () => {
  const x = tensor(new Float32Array(40_000).fill(0.5)).reshape([400, 1, 10, 10])
  const noisy = await run(augment.noise(0.1), x)
  const mean = noisy.reduce((sum, v) => sum + v, 0) / 40_000
  const deviation = Math.sqrt(noisy.reduce((sum, v) => sum + (v - mean) ** 2, 0) / 40_000)
  expect(mean).toBeCloseTo(0.5, 2)
  expect(deviation).toBeCloseTo(0.1, 2)
  const clipped = await run(augment.noise(1, { range: [0, 1] }), x)
  expect([Math.min(...clipped), Math.max(...clipped)]).toEqual([0, 1])
  const bright = await run(augment.brightness(0.4), x)
  for (let n = 0; n < 400; n++) expect(new Set(image(bright, n, 100)).size).toBe(1)
  expect(Math.min(...bright)).toBeGreaterThan(0.3 - 1e-6)
  expect(Math.max(...bright)).toBeLessThan(0.7 + 1e-6)
  expect(Math.max(...bright) - Math.min(...bright)).toBeGreaterThan(0.36)
  const [a, b] = await run(augment.contrast([3, 3]), tensor([[[[1, 2]]]]) as Tensor)
  expect([a, b]).toEqual([0, 3])
  const cut = await run(augment.cutout(4, { fill: 9 }), x)
  const sizes = Array.from({ length: 400 }, (_, n) => image(cut, n, 100).filter((v) => v === 9).length)
  expect(Math.max(...sizes)).toBe(16)
  // In a corner: 2 × 2, since the middle is in the image.
  expect(Math.min(...sizes)).toBeGreaterThanOrEqual(4)
})

test('mixup blends images and losses by one draw from Beta(α, α)', async () => {
  const mixup = augment.mixup({ alpha: 0.4 })
  const inner = (output: Tensor, target: Tensor) => loss.crossEntropy(output, target as Tensor)
  const x = tensor([
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
    [0, 0, 4],
  ]).reshape([4, 1, 3]) as Tensor
  const target = tensor(Int32Array.of(0, 1, 2, 2)) as Tensor
  const plain = compile(
    (x: Tensor, target: Tensor) => {
      const mixed = mixup(x.reshape([4, 1, 3]))
      return { mixed, loss: mixup.loss(inner)(mixed.reshape([4, 3]), target, {}) }
    },
    { training: true },
  )
  const shares: number[] = []
  for (let i = 0; i < 300; i++) {
    const { mixed, loss: value } = plain(x, target)
    const rows = [...((await mixed.data()) as Float32Array)]
    const share = rows[0]!
    shares.push(share)
    expect(rows[2]!).toBeCloseTo(4 * (1 - share), 4)
    if (i > 5) continue
    // The same as cross-entropy with soft targets.
    const labels = [0, 1, 2, 2]
    const soft = labels.map((label, n) =>
      [0, 1, 2].map((k) => share * Number(k === label) + (1 - share) * Number(k === labels[3 - n])),
    )
    const logits = tensor(Float32Array.from(rows)).reshape([4, 3]) as Tensor
    const wanted = await loss.crossEntropy(logits, tensor(soft) as Tensor).item()
    expect(await value.item()).toBeCloseTo(wanted, 5)
  }
  const mean = shares.reduce((sum, share) => sum + share, 0) / 300
  const variance = shares.reduce((sum, share) => sum + (share - mean) ** 2, 0) / 300
  expect(Math.abs(mean - 0.5)).toBeLessThan(0.07)
  // Var = 1 / (4 (2 α + 1))
  expect(Math.abs(variance - 1 / (4 * 1.8))).toBeLessThan(0.03)
  // With α = 1 all shares are as likely; pairs that do not fit must have been refused.
  const even = compile((one: Tensor) => augment.mixup({ alpha: 1 })(one), { training: true })
  const draws: number[] = []
  for (let i = 0; i < 400; i++) draws.push(((await even(x).data()) as Float32Array)[0]!)
  const middle = draws.reduce((sum, share) => sum + share, 0) / 400
  const spread = draws.reduce((sum, share) => sum + (share - middle) ** 2, 0) / 400
  expect(Math.abs(spread - 1 / 12)).toBeLessThan(0.014)
  expect(() =>
    compile((t: Tensor) => augment.mixup().loss(inner)(t, target, {}), { training: true })(x.reshape([4, 3])),
  ).toThrow('did not mix')
})

test('a network trains with all of them, the same bits for the same seed, and predicts without', async () => {
  const x = random.normal([40, 8, 8])
  const data = [x, tensor(Int32Array.from({ length: 40 }, (_, i) => i % 3))] as const
  const train = async (seed: number) => {
    const mixup = augment.mixup()
    const net = nn.sequential(
      augment.compose(
        augment.flip(),
        augment.shift(1),
        augment.rotate(15),
        augment.scale(0.1),
        augment.crop({ area: [0.5, 1] }),
      ),
      augment.noise(0.05),
      augment.brightness(0.1),
      augment.contrast(0.1),
      augment.cutout(2),
      mixup,
      nn.flatten(),
      nn.linear(64, 3),
    )
    const history = await fit(net as never, {
      train: data as never,
      loss: mixup.loss(loss.crossEntropy),
      optimizer: optim.sgd({ learningRate: 0.1 }),
      epochs: 3,
      batchSize: 16,
      seed,
    })
    return { losses: history.epochs.map(({ train: { loss: value } }) => value), net }
  }
  const [a, b, c] = [await train(1), await train(1), await train(2)]
  expect(a.losses).toEqual(b.losses)
  expect(a.losses).not.toEqual(c.losses)
  expect(await predict(a.net as never, x)).toEqual(await predict(b.net as never, x))
  expect(await predict(a.net as never, x)).toEqual(await predict(a.net as never, x))
})

test('wrong arguments are refused', () => {
  const refused = (make: () => unknown, message: string | RegExp) => expect(make).toThrow(message)
  refused(() => augment.flip({ horizontal: 2 }), 'probability')
  refused(() => augment.flip({ horizontl: 1 } as never), 'horizontal')
  refused(() => augment.shift(1.5), 'whole number of pixels')
  refused(() => augment.rotate(-3), 'takes degrees')
  refused(() => augment.rotate([3, 1]), 'takes degrees')
  refused(() => augment.scale(1), 'above 0')
  refused(() => augment.crop({ area: [0, 1] }), 'area')
  refused(() => augment.noise(Number.NaN), 'deviation')
  refused(() => augment.cutout(0), 'above 0')
  refused(() => augment.mixup({ alpha: 2 }), 'alpha')
  refused(() => augment.shift(1, { fill: 'black' } as never), 'fill')
  refused(() => augment.compose(nn.relu as never), 'no augmentation')
  const step = (layer: Augmentation, x: Tensor) => () => compile((y: Tensor) => layer(y), { training: true })(x)
  refused(step(augment.flip(), tensor([[1, 2]]) as Tensor), 'takes [batch, ..., height, width], got [1,2]')
  refused(step(augment.flip(), tensor(Int32Array.of(1, 2)).reshape([1, 1, 2]) as Tensor), 'float32 or float64')
})
