/** @file Every optimizer and schedule of the conformance table against PyTorch, in both dtypes, on every engine. */
import { describe, expect, test } from 'vitest'
import { optim, reduceOnPlateau, tensor, variable } from '../../src/index.js'
import { check, error } from './check.js'
import { build, optimizers, type ScheduleCase, schedules } from './fixture.js'
import { type Float, optimizerProgram, type Program, stepProgram } from './programs.js'

const fixture = optimizers()
describe('optimizers', () => {
  check(fixture.cases.map((c) => ({ ...c, program: (dtype) => optimizerProgram(c, fixture, dtype) })))
})

describe('schedules', () => {
  test.each(schedules().cases)('$row, $name, on the host', (c) => {
    const schedule = build(c.make, 'float64') as optim.Schedule
    const rates = c.rates.map((_, t) => optim.learningRateAt(schedule, t))
    expect(error(rates, c.rates)).toBeLessThan(1e-10)
  })
  test.each(schedules().plateaus)('$row, $name', ({ options, scores, rates }) => {
    const optimizer = optim.sgd({ learningRate: 0.1 }).init([variable(tensor([0]), { trainable: true })])
    const plateau = reduceOnPlateau({ mode: 'min', ...options })
    const ours = scores.map((score) => {
      plateau.update(score, optimizer)
      return optimizer.learningRate
    })
    expect(error(ours, rates)).toBeLessThan(1e-10)
  })
  check(schedules().cases.map((c) => ({ ...c, program: (dtype) => scheduleProgram(c, dtype) })))
})

/** Descent from 0 along a gradient of −1: after a step the parameter is the sum of the rates so far. */
function scheduleProgram(c: ScheduleCase, dtype: Float): Program {
  let sum = 0
  return stepProgram(
    `${c.row}, ${c.name}, ${dtype}`,
    new Map([['sum', variable(tensor([0], { dtype }), { trainable: true })]]),
    optim.sgd({ learningRate: build(c.make, dtype) as optim.Schedule }),
    c.rates.map(() => ({ sum: [-1] })),
    c.rates.map((rate) => ({ sum: [(sum += rate)] })),
  )
}
