import { defineConfig } from "vitest/config"

/**
 * The compliance suite for muxers writes on while it closes the connection below, and leaves the failure of these
 * writers to nobody; with QUIC, where a writer always waits for the kernel, that shows. Everything else that nobody
 * catches fails the run.
 */
const isOfClosedWriter = (error: object): boolean => {
  const cause = "error" in error ? error.error : undefined
  return (
    "VITEST_TEST_PATH" in error &&
    String(error.VITEST_TEST_PATH).endsWith("muxerCompliance.test.ts") &&
    typeof cause === "object" &&
    cause !== null &&
    "name" in cause &&
    cause.name === "ConnectionClosedError"
  )
}

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    reporters: ["default", "./tools/totalsReporter.ts"],
    onUnhandledError: (error) => !isOfClosedWriter(error),
    // Two cores are enough: the system tests start real servers, and more workers only slow those down.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000
  }
})
