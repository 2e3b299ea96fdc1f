import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect } from "effect"
import { TestConsole } from "effect/testing"
import * as Logging from "../../src/programs/logging.ts"

const onTerminal: Logging.LoggingOptions = { level: "info", format: "auto", isTerminal: true, colors: false }
const inService: Logging.LoggingOptions = { ...onTerminal, isTerminal: false }

/** What goes to standard error. Standard output must stay empty. */
const linesOf = (options: Logging.LoggingOptions, effect: Effect.Effect<void>) =>
  Effect.gen(function* () {
    yield* effect.pipe(Effect.provide(Logging.layer(options)))
    assert.deepStrictEqual(yield* TestConsole.logLines, [])
    return (yield* TestConsole.errorLines).map(String)
  })

const isJson = (line: string | undefined): boolean => line?.startsWith("{") === true

describe("logging", () => {
  it.effect("writes one readable line per event on a terminal", () =>
    Effect.gen(function* () {
      const event = Effect.logWarning("relay lost", { attempt: 2 }).pipe(Effect.annotateLogs({ actor: "turn" }))
      const lines = yield* linesOf(onTerminal, event)
      assert.strictEqual(lines.length, 1)
      assert.match(lines[0] ?? "", /^\d\d:\d\d:\d\d WARN {2}relay lost \{"attempt":2\} actor=turn$/)
    })
  )

  it.effect("colours the level where that is allowed", () =>
    Effect.gen(function* () {
      const [line] = yield* linesOf({ ...onTerminal, colors: true }, Effect.logError("no"))
      assert.include(line, "\u001b[31mERROR\u001b[0m no")
    })
  )

  it.effect("writes one JSON object per line elsewhere, whatever is in the message", () =>
    Effect.gen(function* () {
      const event = Effect.logError("two\nlines", Cause.die(new Error("broken"))).pipe(
        Effect.annotateLogs({ operation: "startup" })
      )
      const lines = yield* linesOf(inService, event)
      assert.strictEqual(lines.length, 1)
      assert.notInclude(lines[0], "\n")
      const record: unknown = JSON.parse(lines[0] ?? "")
      assert.deepInclude(record, { level: "ERROR", message: "two\nlines", annotations: { operation: "startup" } })
      assert.include(JSON.stringify(record), "Error: broken")
    })
  )

  it.effect("indents a defect's stack below its line", () =>
    Effect.gen(function* () {
      const [text = ""] = yield* linesOf(onTerminal, Effect.logError("unexpected", Cause.die(new Error("broken"))))
      const [first, second, ...rest] = text.split("\n")
      assert.match(first ?? "", /ERROR unexpected$/)
      assert.strictEqual(second, "  Error: broken")
      assert.isAtLeast(rest.length, 1)
    })
  )

  it.effect("lets nobody steer the terminal or forge a line", () =>
    Effect.gen(function* () {
      const realm = "evil\u001b[2J\u009b\u007f\n12:00:00 INFO  all is well"
      const event = Effect.logWarning(realm).pipe(Effect.annotateLogs({ realm, count: 10n }))
      const [text = ""] = yield* linesOf(onTerminal, event)
      assert.notMatch(text, /[^\n\P{Cc}]/u)
      assert.include(text, "\n  12:00:00 INFO  all is well")
      assert.include(text, "evil\\u001b[2J")
      assert.notMatch(text, /^12:00:00 INFO/m)
    })
  )

  it.effect("follows the configured format rather than the terminal", () =>
    Effect.gen(function* () {
      const [json] = yield* linesOf({ ...onTerminal, format: "json" }, Effect.logInfo("a"))
      assert.isTrue(isJson(json))
    })
  )

  it.effect("writes for people where that is configured, without a terminal too", () =>
    Effect.gen(function* () {
      const [line] = yield* linesOf({ ...inService, format: "pretty" }, Effect.logInfo("a"))
      assert.isFalse(isJson(line))
    })
  )

  it.effect.each(["trace", "debug", "info", "warn", "error"] as const)("tells nothing below %s", (level) =>
    Effect.gen(function* () {
      const all = Effect.all([
        Effect.logTrace("trace"),
        Effect.logDebug("debug"),
        Effect.logInfo("info"),
        Effect.logWarning("warn"),
        Effect.logError("error")
      ])
      const lines = yield* linesOf({ ...inService, level }, Effect.asVoid(all))
      const levels = ["trace", "debug", "info", "warn", "error"]
      const expected = levels.slice(levels.indexOf(level))
      assert.strictEqual(lines.length, expected.length)
      expected.forEach((message, index) => assert.include(lines[index], `"message":"${message}"`))
    })
  )
})
