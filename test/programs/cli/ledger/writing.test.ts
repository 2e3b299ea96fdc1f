import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { join } from "node:path"
import { ledger } from "../../../../src/programs/cli/ledger.ts"
import { LedgerError, LedgerStorageFailed } from "../../../../src/services/Ledger.ts"
import { documents, runCommand } from "../../../fixtures/commands.ts"
import { didNumber } from "../../../fixtures/dids.ts"
import { latest, ledgerNodeWith } from "../../../fixtures/ledgerNodes.ts"
import { foreignNode } from "../../../fixtures/foreignNode.ts"
import { temporaryDirectory } from "../../../fixtures/temporaryDirectory.ts"

const pay = (dataDir: string, ...more: ReadonlyArray<string>) =>
  runCommand(ledger, ["pay", "--to", didNumber(7).text, "--amount", "1", "--data-dir", dataDir, ...more])

describe("writing to the ledger", () => {
  it.live("asks once more when the store does not know, and tells what it says then", () =>
    Effect.gen(function* () {
      const detail = "the disk went away"
      const node = yield* ledgerNodeWith((ledger) => ({
        append: (intent, options) =>
          Effect.map(ledger.append(intent, options), ({ idempotencyKey }) => ({
            _tag: "Unknown",
            idempotencyKey,
            detail
          }))
      }))
      const [document] = documents(yield* pay(node.dataDir, "--json"))
      const { id } = yield* latest(node.ledger)
      assert.deepStrictEqual(document, { status: "committed", entryId: id })
    })
  )

  it.live("stays with unknown when asking does not help", () =>
    Effect.gen(function* () {
      const node = yield* ledgerNodeWith(() => ({
        append: () => Effect.succeed({ _tag: "Unknown", idempotencyKey: "", detail: "the disk went away" })
      }))
      const ran = yield* pay(node.dataDir, "--idempotency-key", "mine", "--json")
      assert.deepStrictEqual(documents(ran), [
        { status: "unknown", reason: "the disk went away", idempotencyKey: "mine" }
      ])
      assert.strictEqual(ran.failure?.exitCode, 1)
    })
  )

  it.live("refuses with the reason where nothing could be written", () =>
    Effect.gen(function* () {
      const reason = new LedgerStorageFailed({ path: "/data", reason: "full", detail: "no space left on device" })
      const node = yield* ledgerNodeWith(() => ({ append: () => Effect.fail(new LedgerError({ reason })) }))
      const ran = yield* pay(node.dataDir, "--json")
      assert.deepStrictEqual(documents(ran), [
        {
          status: "refused",
          reason: "LedgerStorageFailed: the ledger in /data failed: no space left on device; make room on the disk"
        }
      ])
    })
  )

  it.live("says that nobody knows, and under which key to ask again, when the node's answer is lost", () =>
    Effect.gen(function* () {
      const dataDir = yield* temporaryDirectory
      yield* foreignNode(join(dataDir, "rpc.sock"), () => {})
      const ran = yield* pay(dataDir)
      assert.deepStrictEqual(ran.lines, [])
      assert.strictEqual(ran.failure?.exitCode, 1)
      assert.match(ran.failure?.text ?? "", /^unknown: [^]*\nask again with --idempotency-key [0-9a-f]{32}: /)
      const [document] = documents(yield* pay(dataDir, "--idempotency-key", "mine", "--json"))
      assert.deepInclude(document, { status: "unknown", idempotencyKey: "mine" })
    })
  )
})
