/** Which of the cooperatives in a data directory is served. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Option } from "effect"
import * as Fs from "node:fs"
import { join } from "node:path"
import * as DataDirectoryMemory from "../../src/layers/DataDirectoryMemory.ts"
import * as IdentityMemory from "../../src/layers/IdentityMemory.ts"
import * as LedgerSqlite from "../../src/layers/LedgerSqlite.ts"
import { Ledger, LedgerError } from "../../src/services/Ledger.ts"
import { temporaryDirectory } from "../fixtures/temporaryDirectory.ts"

/** Does something with the ledger of a directory, whose configuration may name a cooperative. */
const withLedger = <A, E>(
  directory: string,
  coop: string | undefined,
  use: (ledger: Ledger["Service"]) => Effect.Effect<A, E>
) =>
  Effect.scoped(
    Effect.flatMap(
      Layer.build(
        LedgerSqlite.layerWith({ coop }).pipe(
          Layer.provide([DataDirectoryMemory.layer(directory), IdentityMemory.layer(new Uint8Array(32).fill(1))])
        )
      ),
      (context) => use(Context.get(context, Ledger))
    )
  )

const servedName = ({ cooperative }: Ledger["Service"]) =>
  Effect.map(cooperative, (info) => Option.getOrThrow(info).name)

describe("the cooperative that is served", () => {
  it.live("is the one that the configuration names, of those in the data directory", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const hours = [{ symbol: "hours", decimals: 2, startingLimit: 0 }]
      const found = (name: string) =>
        withLedger(directory, undefined, (ledger) =>
          Effect.map(ledger.found({ name, currencies: hours }), ({ id }) => id)
        )
      const first = yield* found("First")
      // As an operator would, who wants a second one beside it.
      const serving = join(directory, "ledger", "serving.json")
      Fs.renameSync(serving, `${serving}.first`)
      yield* found("Second")
      assert.strictEqual(yield* withLedger(directory, undefined, servedName), "Second")
      assert.strictEqual(yield* withLedger(directory, first, servedName), "First")
      // What was served last stays what it was.
      assert.strictEqual(yield* withLedger(directory, undefined, servedName), "Second")
    })
  )

  it.live("is none, and the node does not start, when the configuration names one that is not there", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const exit = yield* Effect.exit(withLedger(directory, "ab".repeat(32), servedName))
      const error = Option.getOrUndefined(Exit.findErrorOption(exit))
      assert.instanceOf(error, LedgerError)
      assert.match(error instanceof Error ? error.message : "", /cooperative\.coop/)
      assert.deepStrictEqual(Fs.readdirSync(directory), [])
    })
  )
})
