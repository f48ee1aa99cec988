/**
 * @file SHA-256 (FIPS 180-4). In: bytes or text, piece by piece. Out: 64 hexadecimal digits. Node's own where there is one; browsers
 * have theirs only as a promise, and only on secure pages, so that it is written here once more.
 *
 * sha256('abc') is 'ba7816bf 8f01cfea 414140de 5dae2223 b00361a3 96177a9c b410ff61 f20015ad' without the spaces
 */

interface Hash {
  update(bytes: Uint8Array): unknown
  digest(encoding: 'hex'): string
}

export class Sha256 {
  readonly #hash: Hash

  /** `own`: for tests, also where Node has one. */
  constructor(own = false) {
    const host = globalThis as { process?: { getBuiltinModule?: (id: string) => unknown } }
    const crypto = own ? undefined : host.process?.getBuiltinModule?.('node:crypto')
    this.#hash = crypto ? (crypto as { createHash(name: string): Hash }).createHash('sha256') : new OwnHash()
  }

  update(data: Uint8Array | string): this {
    this.#hash.update(typeof data === 'string' ? new TextEncoder().encode(data) : data)
    return this
  }

  hex(): string {
    return this.#hash.digest('hex')
  }
}

/** Of all at once. */
export const sha256 = (data: Uint8Array | string): string => new Sha256().update(data).hex()

/** The first 32 bits of the fractions of square and cube roots of the first primes. */
function constants(): { readonly initial: Int32Array; readonly rounds: Int32Array } {
  const primes: number[] = []
  for (let n = 2; primes.length < 64; n++) if (primes.every((p) => n % p !== 0)) primes.push(n)
  const fraction = (x: number) => ((x - Math.floor(x)) * 2 ** 32) | 0
  return {
    initial: Int32Array.from(primes.slice(0, 8), (p) => fraction(Math.sqrt(p))),
    rounds: Int32Array.from(primes, (p) => fraction(Math.cbrt(p))),
  }
}

const { initial, rounds } = constants()
const words = new Int32Array(64)
const turned = (x: number, by: number): number => (x >>> by) | (x << (32 - by))

class OwnHash implements Hash {
  readonly #state = initial.slice()
  readonly #block = new Uint8Array(64)
  readonly #view = new DataView(this.#block.buffer)
  #length = 0

  update(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const filled = this.#length % 64
      const taken = Math.min(64 - filled, bytes.length - at)
      this.#block.set(bytes.subarray(at, at + taken), filled)
      this.#length += taken
      at += taken
      if (this.#length % 64 === 0) this.#mix()
    }
  }

  digest(): string {
    const length = this.#length
    this.update(Uint8Array.of(0x80))
    while (this.#length % 64 !== 56) this.update(Uint8Array.of(0))
    const bits = new DataView(new ArrayBuffer(8))
    bits.setBigUint64(0, BigInt(length) * 8n)
    this.update(new Uint8Array(bits.buffer))
    return Array.from(this.#state, (word) => (word >>> 0).toString(16).padStart(8, '0')).join('')
  }

  #mix(): void {
    for (let i = 0; i < 16; i++) words[i] = this.#view.getInt32(4 * i)
    for (let i = 16; i < 64; i++) {
      const [x, y] = [words[i - 15]!, words[i - 2]!]
      const s0 = turned(x, 7) ^ turned(x, 18) ^ (x >>> 3)
      const s1 = turned(y, 17) ^ turned(y, 19) ^ (y >>> 10)
      words[i] = words[i - 16]! + s0 + words[i - 7]! + s1
    }
    const state = this.#state
    let a = state[0]!
    let b = state[1]!
    let c = state[2]!
    let d = state[3]!
    let e = state[4]!
    let f = state[5]!
    let g = state[6]!
    let h = state[7]!
    for (let i = 0; i < 64; i++) {
      const t1 =
        (h + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) + ((e & f) ^ (~e & g)) + rounds[i]! + words[i]!) | 0
      const t2 = ((turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0
      h = g
      g = f
      f = e
      e = (d + t1) | 0
      d = c
      c = b
      b = a
      a = (t1 + t2) | 0
    }
    for (const [i, x] of [a, b, c, d, e, f, g, h].entries()) state[i] = state[i]! + x
  }
}
