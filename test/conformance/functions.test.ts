/** @file Every layer, activation and loss of the conformance table against PyTorch, in both dtypes, on every engine. */
import { describe } from 'vitest'
import { check } from './check.js'
import { families, functionCases } from './fixture.js'
import { functionProgram } from './programs.js'

describe.each(families)('%s', (family) => {
  check(functionCases(family).map((c) => ({ ...c, program: (dtype) => functionProgram(c, dtype) })))
})
