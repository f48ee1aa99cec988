/**
 * @file ONNX's Scan: a loop over slices, whose body is a graph within the graph. In: a call. Out: the last states, then the
 * stacked results.
 */
import { scan } from '../../trace/scan.js'
import type { Tensor } from '../../trace/tensor.js'
import type { Call, Rules } from './call.js'

function scanRule(call: Call): Tensor[] {
  if (call.version < 9) call.fail('before version 9 is not supported')
  const count = call.int('num_scan_inputs', 0)
  const inputs = call.all()
  const [states, slices] = [inputs.slice(0, inputs.length - count), inputs.slice(inputs.length - count)]
  for (const name of ['scan_input_axes', 'scan_output_axes'])
    if (call.ints(name)?.some((axis) => axis !== 0)) call.fail(`has ${name} other than 0`)
  const backward = (name: string, i: number) => (call.ints(name)?.[i] ?? 0) === 1
  // One direction is that of the loop; what goes in the other is turned around.
  const reverse = slices.every((_, i) => backward('scan_input_directions', i))
  const scanned = slices.map((x, i) => (backward('scan_input_directions', i) === reverse ? x : x.reverse(0)))
  const body = call.graph('body')
  const [last, results] = scan(
    (carry: readonly Tensor[], x: readonly Tensor[]) => {
      const outputs = body([...carry, ...x])
      return [outputs.slice(0, states.length), outputs.slice(states.length)] as const
    },
    states as readonly Tensor[],
    scanned as readonly Tensor[],
    { reverse },
  )
  const turned = (results as readonly Tensor[]).map((y, i) =>
    backward('scan_output_directions', i) === reverse ? y : y.reverse(0),
  )
  return [...last, ...turned]
}

export const scanRules: Rules = { Scan: scanRule }
