/**
 * @file The types of a C file: scalars and GNU vectors, and the text that must stand before they are used.
 * In: types as the kernels ask for them. Out: their names; one declaration each, in order of first use.
 *
 * types.of({ dtype: 'float32', lanes: 8 }) is 'f32x8', declared as a vector of 32 bytes.
 */
import type { ValueDType, ValueType } from '../../kernel/loop.js'

/** Elements of vectors, by the name that types begin with. */
const elements = {
  f32: { type: 'float', bytes: 4 },
  f64: { type: 'double', bytes: 8 },
  i32: { type: 'int', bytes: 4 },
  u32: { type: 'unsigned', bytes: 4 },
  i64: { type: 'long long', bytes: 8 },
  u64: { type: 'unsigned long long', bytes: 8 },
  u8: { type: 'unsigned char', bytes: 1 },
} as const
export type Element = keyof typeof elements

/** bool is 0 or 1 as a scalar; as a vector it is a mask, whose width the kernel knows. */
const elementOf: { readonly [D in Exclude<ValueDType, 'bool'>]: Element } = {
  float32: 'f32',
  float64: 'f64',
  int32: 'i32',
  uint32: 'u32',
}

export class CTypes {
  readonly #declared = new Map<string, string>()

  /** Everything that was asked for. */
  text(): string {
    return [...this.#declared.values()].join('\n')
  }

  /** Declares `text` once under `name`, and gives the name. */
  declare(name: string, text: () => string): string {
    if (!this.#declared.has(name)) {
      // What the text itself asks for stands before it.
      const made = text()
      this.#declared.set(name, made)
    }
    return name
  }

  scalar(element: Element): string {
    return elements[element].type
  }

  vector(element: Element, lanes: number): string {
    const { type, bytes } = elements[element]
    const size = bytes * lanes
    return this.declare(
      `${element}x${lanes}`,
      () => `typedef ${type} ${element}x${lanes} __attribute__((vector_size(${size})));`,
    )
  }

  /** The same vector in memory, at any address that its elements may have. */
  inMemory(element: Element, lanes: number): string {
    const { type, bytes } = elements[element]
    const size = bytes * lanes
    return this.declare(
      `${element}x${lanes}m`,
      () => `typedef ${type} ${element}x${lanes}m __attribute__((vector_size(${size}), aligned(${bytes}), may_alias));`,
    )
  }

  /** A function that the compiler always inlines. */
  helper(result: string, name: string, parameters: string, body: string): string {
    return this.declare(
      name,
      () => `static inline __attribute__((always_inline)) ${result} ${name}(${parameters}) { ${body} }`,
    )
  }

  /** One element in every lane. */
  splat(element: Element, lanes: number): string {
    const type = this.vector(element, lanes)
    return this.helper(
      type,
      `splat_${type}`,
      `${this.scalar(element)} x`,
      `return (${type}){${Array(lanes).fill('x').join(', ')}};`,
    )
  }
}

/** The element of a value that is no bool. */
export const elementFor = (dtype: ValueDType): Element =>
  dtype === 'bool' ? 'i32' : elementOf[dtype as Exclude<ValueDType, 'bool'>]
export const bytesOf = (element: Element): number => elements[element].bytes
/** Integers as wide as an element, signed and unsigned. */
export const signedFor = (element: Element): Element => (bytesOf(element) === 8 ? 'i64' : 'i32')
export const unsignedFor = (element: Element): Element => (bytesOf(element) === 8 ? 'u64' : 'u32')

/** How wide the masks of a kernel are, by lanes: as wide as the floats beside them. */
export type MaskElements = ReadonlyMap<number, Element>

/** The C element that holds a value. */
export const elementIn = ({ dtype, lanes }: ValueType, masks: MaskElements): Element =>
  dtype === 'bool' ? (masks.get(lanes) ?? 'i32') : elementFor(dtype)
