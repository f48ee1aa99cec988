/**
 * @file The binary format of WebAssembly, in the words of the specification's grammar (chapter 5).
 * In: numbers, names, types. Out: bytes in a growing array.
 *
 * const out = new Bytes(); section(out, sectionIds.type, vec([[['i32'], []]], (bytes, [from, to]) => functype(bytes, from, to)))
 */
export const valtypes = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b } as const
export type Valtype = keyof typeof valtypes

export const sectionIds = { type: 1, import: 2, function: 3, export: 7, code: 10 } as const
export const externkinds = { func: 0, memory: 2 } as const

const utf8 = new TextEncoder()

/** Bytes that grow by doubling. */
export class Bytes {
  #data = new Uint8Array(64)
  #view = new DataView(this.#data.buffer)
  #length = 0

  get length(): number {
    return this.#length
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#data.length) return
    const grown = new Uint8Array(Math.max(2 * this.#data.length, this.#length + more))
    grown.set(this.#data.subarray(0, this.#length))
    this.#data = grown
    this.#view = new DataView(grown.buffer)
  }

  byte(value: number): void {
    this.#reserve(1)
    this.#data[this.#length++] = value
  }

  /** LEB128, unsigned. */
  u32(value: number): void {
    this.#reserve(5)
    value >>>= 0
    while (value >= 0x80) {
      this.#data[this.#length++] = (value & 0x7f) | 0x80
      value >>>= 7
    }
    this.#data[this.#length++] = value
  }

  /** LEB128, signed. */
  s32(value: number): void {
    this.#reserve(5)
    value |= 0
    while (value < -64 || value > 63) {
      this.#data[this.#length++] = (value & 0x7f) | 0x80
      value >>= 7
    }
    this.#data[this.#length++] = value & 0x7f
  }

  s64(value: bigint): void {
    this.#reserve(10)
    value = BigInt.asIntN(64, value)
    while (value < -64n || value > 63n) {
      this.#data[this.#length++] = Number(value & 0x7fn) | 0x80
      value >>= 7n
    }
    this.#data[this.#length++] = Number(value & 0x7fn)
  }

  /** Little-endian words as they stand in memory: constants of vectors. */
  fixed32(bits: number): void {
    this.#reserve(4)
    this.#view.setUint32(this.#length, bits, true)
    this.#length += 4
  }

  f32(value: number): void {
    this.#reserve(4)
    this.#view.setFloat32(this.#length, value, true)
    this.#length += 4
  }

  f64(value: number): void {
    this.#reserve(8)
    this.#view.setFloat64(this.#length, value, true)
    this.#length += 8
  }

  append(other: Bytes): void {
    this.#reserve(other.#length)
    this.#data.set(other.#data.subarray(0, other.#length), this.#length)
    this.#length += other.#length
  }

  raw(bytes: ArrayLike<number>): void {
    this.#reserve(bytes.length)
    this.#data.set(bytes, this.#length)
    this.#length += bytes.length
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.#data.slice(0, this.#length)
  }
}

export function name(out: Bytes, text: string): void {
  const bytes = utf8.encode(text)
  out.u32(bytes.length)
  out.raw(bytes)
}

/** A count, then the elements. */
export function vec<T>(items: readonly T[], write: (out: Bytes, item: T, index: number) => void): Bytes {
  const out = new Bytes()
  out.u32(items.length)
  items.forEach((item, i) => {
    write(out, item, i)
  })
  return out
}

export function section(out: Bytes, id: number, content: Bytes): void {
  out.byte(id)
  sized(out, content)
}

/** The length in bytes, then the bytes. */
export function sized(out: Bytes, content: Bytes): void {
  out.u32(content.length)
  out.append(content)
}

export function functype(out: Bytes, parameters: readonly Valtype[], results: readonly Valtype[]): void {
  out.byte(0x60)
  for (const types of [parameters, results]) out.append(vec(types, (bytes, type) => bytes.byte(valtypes[type])))
}

/** In pages of 64 KiB. Shared memories need a maximum. */
export function limits(out: Bytes, minimum: number, shared?: { readonly maximum: number }): void {
  out.byte(shared ? 3 : 0)
  out.u32(minimum)
  if (shared) out.u32(shared.maximum)
}

/** `align` is a power of two's exponent, a hint; `offset` is added to the address without wrapping. */
export function memarg(out: Bytes, align: number, offset: number): void {
  out.u32(align)
  out.u32(offset)
}

/** magic and version */
export function preamble(out: Bytes): void {
  out.raw([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00])
}
