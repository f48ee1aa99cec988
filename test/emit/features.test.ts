/** @file What is found out about the engine underneath. */
import { expect, test } from 'vitest'
import { emitModule } from '../../src/emit/wasm/emit.js'
import { compileModule, relaxedMadd } from '../../src/emit/wasm/features.js'
import { webAssembly } from '../../src/emit/wasm/host.js'

test('relaxed madd fuses on x86-64 and ARM with FMA, and is found so twice', () => {
  expect(relaxedMadd()).toBe(true)
  expect(relaxedMadd()).toBe(true)
})

test('without V8 flags modules compile all the same', () => {
  const bytes = emitModule({ kernels: [], launches: [], pointers: 0 })
  const get = process.getBuiltinModule
  try {
    for (const instead of [
      undefined,
      () => undefined,
      () => ({
        setFlagsFromString: () => {
          throw new Error('refused')
        },
      }),
    ]) {
      Object.defineProperty(process, 'getBuiltinModule', { value: instead, configurable: true })
      const memory = new webAssembly.Memory({ initial: 1 })
      expect(new webAssembly.Instance(compileModule(bytes), { env: { memory } }).exports['run']).toBeTypeOf('function')
    }
  } finally {
    Object.defineProperty(process, 'getBuiltinModule', { value: get, configurable: true })
  }
  expect(() => compileModule(bytes.slice(1))).toThrow(/magic/)
})
