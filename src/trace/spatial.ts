/**
 * @file Options of functions over axes of space (convolution, pooling, resizing): one value for all axes or one for each,
 * and paddings by name. In: what a user wrote. Out: a list with a number for each axis, or an error.
 *
 * perAxis('convolution', 'stride', 2, 2, 1) → [2, 2];  paddingOf('convolution', 'same', ...) → { low: [1, 1], high: [1, 1] }
 */
import { ShapeError, ValueError } from '../base/errors.js'
import { formatShape, type Shape } from '../base/shape.js'

/** One number for all axes of space, or one for each. */
export type PerAxis = number | readonly number[]

/**
 * Elements added at both ends of each axis: a number for all, numbers by axis, or pairs [before, after] by axis; 'valid' is
 * 0; 'same' makes ⌈n / stride⌉ places of n elements, the odd one of an odd number of added elements at the end.
 */
export type Padding = 'same' | 'valid' | number | readonly (number | readonly [number, number])[]

/** What windows look like along each axis of space. */
export interface WindowSizes {
  readonly sizes: readonly number[]
  readonly strides: readonly number[]
  readonly dilations: readonly number[]
}

/** A number for each of `rank` axes, each a whole one of `least` or more. */
export function perAxis(operation: string, name: string, value: PerAxis, rank: number, least: number): number[] {
  const list = typeof value === 'number' ? Array.from({ length: rank }, () => value) : value
  if (!Array.isArray(list) || list.length !== rank)
    throw new ValueError(operation, `${name} is one number or ${rank}, one an axis, not ${show(value)}`)
  const wrong = list.find((n) => !Number.isInteger(n) || n < least)
  if (wrong !== undefined)
    throw new ValueError(operation, `${name} must be a whole number, ${least} or more, not ${show(wrong)}`)
  return [...list]
}

/** What is added before and after each axis. */
export function paddingOf(
  operation: string,
  padding: Padding,
  extents: Shape,
  { sizes, strides, dilations }: WindowSizes,
): { readonly low: number[]; readonly high: number[] } {
  if (padding === 'valid') return { low: extents.map(() => 0), high: extents.map(() => 0) }
  if (padding === 'same') {
    const total = extents.map((n, i) => {
      const places = Math.ceil(n / strides[i]!)
      return Math.max(0, (places - 1) * strides[i]! + reach(sizes[i]!, dilations[i]!) - n)
    })
    const low = total.map((n) => Math.floor(n / 2))
    return { low, high: total.map((n, i) => n - low[i]!) }
  }
  const wrong = () =>
    new ValueError(operation, `padding ${show(padding)} does not fit ${extents.length} axes of space`, {
      hint: "It is 'same', 'valid', a whole number, or a list with a number or a pair [before, after] for each axis.",
    })
  const list = typeof padding === 'number' ? extents.map(() => padding) : padding
  if (!Array.isArray(list) || list.length !== extents.length) throw wrong()
  const pairs = list.map((one: number | readonly number[]) => (typeof one === 'number' ? [one, one] : one))
  if (!pairs.every((pair) => Array.isArray(pair) && pair.length === 2 && pair.every(Number.isInteger))) throw wrong()
  return { low: pairs.map((pair) => pair[0]!), high: pairs.map((pair) => pair[1]!) }
}

/** From a window's first element to its last. */
export const reach = (size: number, dilation: number): number => (size - 1) * dilation + 1

/** Throws where a window does not fit in once. */
export function checkFits(
  operation: string,
  extents: Shape,
  low: readonly number[],
  high: readonly number[],
  { sizes, dilations }: WindowSizes,
): void {
  const padded = extents.map((n, i) => n + low[i]! + high[i]!)
  const reaches = sizes.map((size, i) => reach(size, dilations[i]!))
  if (padded.some((n, i) => n < reaches[i]!))
    throw new ShapeError(operation, `a window of ${formatShape(reaches)} does not fit into ${formatShape(padded)}`, {
      hint: 'Both with padding and dilation. Pad more, or use a smaller window.',
    })
}

const show = (value: unknown): string => JSON.stringify(value) ?? String(value)

/** Checks what can be known of a layer's options before it sees an input. */
export function checkWindowOptions(
  operation: string,
  options: { readonly stride?: PerAxis; readonly dilation?: PerAxis; readonly padding?: Padding },
  sizes: readonly number[],
): void {
  const of = (name: 'stride' | 'dilation') => perAxis(operation, name, options[name] ?? 1, sizes.length, 1)
  const window = { sizes, strides: of('stride'), dilations: of('dilation') }
  paddingOf(
    operation,
    options.padding ?? 0,
    sizes.map(() => 0),
    window,
  )
}
