/**
 * @file A drawing made into what MNIST's images are. In: grey pixels of any square. Out: 28 × 28 bytes.
 *
 * "The original images were size normalized to fit in a 20x20 pixel box while preserving their aspect ratio ... centered in a 28x28 image by
 * computing the center of mass of the pixels" (LeCun, Cortes, Burges, http://yann.lecun.com/exdb/mnist/).
 */
export const side = 28
const box = 20

/** Of `size` × `size` bytes, 0 the ground, 255 ink; undefined where nothing is drawn. */
export function asMnist(drawing: Uint8Array, size: number): Uint8Array | undefined {
  let [left, right, top, bottom] = [size, -1, size, -1]
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++)
      if (drawing[y * size + x]! > 32) {
        left = Math.min(left, x)
        right = Math.max(right, x)
        top = Math.min(top, y)
        bottom = Math.max(bottom, y)
      }
  if (right < 0) return undefined
  const scale = box / Math.max(right - left + 1, bottom - top + 1)
  const [width, height] = [right - left + 1, bottom - top + 1].map((n) => Math.max(1, Math.round(n * scale))) as [
    number,
    number,
  ]
  const small = new Float32Array(width * height)
  let [mass, massX, massY] = [0, 0, 0]
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const value = meanOf(
        drawing,
        size,
        [left + x / scale, left + (x + 1) / scale],
        [top + y / scale, top + (y + 1) / scale],
      )
      small[y * width + x] = value
      mass += value
      massX += value * (x + 0.5)
      massY += value * (y + 0.5)
    }
  const [shiftX, shiftY] = [Math.round(side / 2 - massX / mass), Math.round(side / 2 - massY / mass)]
  const image = new Uint8Array(side * side)
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const [toX, toY] = [x + shiftX, y + shiftY]
      if (toX >= 0 && toX < side && toY >= 0 && toY < side) image[toY * side + toX] = Math.round(small[y * width + x]!)
    }
  return image
}

/** The mean over a rectangle, whose edges count in part. */
function meanOf(
  pixels: Uint8Array,
  size: number,
  [x0, x1]: readonly [number, number],
  [y0, y1]: readonly [number, number],
): number {
  let [sum, area] = [0, 0]
  for (let y = Math.floor(y0); y < Math.min(size, Math.ceil(y1)); y++)
    for (let x = Math.floor(x0); x < Math.min(size, Math.ceil(x1)); x++) {
      const share =
        Math.max(0, Math.min(x + 1, x1) - Math.max(x, x0)) * Math.max(0, Math.min(y + 1, y1) - Math.max(y, y0))
      sum += share * pixels[y * size + x]!
      area += share
    }
  return area > 0 ? sum / area : 0
}
