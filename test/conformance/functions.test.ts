/** @file Every activation and loss of the conformance table, and most layers, against PyTorch, in both dtypes, on every engine. */
import { describe } from 'vitest'
import { check } from './check.js'
import { families, functionCases } from './fixture.js'
import { functionProgram } from './programs.js'

// What stands in networks.test.ts has a file of its own, so that two processors share the work.
describe.each(families.filter((family) => !/^(attention|convolutions|transformers)$/.test(family)))('%s', (family) => {
  check(functionCases(family).map((c) => ({ ...c, program: (dtype) => functionProgram(c, dtype) })))
})
