import type { Reporter, TestModule } from 'vitest/node'

/**
 * Ends the output with one plain line that any machine reads: how many passed, failed, and were left out; before it, the
 * tests whose names say that they were left out because something is missing on this machine.
 */
export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const count = { passed: 0, failed: 0, skipped: 0, pending: 0 }
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        count[state]++
        if (state === 'skipped' && test.fullName.includes('left out')) console.log(`not run: ${test.fullName}`)
      }
      if (module.errors().length > 0) count.failed++
    }
    const skipped = count.skipped + count.pending
    console.log(`${count.passed} passed, ${count.failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
  }
}
