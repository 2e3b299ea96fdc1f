import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { workWithNode } from "../../../src/programs/rpc/client.ts"
import type { LedgerHistoryQuery } from "../../../src/programs/rpc/ledgerApi.ts"
import { didAccount } from "../../../src/domain/ledgerView.ts"
import { didNumber } from "../../fixtures/dids.ts"
import { exchange, ledgerNode, ledgerNodeOf } from "../../fixtures/ledgerNodes.ts"

const everything: LedgerHistoryQuery = {
  of: null,
  everyone: false,
  all: false,
  limit: 1_000_000,
  sinceVersion: null,
  sinceMillis: null,
  before: null
}

const payee = didNumber(7)

describe("the local socket, about the ledger", () => {
  it.live("tells a history that is longer than any answer may be", () =>
    Effect.gen(function* () {
      const { dataDir, ledger } = yield* ledgerNode
      // Control characters aside, nothing is longer as JSON.
      const memo = '"'.repeat(256)
      for (let number = 0; number < 1300; number++) yield* ledger.transfer({ to: didAccount(payee), amount: 1, memo })
      const lines = yield* workWithNode(dataDir, (client) => Stream.runCollect(client.LedgerHistory(everything)))
      assert.isAbove(JSON.stringify(lines).length, 1_048_576)
      assert.deepStrictEqual(
        lines.map(({ version }) => version),
        Array.from({ length: 1300 }, (_, index) => 1301 - index)
      )
      const limited = yield* workWithNode(dataDir, (client) =>
        Stream.runCollect(client.LedgerHistory({ ...everything, limit: 300, before: 1000 }))
      )
      assert.deepStrictEqual([limited.length, limited[0]?.version, limited.at(-1)?.version], [300, 999, 700])
    })
  )

  it.live("tells what became of a request, by its key", () =>
    Effect.gen(function* () {
      const { dataDir } = yield* ledgerNode
      const answers = yield* workWithNode(dataDir, (client) =>
        Effect.gen(function* () {
          const intent = { _tag: "Pay", to: payee, amount: "1.00", currency: null } as const
          const none = yield* client.LedgerOutcome({ idempotencyKey: "k" })
          const written = yield* client.LedgerWrite({ intent, memo: "", idempotencyKey: "k" })
          const later = yield* client.LedgerOutcome({ idempotencyKey: "k" })
          return { none, written, later }
        })
      )
      const entryId = answers.written.entryId
      assert.isNotNull(entryId)
      assert.deepStrictEqual(answers, {
        none: null,
        written: { status: "committed", entryId, reason: null, what: `1.00 hours to ${payee.text}` },
        later: { status: "committed", entryId, reason: null, what: null }
      })
    })
  )

  it.live("fails with what is wrong with the request or the ledger, as it is", () =>
    Effect.gen(function* () {
      const steward = yield* ledgerNode
      const member = yield* ledgerNodeOf(steward)
      const pay = (amount: string) =>
        workWithNode(member.dataDir, (client) =>
          client.LedgerWrite({
            intent: { _tag: "Pay", to: payee, amount, currency: null },
            memo: "",
            idempotencyKey: `pay ${amount}`
          })
        )
      const unclear = yield* Effect.flip(pay("1.234"))
      assert.strictEqual(unclear._tag, "LedgerRequestInvalid")
      yield* pay("1")
      yield* exchange(steward.ledger, member.ledger)
      // Somebody has seen more of its chain than it knows itself: a copy of its data is in use elsewhere.
      yield* member.ledger.seenOwn(5)
      const behind = yield* Effect.flip(pay("2"))
      assert.strictEqual(behind._tag === "LedgerError" ? behind.reason._tag : behind._tag, "ChainBehind")
      assert.include(behind.message, "an old copy of the data directory")
      const status = yield* workWithNode(member.dataDir, (client) => client.LedgerOverview())
      assert.deepInclude(status, { ownSeq: 0, seenSeq: 5, ownBehind: 5 })
    })
  )
})
