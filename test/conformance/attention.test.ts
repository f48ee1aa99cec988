/** @file Attention and transformer blocks of the conformance table against PyTorch, in both dtypes, on every engine. */
import { check } from './check.js'
import { functionCases } from './fixture.js'
import { functionProgram } from './programs.js'

const heavy = ['attention', 'transformers']
check(heavy.flatMap(functionCases).map((c) => ({ ...c, program: (dtype) => functionProgram(c, dtype) })))
