/**
 * @file The default seed: what parameters are drawn from when nobody says otherwise. Randomness is always seeded.
 */
import { ValueError } from '../base/errors.js'

let seed = 0

export const defaultSeed = (): number => seed

/** Seeds are whole numbers from 0 to 2³² − 1. */
export function checkSeed(operation: string, value: number): number {
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff)
    throw new ValueError(operation, `the seed must be a whole number from 0 to 4294967295, not ${value}`)
  return value
}

/** Sets the seed of parameters and random tensors made from now on. It is 0 until set. */
export function setSeed(value: number): void {
  seed = checkSeed('setSeed', value)
}
