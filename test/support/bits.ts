import type { TypedArray } from '../../src/base/dtype.js'

/** Undefined where all bits agree (any NaN equals any NaN); else where they first differ. */
export function sameBits(actual: TypedArray, expected: TypedArray): string | undefined {
  if (actual.length !== expected.length) return `${actual.length} elements instead of ${expected.length}`
  for (let i = 0; i < actual.length; i++)
    if (!Object.is(actual[i], expected[i]))
      return `element ${i} is ${show(actual[i]!)} instead of ${show(expected[i]!)}`
  return undefined
}

const show = (x: number): string => (Object.is(x, -0) ? '-0' : String(x))
