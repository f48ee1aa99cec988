/** @file Seeded random kernels: loops, strides, variables, aliasing accesses. WebAssembly against the interpreter. */
import { expect, test } from 'vitest'
import { printKernel } from '../../src/kernel/print.js'
import { expectSameBits } from './harness.js'
import { randomArrays, randomKernel } from './random-kernel.js'

/** More for a soak: GRADUS_SEEDS=20000 npx vitest run test/emit/random.test.ts */
const seeds = Number(process.env['GRADUS_SEEDS'] ?? 400)

test(`${seeds} random kernels`, { timeout: 0 }, () => {
  let statements = 0
  for (let seed = 1; seed <= seeds; seed++) {
    const kernel = randomKernel(seed)
    statements += printKernel(kernel).split('\n').length
    expectSameBits(kernel, randomArrays(kernel, seed), `seed ${seed}:`)
  }
  expect(statements).toBeGreaterThan(10_000)
})
