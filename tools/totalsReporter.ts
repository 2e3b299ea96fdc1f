/**
 * Ends a test run with one plain line, `N passed, N failed`, that scripts can read. With CI=true a skipped test counts
 * as failed: a suite that cannot run everything has not shown that everything works.
 */
import type { Reporter, TestModule } from "vitest/node"

export default class TotalsReporter implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>, errors: ReadonlyArray<unknown>): void {
    const count = { passed: 0, failed: errors.length, skipped: 0 }
    for (const module of modules) {
      // A file that does not load has no tests to count, but has failed all the same.
      if (!module.ok() && Array.from(module.children.allTests("failed")).length === 0) count.failed++
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if (state === "passed") count.passed++
        else if (state === "failed") count.failed++
        else {
          count.skipped++
          process.stdout.write(`skipped: ${module.relativeModuleId} > ${test.fullName}\n`)
        }
      }
    }
    if (process.env["CI"] === "true" && count.skipped > 0) {
      count.failed += count.skipped
      process.exitCode = 1
    }
    process.stdout.write(`${count.passed} passed, ${count.failed} failed\n`)
  }
}
