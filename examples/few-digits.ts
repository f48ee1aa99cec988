/**
 * @file A few of the 60,000 handwritten digits: enough to show what an example claims, few enough to show it in seconds.
 * In: how many, and a seed. Out: training images that no other seed has, and the first validation images.
 *
 * const { train, validation } = await fewDigits({ train: 500, validation: 2000, seed: 1 })
 */
import { type Dataset, digits } from '@gradus/datasets'
import { subset } from 'gradus'

let all: ReturnType<typeof digits> | undefined

export async function fewDigits(options: { train: number; validation?: number; seed: number }) {
  all ??= digits()
  const { train, validation } = await all
  return {
    train: range(train, (options.seed - 1) * options.train, options.train),
    validation: range(validation, 0, options.validation ?? 0),
  }
}

const range = (data: Dataset, start: number, count: number) =>
  subset(
    data,
    Array.from({ length: count }, (_, i) => start + i),
  )
