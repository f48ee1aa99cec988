/** @file Convolutions, attention and transformer blocks of the conformance table against PyTorch, in both dtypes, on every engine. */
import { describe } from 'vitest'
import { check } from './check.js'
import { functionCases } from './fixture.js'
import { functionProgram } from './programs.js'

// Half of all kernels that the C compiler has to compile: with a file of their own, two processors share the work.
describe.each(['attention', 'convolutions', 'transformers'])('%s', (family) => {
  check(functionCases(family).map((c) => ({ ...c, program: (dtype) => functionProgram(c, dtype) })))
})
