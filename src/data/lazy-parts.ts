/**
 * @file Two stations of a lazy data set that know what is in it: a part of a stream that is dealt out, and batches. In: a station. Out: another.
 *
 * batchNode(listNode([[[1, 2], 0], [[3, 4], 1]]), 2, false, true)            // one batch: [float32 [2,2], int32 [2]]
 */
import { RandomStream } from '../numerics/random.js'
import { leaf, type Tensor } from '../trace/tensor.js'
import { Collator } from './collate.js'
import { type LazyNode, marksOf, skipping } from './lazy-node.js'
import { converted, valueType } from './source.js'

/** One part of a stream: each sample, or group, goes to the part that a draw says. */
export function dealtNode<T>(
  node: LazyNode<T>,
  shares: readonly number[],
  part: number,
  seed: number,
  groups: ((sample: T) => string | number) | undefined,
): LazyNode<T> {
  const partOf = (draw: number) => {
    let sum = 0
    const found = shares.findIndex((share) => draw < (sum += share))
    return found < 0 ? shares.length - 1 : found
  }
  return {
    length: undefined,
    ...marksOf(node),
    iterate: (epoch, from) =>
      skipping(
        (async function* () {
          const random = new RandomStream(seed, 'split')
          const known = new Map<string | number, number>()
          for await (const sample of node.iterate(epoch, 0)) {
            if (!groups) {
              if (partOf(random.uniform()) === part) yield sample
              continue
            }
            const key = groups(sample)
            let own = known.get(key)
            if (own === undefined) {
              own = partOf(new RandomStream(seed, `split.${key}`).uniform())
              known.set(key, own)
            }
            if (own === part) yield sample
          }
        })(),
        from,
      ),
  }
}

/** `[input, target]` or `[input, target, sampleWeight]`, tensors; `labels`: plain numbers as targets are int32. */
export function batchNode(
  node: LazyNode<unknown>,
  size: number,
  dropLast: boolean,
  labels: boolean,
): LazyNode<readonly [Tensor, Tensor]> {
  const { length } = node
  const count = length === undefined ? undefined : dropLast ? Math.floor(length / size) : Math.ceil(length / size)
  return {
    length: count,
    ...marksOf(node),
    batched: size,
    async *iterate(epoch, from) {
      let collator: Collator | undefined
      let first = from * size
      let samples: unknown[] = []
      const make = () => {
        collator ??= new Collator(samples[0], first, 'batch')
        collator.labels = labels
        const made = tensorsOf(collator, samples, first)
        first += samples.length
        samples = []
        return made
      }
      for await (const sample of node.iterate(epoch, first)) if (samples.push(sample) === size) yield make()
      if (samples.length > 0 && !dropLast) yield make()
    },
  }
}

function tensorsOf(collator: Collator, samples: readonly unknown[], first: number): readonly [Tensor, Tensor] {
  const arrays = collator.allocate(samples.length)
  collator.fill(samples, first, arrays)
  const { input, target, sampleWeight } = collator.kind
  const parts = sampleWeight ? [input, target, sampleWeight] : [input, target]
  const shapes = collator.shapes(samples.length)
  return parts.map((part, i) => {
    const role = i === 1 ? 'target' : 'input'
    return leaf(converted(arrays[i]!, part, role), shapes[i]!, valueType(part, role))
  }) as unknown as readonly [Tensor, Tensor]
}
