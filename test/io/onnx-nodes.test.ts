/**
 * @file The three smallest of ONNX's own tests of each operator, on the import (scripts/interop/onnx_node_tests.py --fixture).
 */
import { readFile } from 'node:fs/promises'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { importRules } from '../../src/io/onnx/import.js'
import { decodeModel } from '../../src/io/onnx/proto.js'
import { type Case, exceptions, run } from '../interop/node-cases.js'

const file = new URL('../fixtures/onnx/nodes.json.gz', import.meta.url)
const packed = JSON.parse(gunzipSync(await readFile(file)).toString()) as (Case & { model: string; data: string })[]
const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'base64'))
const cases = packed.map((one) => {
  const model = bytes(one.model)
  return { ...one, model, data: bytes(one.data), operator: decodeModel(model).graph!.node[0]!.opType! }
})
const supported = cases.filter(({ operator, name }) => Object.hasOwn(importRules, operator) && !exceptions[name])
/** What of supported operators is not. */
const refused: string[] = []

describe.each([...new Set(supported.map(({ operator }) => operator))])('%s', (operator) => {
  test.each(
    supported.filter((one) => one.operator === operator).map((one) => [one.name, one] as const),
  )('%s', async (name, one) => {
    const result = await run(one, one.model, one.data)
    if (result.startsWith('unsupported')) refused.push(name)
    else expect(result).toBe('ok')
  })
})

test('few cases of supported operators are refused', () => {
  expect(supported.length).toBeGreaterThan(250)
  expect(refused.sort()).toMatchInlineSnapshot(`
    [
      "test_attention_24_qk_matmul_output_mode3_softmax_precision",
      "test_attention_bidirectional_window",
      "test_batchnorm_example_training_mode",
      "test_bitwise_or_ui64_bcast_3v1d",
      "test_gathernd_example_int32_batch_dim1",
      "test_not_2d",
      "test_not_3d",
      "test_not_4d",
      "test_scan_sum",
      "test_scatter_elements_with_reduction_max",
      "test_scatternd_max_with_element_indices",
      "test_scatternd_min_with_element_indices",
    ]
  `)
})
