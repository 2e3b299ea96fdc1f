import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { join } from "node:path"
import { ledger } from "../../../../src/programs/cli/ledger.ts"
import { documents, runCommand } from "../../../fixtures/commands.ts"
import { didNumber } from "../../../fixtures/dids.ts"
import { foreignNode } from "../../../fixtures/foreignNode.ts"
import { temporaryDirectory } from "../../../fixtures/temporaryDirectory.ts"

const pay = (dataDir: string, ...more: ReadonlyArray<string>) =>
  runCommand(ledger, ["pay", "--to", didNumber(7).text, "--amount", "1", "--data-dir", dataDir, ...more])

describe("writing to the ledger", () => {
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
