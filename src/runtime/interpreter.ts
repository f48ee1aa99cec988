/**
 * @file The interpreter engine: the same kernels, in TypeScript, bit for bit. For tests and debugging.
 */
import { allocate, type TypedArray } from '../base/dtype.js'
import { compileInterpreter } from '../kernel/interpret.js'
import { wasmTarget } from '../lower/target.js'
import { type Engine, medianSeconds } from './engine.js'

export const interpreterEngine: Engine = {
  name: 'interpreter',
  target: () => wasmTarget,
  threads: () => 1,
  load(plan, storages) {
    const kernels = plan.kernels.map(compileInterpreter)
    const prepare = (inputs: readonly (TypedArray | undefined)[]): TypedArray[] => {
      const memory = plan.slots.map((slot) =>
        slot.kind === 'outside' ? storages[slot.input]!.takeHome() : allocate(slot.dtype, slot.length),
      )
      plan.inputs.forEach((slot, i) => {
        if (slot >= 0 && !storages[i]) memory[slot]!.set(inputs[i]! as Float32Array<ArrayBuffer>)
      })
      return memory
    }
    const run = (inputs: readonly (TypedArray | undefined)[], results: number): TypedArray[] => {
      const memory = prepare(inputs)
      for (const { kernel, slots } of plan.launches) kernels[kernel]!(slots.map((slot) => memory[slot]!))
      return plan.outputs.slice(0, results).map((slot) => memory[slot]!.slice() as TypedArray)
    }
    return {
      run,
      runMany: (inputs, results) => inputs.map((one) => run(one, results)),
      time(inputs) {
        const saved = storages.map((storage) => storage?.read())
        const memory = prepare(inputs)
        const seconds = plan.launches.map(({ kernel, slots }) =>
          medianSeconds(() => kernels[kernel]!(slots.map((slot) => memory[slot]!))),
        )
        storages.forEach((storage, i) => {
          storage?.write(saved[i]!)
        })
        return seconds
      },
    }
  },
}
