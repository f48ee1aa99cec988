/**
 * @file The error of a run whose loss, gradient or parameter is not finite. In: where it was, the batch, what is known of the fault.
 * Out: an error that says which operation it was, or what of the data explains it, and the cure.
 */
import { ValueError } from '../base/errors.js'
import { NonFiniteError, type NonFiniteFault } from '../base/non-finite.js'
import { faultText } from '../diagnosis/fault.js'
import type { FedBatch } from './training-feed.js'
import type { Net } from './types.js'
import { notFiniteRow, unknownLabel, unknownNumber } from './unknown.js'

/** `sentence`: what, and in which epoch and batch. Without a fault it is of a step of the user's own. */
export function notFinite(
  net: Net,
  sentence: string,
  fed: FedBatch | undefined,
  learningRate: number | undefined,
  fault: NonFiniteFault | undefined,
): Error {
  const rate = learningRate === undefined ? '' : ` (it is ${learningRate})`
  const usual = `Lower the learning rate${rate}, standardise the inputs, or clip gradients: optim.chain(optim.clipByGlobalNorm(1), optim.adam(...)).`
  const data = fed && badData(net, fed)
  if (!fault) return new ValueError('fit', sentence, { hint: data ?? usual })
  const where = fault.operation ? `. ${faultText(fault)}` : ''
  const cure = fault.operation ? fault.cure.replace('the learning rate', `$&${rate}`) : usual
  return new NonFiniteError('fit', `${sentence}${where}`, fault, {
    hint: `${data ?? cure} The network is as it was before this step.`,
  })
}

/** What of a batch explains that its loss is not finite, if it is one of the usual mistakes. */
function badData(net: Net, fed: FedBatch): string | undefined {
  const { data, from, to, rowOf, first } = fed.where()
  const rows = Array.from({ length: to - from }, (_, i) => rowOf(from + i))
  const bad = unknownLabel(net, data, from, to, rowOf) ?? unknownNumber(net, data, rows) ?? notFiniteRow(data, rows)
  return bad && bad + (first > 0 ? ` (Row 0 of the batch is sample ${first}.)` : '')
}
