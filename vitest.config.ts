import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** What takes minutes begins first, so that it is not alone in the end. */
const longest = /engines\/(bit-matrix|random-graphs)\.test\.ts$/
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const isLong = ({ moduleId }: TestSpecification) => longest.test(moduleId)
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))]
  }
}

export default defineConfig({
  resolve: {
    alias: {
      gradus: fileURLToPath(new URL('./src/index.ts', import.meta.url)),
      '@gradus/datasets': fileURLToPath(new URL('./datasets/src/index.ts', import.meta.url)),
    },
  },
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/support/setup.ts'],
    reporters: ['default', './test/support/summary-reporter.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    pool: 'forks',
    // By default one processor is left idle.
    maxWorkers: '100%',
    sequence: { sequencer: LongestFirst },
    env: { GRADUS_VERIFY: '1', GRADUS_ENGINE: 'wasm' },
  },
})
