/**
 * @file The interpreter engine: the same kernels, in TypeScript, bit for bit. For tests and debugging.
 */
import { allocate, type TypedArray } from '../base/dtype.js'
import { type Step, stepsOf } from '../emit/program.js'
import { compileInterpreter } from '../kernel/interpret.js'
import type { Plan } from '../lower/plan.js'
import { wasmTarget } from '../lower/target.js'
import { type Engine, medianSeconds } from './engine.js'

export const interpreterEngine: Engine = {
  name: 'interpreter',
  target: () => wasmTarget,
  threads: () => 1,
  load(plan, storages) {
    const kernels = plan.kernels.map(compileInterpreter)
    const steps = stepsOf({ launches: plan.launches.map((launch) => ({ ...launch, pointers: launch.slots })) })
    const prepare = (inputs: readonly (TypedArray | undefined)[]): TypedArray[] => {
      const memory = plan.slots.map((slot) =>
        slot.kind === 'outside'
          ? storages[slot.input]!.takeHome()
          : allocate(slot.dtype, slot.kind === 'part' ? 0 : slot.length),
      )
      plan.inputs.forEach((slot, i) => {
        if (slot >= 0 && !storages[i]) memory[slot]!.set(inputs[i]! as Float32Array<ArrayBuffer>)
      })
      return memory
    }
    const run = (inputs: readonly (TypedArray | undefined)[], results: number): TypedArray[] => {
      const memory = prepare(inputs)
      const at = plan.loops.map(() => 0)
      const go = (steps: readonly Step[]): void => {
        for (const step of steps) {
          if (typeof step === 'number') {
            const { kernel, slots } = plan.launches[step]!
            kernels[kernel]!(slots.map((slot) => placeOf(plan, memory, slot, at)))
          } else for (at[step.loop] = 0; at[step.loop]! < plan.loops[step.loop]!; at[step.loop]!++) go(step.steps)
        }
      }
      go(steps)
      return plan.outputs.slice(0, results).map((slot) => memory[slot]!.slice() as TypedArray)
    }
    return {
      run,
      runMany: (inputs, results) => inputs.map((one) => run(one, results)),
      time(inputs) {
        const saved = storages.map((storage) => storage?.read())
        const memory = prepare(inputs)
        const seconds = plan.launches.map(({ kernel, slots }) =>
          medianSeconds(() => kernels[kernel]!(slots.map((slot) => placeOf(plan, memory, slot, [])))),
        )
        storages.forEach((storage, i) => {
          storage?.write(saved[i]!)
        })
        return seconds
      },
    }
  },
}

/** A slot's memory in these iterations of the loops; the first ones where they are not given. */
function placeOf(plan: Plan, memory: readonly TypedArray[], index: number, at: readonly number[]): TypedArray {
  const slot = plan.slots[index]!
  if (slot.kind !== 'part') return memory[index]!
  const { start, step, length } = slot
  const i = step ? (at[step.loop] ?? 0) : 0
  const first = start + (step ? (step.alternating ? i % 2 : i) * step.by : 0)
  return placeOf(plan, memory, slot.of, at).subarray(first, first + length) as TypedArray
}
