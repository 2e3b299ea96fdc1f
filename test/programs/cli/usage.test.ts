import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stdio } from "effect"
import { Command } from "effect/cli"
import { TestConsole } from "effect/testing"
import { ledger } from "../../../src/programs/cli/ledger.ts"
import { didNumber } from "../../fixtures/dids.ts"
import * as Usage from "../../../src/programs/cli/usage.ts"

/** What a command line that cannot be read, or asks for help, writes. */
const told = (...args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const failed = yield* Effect.isFailure(Command.runWith(ledger, { version: "0" })(args))
    return { failed, lines: yield* TestConsole.logLines, errors: yield* TestConsole.errorLines }
  }).pipe(
    Effect.provide(
      Layer.fresh(
        Layer.mergeAll(
          NodeServices.layer,
          TestConsole.layer,
          Layer.provide(Usage.layer, Stdio.layerTest({ args: Effect.succeed(args) }))
        )
      )
    )
  )

describe("wrong usage", () => {
  it.effect("says what is wrong and where to read on", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* told("pay", "--amount", "1"), {
        failed: true,
        lines: [],
        errors: ['Missing required flag: --to\nsee "ledger pay --help"']
      })
      const { errors } = yield* told("hold", "--to", "bob", "--amount", "1")
      assert.match(String(errors[0]), /^--to: "bob" is not a DID of this network: .*\nsee "ledger hold --help"$/)
      const id = yield* told("void", "abc")
      assert.match(String(id.errors[0]), /^<hold>: "abc" is no id of an entry: it has 64 hex digits\n/)
      const time = yield* told("hold", "--to", didNumber(1).text, "--amount", "1", "--expires-in", "7")
      assert.match(time.errors.join("\n"), /--expires-in: "7"\. Expected: a time from 1m to 366d/)
    })
  )

  it.effect("is a document for scripts", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* told("pay", "--amount", "1", "--json"), {
        failed: true,
        lines: ['{"ok":false,"error":"Missing required flag: --to"}'],
        errors: []
      })
    })
  )

  it.effect("leaves help that was asked for as it is", () =>
    Effect.gen(function* () {
      const { failed, lines, errors } = yield* told("pay", "--help")
      assert.isFalse(failed)
      assert.include(lines.join("\n"), "Pay another member")
      assert.deepStrictEqual(errors, [])
    })
  )
})
