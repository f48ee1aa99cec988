/** @file Models that PyTorch exported, imported here: equal outputs at another batch size, equal gradients by parameter. */
import { fileURLToPath } from 'node:url'
import { describe, test } from 'vitest'
import { expectModel, modelCases } from '../interop/from-torch.js'

const folder = fileURLToPath(new URL('../fixtures/torch/onnx', import.meta.url))

describe('exported by PyTorch', () => {
  for (const one of modelCases(folder)) for (const file of one.files) test(file, () => expectModel(folder, one, file))
})
