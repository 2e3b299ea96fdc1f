import { assert, describe, it } from "@effect/vitest"
import {
  LedgerSyncError,
  type LedgerSyncReason,
  SyncMalformed,
  SyncRefused,
  SyncSilent,
  SyncTooMuch
} from "../../../src/programs/ledgerSync/errors.ts"
import { syncRefusals } from "../../../src/protocol/ledgerSync.ts"

describe("LedgerSyncError", () => {
  it("says whose exchange failed and why, and is counted by what it was", () => {
    const cases: ReadonlyArray<readonly [LedgerSyncReason, string, string]> = [
      [new SyncRefused({ reason: "notMember" }), "refused", "it does not know this node as a member"],
      [new SyncRefused({ reason: "busy" }), "limited", "it is asked too often"],
      [new SyncSilent({ millis: 20_000 }), "failed", "no answer within 20000 ms"],
      [new SyncMalformed({ detail: "it greets twice" }), "malformed", "it greets twice"],
      [new SyncTooMuch({ detail: "it wants more than there can be" }), "limited", "it wants more"]
    ]
    for (const [reason, result, problem] of cases) {
      const error = new LedgerSyncError({ peer: "did:key:z6Mk", reason })
      assert.strictEqual(error.result, result)
      assert.match(error.problem, new RegExp(`^${problem}`))
      assert.strictEqual(error.message, `did:key:z6Mk: ${error.problem}`)
    }
  })

  it("has words for every refusal", () => {
    const words = syncRefusals.map(
      (reason) => new LedgerSyncError({ peer: "", reason: new SyncRefused({ reason }) }).problem
    )
    assert.strictEqual(new Set(words).size, syncRefusals.length)
  })
})
