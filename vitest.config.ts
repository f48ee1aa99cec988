import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

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
    env: { GRADUS_VERIFY: '1', GRADUS_ENGINE: 'wasm' },
  },
})
