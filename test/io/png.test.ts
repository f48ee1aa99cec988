/**
 * @file PNG files that are written: another reader finds the same pixels, whatever their size, channels and layout.
 */
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { decode } from 'fast-png'
import { pngBytes, writePng } from 'gradus'
import { expect, test } from 'vitest'

test('a reader of another hand finds the pixels that were written', async () => {
  const sizes = fc.record({
    width: fc.integer({ min: 1, max: 40 }),
    height: fc.integer({ min: 1, max: 40 }),
    channels: fc.constantFrom(1, 2, 3, 4),
    planar: fc.boolean(),
    seed: fc.nat(),
  })
  await fc.assert(
    fc.asyncProperty(sizes, async ({ width, height, channels, planar, seed }) => {
      const pixels = Uint8Array.from(
        { length: width * height * channels },
        (_, i) => (i * 7919 + seed * (i % 13)) >>> 3,
      )
      const layout = planar ? 'planar' : 'interleaved'
      const read = decode(await pngBytes(pixels, { width, height, channels: channels as 3, layout }), {
        checkCrc: true,
      })
      expect([read.width, read.height, read.channels, read.depth]).toEqual([width, height, channels, 8])
      for (let i = 0; i < width * height; i++)
        for (let c = 0; c < channels; c++)
          if (read.data[i * channels + c] !== pixels[planar ? c * width * height + i : i * channels + c])
            throw new Error(`pixel ${i}, channel ${c}`)
    }),
    { numRuns: 60, seed: 1 },
  )
})

test('a file, and what is refused', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'gradus-png-')), 'new', 'a.png')
  await writePng(path, Uint8Array.of(0, 255, 128, 3), { width: 2, height: 2 })
  expect([...decode(readFileSync(path)).data]).toEqual([0, 255, 128, 3])
  const one = new Uint8Array(4)
  await expect(writePng(path, one, { width: 3, height: 1 })).rejects.toThrow('are 3 bytes, but there are 4')
  await expect(writePng(path, [1, 2] as never, { width: 2, height: 1 })).rejects.toThrow('not bytes')
  await expect(writePng(path, one, { width: 2, height: 2, channels: 5 as never })).rejects.toThrow('1, 2, 3 or 4')
  await expect(writePng(path, one, { width: 0, height: 2 })).rejects.toThrow('width')
  await expect(writePng(path, one, { width: 2, height: 2, chanels: 1 } as never)).rejects.toThrow('channels')
  await expect(writePng('/proc/nowhere/a.png', one, { width: 2, height: 2 })).rejects.toThrow('/nowhere')
})
