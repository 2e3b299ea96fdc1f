import { assert, describe } from "@effect/vitest"
import { Cause, Clock, Effect, Exit, Fiber, Option, Result } from "effect"
import { ownChainMillisMax } from "../../../src/programs/ledgerSync/ownChainCheck.ts"
import { decodeAsker, encodeAnswerer, ledgerSyncProtocol } from "../../../src/protocol/ledgerSync.ts"
import type { SealedBytes } from "../../../src/protocol/ledgerBatch.ts"
import { LedgerError } from "../../../src/services/Ledger.ts"
import {
  everythingOf,
  forge,
  makeCoop,
  makeNode,
  pays,
  type SyncNode,
  until,
  untilAlike,
  worldTest
} from "../../fixtures/ledgerSyncNodes.ts"

/** How long a payment takes that is asked for at once, in milliseconds, and what becomes of it. */
const payTimed = Effect.fnUntraced(function* (from: SyncNode, to: SyncNode) {
  const began = yield* Clock.currentTimeMillis
  const exit = yield* Effect.exit(from.ledger.transfer({ to: to.account, amount: 1 }))
  return { exit, millis: (yield* Clock.currentTimeMillis) - began }
})

const tagOf = (exit: Effect.Success<ReturnType<typeof payTimed>>["exit"]) => {
  if (Exit.isSuccess(exit)) return exit.value._tag
  const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  return error instanceof LedgerError ? error.reason._tag : "another failure"
}

/** Welcomes everybody with these entries, and says no more. */
const welcoming = (node: SyncNode, own: ReadonlyArray<SealedBytes>) =>
  node.manager.handle(ledgerSyncProtocol, (stream) =>
    Effect.gen(function* () {
      for (;;) {
        const frame = yield* stream.receive
        if (Option.isNone(frame)) return
        const { _tag } = Result.getOrThrow(decodeAsker(frame.value))
        if (_tag === "Hello") yield* stream.send(encodeAnswerer({ _tag: "Welcome", entries: 9, own }))
      }
    })
  )

describe("ownChainCheck", () => {
  worldTest("lets a lone member write at once", (world) =>
    Effect.gen(function* () {
      const lone = yield* makeNode(world, 1)
      const { genesis } = yield* lone.ledger.found({
        name: "Test",
        currencies: [{ symbol: "h", decimals: 0, startingLimit: 9 }]
      })
      // The same cooperative from its data, as after a restart.
      const again = yield* makeNode(world, 1)
      yield* again.ledger.serve(genesis)
      yield* again.start
      const { exit, millis } = yield* payTimed(again, { ...lone, account: "ab".repeat(32) })
      assert.strictEqual(tagOf(exit), "Refused")
      assert.isBelow(millis, 500)
      assert.isTrue((yield* again.sync.status).ownChainChecked)
    })
  )

  worldTest("lets a member write after ten seconds when nobody can be asked", (world) =>
    Effect.gen(function* () {
      const { nodes } = yield* makeCoop(world, 2)
      const [a, b] = nodes
      if (a === undefined || b === undefined) return
      const stranger = yield* makeNode(world, 9)
      yield* b.start
      yield* b.connect(stranger)
      const { exit, millis } = yield* payTimed(b, a)
      assert.strictEqual(tagOf(exit), "Committed")
      assert.isAtLeast(millis, ownChainMillisMax - 500)
      assert.isBelow(millis, ownChainMillisMax + 1000)
    })
  )

  worldTest("lets a member write as soon as who is there has answered", (world) =>
    Effect.gen(function* () {
      const { nodes } = yield* makeCoop(world, 2)
      const [a, b] = nodes
      if (a === undefined || b === undefined) return
      yield* a.start
      yield* b.connect(a)
      yield* b.start
      const { exit, millis } = yield* payTimed(b, a)
      assert.strictEqual(tagOf(exit), "Committed")
      assert.isBelow(millis, 1000)
    })
  )

  worldTest("waits for all who are there, and not longer than for nobody", (world) =>
    Effect.gen(function* () {
      const { nodes } = yield* makeCoop(world, 3)
      const [a, b, c] = nodes
      if (a === undefined || b === undefined || c === undefined) return
      for (const node of nodes) yield* node.ledger.receive(yield* everythingOf(a.ledger), "each")
      yield* a.start
      yield* c.manager.handle(ledgerSyncProtocol, () => Effect.never)
      yield* b.connect(a)
      yield* b.connect(c)
      yield* b.start
      const { exit, millis } = yield* payTimed(b, a)
      assert.strictEqual(tagOf(exit), "Committed")
      assert.isAtLeast(millis, ownChainMillisMax - 500)
      assert.isBelow(millis, ownChainMillisMax + 1000)
    })
  )

  worldTest("catches up with an own chain that is longer elsewhere before it writes", (world) =>
    Effect.gen(function* () {
      const { info, nodes } = yield* makeCoop(world, 3)
      const [a, b, c] = nodes
      if (a === undefined || b === undefined || c === undefined) return
      for (const node of nodes) yield* node.start
      yield* b.connect(a)
      yield* c.connect(a)
      yield* untilAlike(nodes)
      yield* b.ledger.transfer({ to: a.account, amount: 1 })
      yield* untilAlike(nodes)
      const backup = yield* everythingOf(b.ledger)
      for (let payment = 0; payment < 5; payment++) yield* b.ledger.transfer({ to: a.account, amount: 1 })
      yield* untilAlike(nodes)
      const before = (yield* b.ledger.status).ownSeq
      yield* b.stop
      yield* Effect.sleep(1000)

      const restored = yield* makeNode(world, 2)
      yield* restored.ledger.serve(info.genesis)
      yield* restored.ledger.receive(backup, "each")
      assert.isBelow((yield* restored.ledger.status).ownSeq, before)
      yield* restored.start
      const written = yield* Effect.forkChild(
        restored.ledger.transfer({ to: a.account, amount: 7 }).pipe(
          // Refused as long as it is behind, and asked again.
          Effect.catchReason("LedgerError", "ChainBehind", () =>
            Effect.andThen(Effect.sleep(100), Effect.succeed(null))
          ),
          Effect.repeat({ until: (outcome) => outcome !== null })
        )
      )
      yield* restored.connect(a)
      const outcome = yield* Fiber.join(written)
      assert.strictEqual(outcome?._tag, "Committed")
      assert.isAbove((yield* restored.ledger.status).ownSeq, before)
      const state = yield* untilAlike([a, c, restored])
      assert.deepStrictEqual(state?.forks, [])
    })
  )

  worldTest("refuses to write while somebody shows a longer own chain that did not come yet", (world) =>
    Effect.gen(function* () {
      const { nodes } = yield* makeCoop(world, 2)
      const [a, b] = nodes
      if (a === undefined || b === undefined) return
      const first = yield* forge(b, 2, { kind: "transfer" }, { legs: pays(b.account, a.account, 1) })
      yield* welcoming(a, [first])
      yield* b.connect(a)
      yield* b.start
      const { exit } = yield* payTimed(b, a)
      assert.strictEqual(tagOf(exit), "ChainBehind")
      yield* b.ledger.receive([first], "each")
      yield* until(Effect.map(payTimed(b, a), (paid) => tagOf(paid.exit) === "Committed"))
      assert.deepStrictEqual(yield* b.ledger.forks, [])
    })
  )

  worldTest("waits a moment for other members behind the one who came first and knows no more", (world) =>
    Effect.gen(function* () {
      const { nodes } = yield* makeCoop(world, 3)
      const [a, b, c] = nodes
      if (a === undefined || b === undefined || c === undefined) return
      for (const node of nodes) yield* node.ledger.receive(yield* everythingOf(a.ledger), "each")
      const first = yield* forge(b, 2, { kind: "transfer" }, { legs: pays(b.account, a.account, 1) })
      yield* welcoming(c, [first])
      yield* a.start
      yield* b.connect(a)
      yield* b.start
      const paying = yield* Effect.forkChild(payTimed(b, a))
      yield* Effect.sleep(500)
      yield* b.connect(c)
      assert.strictEqual(tagOf((yield* Fiber.join(paying)).exit), "ChainBehind")
    })
  )

  worldTest("is not held up by who shows what this member never wrote", (world) =>
    Effect.gen(function* () {
      const { nodes } = yield* makeCoop(world, 2)
      const [a, b] = nodes
      if (a === undefined || b === undefined) return
      const first = yield* forge(b, 2, { kind: "transfer" }, { legs: pays(b.account, a.account, 1) })
      yield* welcoming(a, [{ body: first.body, signature: new Uint8Array(64) }])
      yield* b.connect(a)
      yield* b.start
      assert.strictEqual(tagOf((yield* payTimed(b, a)).exit), "Committed")
    })
  )
})
