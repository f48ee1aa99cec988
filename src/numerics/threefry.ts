/**
 * @file Threefry-2x32: random words as a function of key and counter. Salmon, Moraes, Dror & Shaw 2011, "Parallel
 * random numbers: as easy as 1, 2, 3". In: two key words, two counter words. Out: two words, any bit of which depends
 * on every bit that went in; no state.
 *
 * threefry2x32(words, [0, 0], [0, 0], 20)   // [0x6b200159, 0x99ba4efe]
 */
import type { WordArithmetic } from './arithmetic.js'
import { words } from './scalar.js'

/**
 * Rounds the library uses. Random123 publishes answers for 13 and 20, and its header states that from 13 rounds on no
 * statistical flaw of Threefry-2x32 is known; 20 is its default, with a margin that training does not need.
 */
export const rounds = 13

const rotations = [13, 15, 26, 6, 17, 29, 16, 24]
const parity = 0x1bd11bda

/** Key is injected before the first round and after every fourth. */
export function threefry2x32<V>(w: WordArithmetic<V>, key: [V, V], counter: [V, V], rounds: number): [V, V] {
  const keys = [key[0], key[1], w.xor(w.xor(w.word(parity), key[0]), key[1])]
  let x = w.add(counter[0], keys[0]!)
  let y = w.add(counter[1], keys[1]!)
  for (let round = 0; round < rounds; round++) {
    const by = rotations[round % 8]!
    x = w.add(x, y)
    y = w.xor(w.or(w.shiftLeft(y, by), w.shiftRight(y, 32 - by)), x)
    if (round % 4 === 3) {
      const injection = (round + 1) / 4
      x = w.add(x, keys[injection % 3]!)
      y = w.add(w.add(y, keys[(injection + 1) % 3]!), w.word(injection))
    }
  }
  return [x, y]
}

/**
 * out[i] = the first word of threefry2x32(key, [start + i, stream]): the definition of the graph op
 * `randomBits(key0, key1, counter, stream)`, quickly, on numbers.
 */
export function threefryFill(out: Uint32Array, key0: number, key1: number, stream: number, start = 0): void {
  const k0 = key0 | 0
  const k1 = key1 | 0
  const k2 = parity ^ k0 ^ k1
  const y0 = (stream + k1) | 0
  for (let i = 0; i < out.length; i++) {
    // 13 rounds, written out: V8 keeps x and y in registers.
    let x = (start + i + k0) | 0
    let y = y0
    x = (x + y) | 0
    y = ((y << 13) | (y >>> 19)) ^ x
    x = (x + y) | 0
    y = ((y << 15) | (y >>> 17)) ^ x
    x = (x + y) | 0
    y = ((y << 26) | (y >>> 6)) ^ x
    x = (x + y) | 0
    y = ((y << 6) | (y >>> 26)) ^ x
    x = (x + k1) | 0
    y = (y + k2 + 1) | 0
    x = (x + y) | 0
    y = ((y << 17) | (y >>> 15)) ^ x
    x = (x + y) | 0
    y = ((y << 29) | (y >>> 3)) ^ x
    x = (x + y) | 0
    y = ((y << 16) | (y >>> 16)) ^ x
    x = (x + y) | 0
    y = ((y << 24) | (y >>> 8)) ^ x
    x = (x + k2) | 0
    y = (y + k0 + 2) | 0
    x = (x + y) | 0
    y = ((y << 13) | (y >>> 19)) ^ x
    x = (x + y) | 0
    y = ((y << 15) | (y >>> 17)) ^ x
    x = (x + y) | 0
    y = ((y << 26) | (y >>> 6)) ^ x
    x = (x + y) | 0
    y = ((y << 6) | (y >>> 26)) ^ x
    x = (x + k0) | 0
    y = (y + k1 + 3) | 0
    x = (x + y) | 0
    out[i] = x
  }
}

/** Both words of threefry2x32 at the library's number of rounds, on numbers. */
export function threefryWords(key0: number, key1: number, counter: number, stream: number): [number, number] {
  return threefry2x32(words, [key0 >>> 0, key1 >>> 0], [counter >>> 0, stream >>> 0], rounds)
}

/** A 32-bit hash of a text: FNV-1a over its UTF-16 code units, low byte first, then MurmurHash3's finaliser. */
export function hashString(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    hash = Math.imul(hash ^ (unit & 255), 0x01000193)
    hash = Math.imul(hash ^ (unit >>> 8), 0x01000193)
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
