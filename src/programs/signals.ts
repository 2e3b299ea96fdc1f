/**
 * The impatient operator: the first SIGINT or SIGTERM stops the node in good order (NodeRuntime interrupts the main
 * fiber), the second ends the process at once with 128 + signal. Plain code on purpose: it must work when everything
 * else hangs.
 */
import { Effect } from "effect"
import { constants } from "node:os"

/** `timeout` and the like signal the process and then its group; nobody is as quick on purpose. */
const copyWindowNanos = 20_000_000n
/** npm passes a Ctrl-C on that the terminal has delivered already, and takes its time. */
const npmCopyWindowNanos = 300_000_000n

/** Watches for a second signal until the scope closes; an equal one right after the first is a copy of it. */
export const endOnSecondSignal = (viaNpm: boolean) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      let first: { readonly signal: NodeJS.Signals; readonly at: bigint } | undefined
      const onSignal = (signal: NodeJS.Signals) => {
        const at = process.hrtime.bigint()
        if (first === undefined) {
          first = { signal, at }
          return
        }
        const window = viaNpm ? npmCopyWindowNanos : copyWindowNanos
        if (signal === first.signal && at - first.at < window) return
        process.exit(128 + constants.signals[signal])
      }
      process.on("SIGINT", onSignal)
      process.on("SIGTERM", onSignal)
      return onSignal
    }),
    (onSignal) =>
      Effect.sync(() => {
        process.off("SIGINT", onSignal)
        process.off("SIGTERM", onSignal)
      })
  )
