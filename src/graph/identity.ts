/**
 * @file What reductions of nothing give. In: a kind, a dtype. Out: a number.
 *
 * identityOf('sum', 'float32') is −0
 */
import { type DType, isFloat } from '../base/dtype.js'
import type { ReduceKind } from './op.js'

/** What an empty reduction gives: e with e ⊕ x = x for every x. */
export function identityOf(kind: ReduceKind, dtype: DType): number {
  if (kind === 'sum') return isFloat(dtype) ? -0 : 0
  const [least, greatest] = isFloat(dtype)
    ? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]
    : dtype === 'int32'
      ? [-(2 ** 31), 2 ** 31 - 1]
      : dtype === 'uint32'
        ? [0, 2 ** 32 - 1]
        : [0, 1]
  return kind === 'maximum' ? least : greatest
}
