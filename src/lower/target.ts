/**
 * @file What the lowering must know of a machine: how wide its vectors are, and which tile of a product fits its registers.
 * Targets differ in speed only: the order of every sum is the node's, so that bits are equal.
 */
import { byteSize, type DType } from '../base/dtype.js'

export interface Target {
  /** Bytes of a vector register. */
  readonly vectorBytes: 16 | 32 | 64
  /** The tile of a product that is kept in registers: so many rows of so many vectors. */
  readonly tileRows: number
  readonly tileVectors: number
  /** How many threads there may be, 1 unless said otherwise: independent loops are marked for them. */
  readonly threads?: number
}

/** V8 has sixteen vector registers for WebAssembly: 4 × 2 sums, a row and two columns; larger tiles spill. */
export const wasmTarget: Target = { vectorBytes: 16, tileRows: 4, tileVectors: 2 }
/** Sixteen registers of 16 or 32 bytes, all at the compiler's disposal (NEON has 32). */
export const target128: Target = { vectorBytes: 16, tileRows: 6, tileVectors: 2 }
export const target256: Target = { vectorBytes: 32, tileRows: 6, tileVectors: 2 }
/** 32 registers of 64 bytes. */
export const target512: Target = { vectorBytes: 64, tileRows: 12, tileVectors: 2 }

/** Lanes of a full vector of this dtype; bytes and bools are computed in words. */
export const lanesOf = (dtype: DType, target: Target): number => target.vectorBytes / Math.max(4, byteSize[dtype])

/** Full vectors, then halves of them down to 16 bytes: what a loop over `extent` elements runs by. One by one is last. */
export function widths(lanes: number, target: Target): number[] {
  const least = lanes / (target.vectorBytes / 16)
  const result: number[] = []
  for (let width = lanes; width > 1 && width >= least; width /= 2) result.push(width)
  return [...result, 1]
}
