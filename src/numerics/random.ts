/**
 * @file Random numbers on the host: for initialisers, shuffling and splits. In: a seed and the name of a stream.
 * Out: words, floats, integers, permutations: the same on every machine, since only IEEE arithmetic is used.
 *
 * new RandomStream(1, 'layers.0.weight').normal()
 */
import { ValueError } from '../base/errors.js'
import { cos, log, sin } from './elementary.js'
import { scalarArithmetic } from './scalar.js'
import { hashString, threefryFill } from './threefry.js'

/** Uniform in [0, 1) with 24 bits: exact in float32. */
export const uniformFloat32 = (word: number): number => (word >>> 8) * 2 ** -24

const float64 = scalarArithmetic('float64', 'portable')
const smallBlock = 64
const largeBlock = 4096

/** A seed as two key words: any finite number, fractions and all. */
export function keyOfSeed(seed: number): [number, number] {
  if (Number.isSafeInteger(seed)) return [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0]
  if (!Number.isFinite(seed)) throw new ValueError('seed', `it must be a finite number, got ${seed}`)
  const view = new DataView(new ArrayBuffer(8))
  view.setFloat64(0, seed)
  return [view.getUint32(4), view.getUint32(0)]
}

/** Words number 0, 1, 2, ... of Threefry's stream `hashString(stream)` under the seed's key. */
export class RandomStream {
  private readonly key: [number, number]
  private readonly stream: number
  private block: Uint32Array
  private start = 0
  private next: number
  private spare: number | undefined

  constructor(seed: number, stream: string) {
    this.key = keyOfSeed(seed)
    this.stream = hashString(stream)
    this.block = new Uint32Array(smallBlock)
    this.next = smallBlock
  }

  nextWord(): number {
    if (this.next === this.block.length) this.refill()
    return this.block[this.next++]!
  }

  /** Uniform in [0, 1) with 53 bits. */
  uniform(): number {
    const high = this.nextWord() >>> 5
    return (high * 2 ** 26 + (this.nextWord() >>> 6)) * 2 ** -53
  }

  /** Standard normal: Box & Muller 1958, √(−2 log u)·(cos 2πv, sin 2πv). */
  normal(): number {
    if (this.spare !== undefined) {
      const value = this.spare
      this.spare = undefined
      return value
    }
    const radius = Math.sqrt(-2 * log(float64, 1 - this.uniform()))
    const angle = 2 * Math.PI * this.uniform()
    this.spare = radius * sin(float64, angle)
    return radius * cos(float64, angle)
  }

  /** Uniform in 0..below − 1 without bias, by rejection of words that do not fill a whole round. */
  integer(below: number): number {
    if (!Number.isInteger(below) || below < 1 || below > 2 ** 32)
      throw new ValueError('integer', `the bound must be an integer from 1 to 2³², got ${below}`)
    // Words under 2³² mod below are one too many for a whole number of rounds.
    const reject = 2 ** 32 % below
    let word = this.nextWord()
    while (word < reject) word = this.nextWord()
    return word % below
  }

  /** The numbers 0..n − 1 in random order. */
  permutation(n: number): Uint32Array<ArrayBuffer> {
    const order = new Uint32Array(n)
    for (let i = 0; i < n; i++) order[i] = i
    this.shuffle(order)
    return order
  }

  /** In place: Fisher & Yates, in Durstenfeld's form. */
  shuffle<T>(list: { length: number; [index: number]: T }): void {
    for (let i = list.length - 1; i > 0; i--) {
      const j = this.integer(i + 1)
      const last = list[i]!
      list[i] = list[j]!
      list[j] = last
    }
  }

  private refill(): void {
    // Most streams give a few words; those that give more are filled in ever larger blocks.
    if (this.start > 0 && this.block.length < largeBlock) this.block = new Uint32Array(this.block.length * 4)
    threefryFill(this.block, this.key[0], this.key[1], this.stream, this.start)
    this.start += this.block.length
    this.next = 0
  }
}
