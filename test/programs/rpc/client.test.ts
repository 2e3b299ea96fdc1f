import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { join } from "node:path"
import { withNode } from "../../../src/programs/rpc/client.ts"
import { foreignNode } from "../../fixtures/foreignNode.ts"
import { temporaryDirectory } from "../../fixtures/temporaryDirectory.ts"

describe("the client of the local socket", () => {
  it.live("asks whether the node is of another version when it cannot read the answer", () =>
    Effect.gen(function* () {
      const dataDir = yield* temporaryDirectory
      yield* foreignNode(join(dataDir, "rpc.sock"), () => {})
      const error = yield* Effect.flip(withNode(dataDir, (client) => client.Status()))
      assert.strictEqual(error._tag, "NodeNotAnswering")
      assert.match(error.message, /Missing key[^]*is it of another version than this command/)
    })
  )
})
