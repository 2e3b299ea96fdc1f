import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Option, Result } from "effect"
import { TestClock } from "effect/testing"
import * as IdentityMemory from "../../../src/layers/IdentityMemory.ts"
import type { LedgerEngine, LedgerShelf } from "../../../src/layers/ledger/Engine.ts"
import * as Service from "../../../src/layers/ledger/service.ts"
import * as LedgerMemory from "../../../src/layers/LedgerMemory.ts"
import * as MetricsMemory from "../../../src/layers/MetricsMemory.ts"
import * as Metric from "../../../src/domain/metrics.ts"
import { Identity } from "../../../src/services/Identity.ts"
import { LedgerError, LedgerStorageFailed } from "../../../src/services/Ledger.ts"
import { Metrics } from "../../../src/services/Metrics.ts"
import { account } from "../../fixtures/ledgerCoop.ts"
import { catchUp, committed, cooperativeOf, pay, refusal } from "../../fixtures/ledgerPeople.ts"

const reasonOf = <A>(effect: Effect.Effect<A, LedgerError>) =>
  Effect.map(Effect.result(effect), (result) => (Result.isFailure(result) ? result.failure.reason : undefined))

/** A ledger in memory, with something around its engine. */
const ledgerWith = Effect.fnUntraced(function* (
  around: (engine: LedgerEngine) => LedgerEngine,
  change: (shelf: LedgerShelf) => Partial<LedgerShelf> = () => ({})
) {
  const identity = yield* IdentityMemory.make(Buffer.alloc(32, 7))
  const shelf = LedgerMemory.shelfOf(identity)
  const changed = { ...shelf, open: (coop: string) => Effect.map(shelf.open(coop), around), ...change(shelf) }
  return yield* Effect.provideService(Service.make(changed), Identity, identity)
})

const ledgerOf = (key: number, awaitOwnChain: boolean) =>
  Effect.flatMap(IdentityMemory.make(Buffer.alloc(32, key)), (identity) =>
    Effect.provideService(LedgerMemory.make({ awaitOwnChain }), Identity, identity)
  )

const bob = account("bob")
const unreadable = new LedgerError({
  reason: new LedgerStorageFailed({ path: "books", reason: "other", detail: "the disk went away" })
})
const lost = { _tag: "CommitUnknown", detail: "the disk went away" } as const

describe("the ledger's service", () => {
  it.effect("says that it does not know when the store fails while it commits, and can be asked later", () =>
    Effect.gen(function* () {
      let fails: "no" | "before" | "after" = "no"
      const ledger = yield* ledgerWith((engine) => ({
        ...engine,
        write: (name, ...args) => {
          if (fails === "no" || name === "outcome") return engine.write(name, ...args)
          return fails === "before" ? Effect.fail(lost) : Effect.andThen(engine.write(name, ...args), Effect.fail(lost))
        }
      }))
      committed(yield* ledger.transfer({ to: bob, amount: 1 }))
      fails = "after"
      const there = { to: bob, amount: 2, idempotencyKey: "there" }
      assert.deepStrictEqual(yield* ledger.transfer(there), {
        _tag: "Unknown",
        idempotencyKey: "there",
        detail: lost.detail
      })
      fails = "before"
      const gone = { to: bob, amount: 3, idempotencyKey: "gone" }
      assert.strictEqual((yield* ledger.transfer(gone))._tag, "Unknown")
      assert.strictEqual((yield* reasonOf(ledger.quarantine.purge))?._tag, "LedgerStorageFailed")
      fails = "no"
      const known = committed(Option.getOrThrow(yield* ledger.outcome("there")))
      assert.isTrue(Option.isNone(yield* ledger.outcome("gone")))
      assert.deepStrictEqual(yield* ledger.transfer(there), known)
      committed(yield* ledger.transfer(gone))
      assert.strictEqual(yield* ledger.journalVersion, 4)
    })
  )

  it.effect("takes no more requests than it keeps, and the others again when there is room", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const ledger = yield* ledgerWith((engine) => ({
        ...engine,
        write: (name, ...args) =>
          name === "write"
            ? Effect.andThen(Deferred.await(gate), engine.write(name, ...args))
            : engine.write(name, ...args)
      }))
      yield* ledger.ensureCooperative
      const waiting: Array<Fiber.Fiber<unknown, LedgerError>> = []
      for (let count = 0; count < 4096; count++) {
        waiting.push(yield* Effect.forkChild(ledger.append({ kind: "ack" }), { startImmediately: true }))
      }
      assert.strictEqual((yield* reasonOf(ledger.transfer({ to: bob, amount: 1 })))?._tag, "LedgerBusy")
      for (const fiber of waiting.slice(1)) yield* Fiber.interrupt(fiber)
      const next = yield* Effect.forkChild(ledger.transfer({ to: bob, amount: 1 }), { startImmediately: true })
      yield* Deferred.succeed(gate, undefined)
      committed(yield* Fiber.join(next))
    })
  )

  it.effect("puts no other cooperative in the place of one that is being written", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const ledger = yield* ledgerWith((engine) => ({
        ...engine,
        write: (name, ...args) =>
          name === "write"
            ? Effect.andThen(Deferred.await(gate), engine.write(name, ...args))
            : engine.write(name, ...args)
      }))
      const { currencies } = yield* ledger.ensureCooperative
      const paying = yield* Effect.forkChild(ledger.transfer({ to: bob, amount: 1 }), { startImmediately: true })
      const founding = yield* Effect.forkChild(reasonOf(ledger.found({ name: "Another", currencies })), {
        startImmediately: true
      })
      assert.isUndefined(founding.pollUnsafe())
      yield* Deferred.succeed(gate, undefined)
      committed(yield* Fiber.join(paying))
      assert.strictEqual((yield* Fiber.join(founding))?._tag, "CooperativeInUse")
      assert.strictEqual(yield* ledger.journalVersion, 2)
    })
  )

  it.effect("judges windows of runs in the order in which they came, whichever is verified first", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      let windows = 0
      const ledger = yield* ledgerWith((engine) => ({
        ...engine,
        verifySignatures: (entries, verify) => {
          const verified = engine.verifySignatures(entries, verify)
          return verify === "runs" && windows++ === 0 ? Effect.andThen(Deferred.await(gate), verified) : verified
        }
      }))
      const alice = yield* LedgerMemory.make().pipe(
        Effect.provideService(Identity, yield* IdentityMemory.make(Buffer.alloc(32, 8)))
      )
      yield* cooperativeOf(alice, ledger)
      for (let payment = 0; payment < 3; payment++) yield* pay(alice, ledger, 1)
      const { entries } = yield* alice.missing(yield* ledger.heads, { version: 0, max: 10, bytesMax: 100_000 })
      const receive = (from: number, to: number) =>
        Effect.forkChild(ledger.receive(entries.slice(from, to), "runs"), { startImmediately: true })
      const [first, second, third] = [yield* receive(0, 1), yield* receive(1, 2), yield* receive(2, 3)]
      yield* TestClock.adjust(50)
      assert.isUndefined(second.pollUnsafe())
      // One that goes away leaves its place to the next.
      yield* Fiber.interrupt(second)
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual((yield* Fiber.join(first)).added, 1)
      assert.strictEqual((yield* Fiber.join(third)).pending, 1)
      assert.strictEqual((yield* ledger.receive(entries, "runs")).added, 2)
    })
  )

  it.effect("counts what is written, received and recomputed", () =>
    Effect.gen(function* () {
      const metrics = yield* Metrics
      const [alice, other] = [yield* ledgerWith((engine) => engine), yield* LedgerMemory.make()]
      yield* cooperativeOf(alice, other)
      const request = { to: other.account, amount: 250, idempotencyKey: "one" }
      for (let count = 0; count < 3; count++) committed(yield* alice.transfer(request))
      refusal(yield* alice.transfer({ to: other.account, amount: 20_000 }))
      yield* catchUp(other, alice)
      yield* pay(other, alice, 1)
      yield* catchUp(alice, other)
      const page = yield* other.missing([], { version: 0, max: 100, bytesMax: 100_000 })
      yield* alice.receive([...page.entries, { body: Uint8Array.of(1), signature: Uint8Array.of(2) }], "each")
      yield* alice.recomputeBalances
      yield* alice.verify
      yield* TestClock.adjust("2 seconds")
      const transactions = (kind: "member" | "transfer", origin: "own" | "received") =>
        metrics.value(Metric.ledgerTransactions, { kind, origin })
      // Both nodes count here.
      assert.strictEqual(yield* transactions("transfer", "own"), 2)
      assert.strictEqual(yield* transactions("transfer", "received"), 2)
      assert.strictEqual(yield* metrics.value(Metric.ledgerTransactionAmount, {}), 4)
      assert.strictEqual(yield* metrics.value(Metric.ledgerAppends, { result: "committed" }), 5)
      assert.strictEqual(yield* metrics.value(Metric.ledgerAppends, { result: "refused" }), 1)
      assert.strictEqual(yield* metrics.value(Metric.ledgerEntriesDiscarded, { reason: "known" }), 4)
      assert.strictEqual(yield* metrics.value(Metric.ledgerEntriesDiscarded, { reason: "malformed" }), 1)
      assert.strictEqual(yield* metrics.value(Metric.ledgerRecomputations, { result: "applied" }), 1)
      assert.strictEqual(yield* metrics.value(Metric.ledgerVerifications, { result: "ok" }), 1)
    }).pipe(Effect.provideServiceEffect(Identity, IdentityMemory.make()), Effect.provide(MetricsMemory.layer))
  )

  it.effect("keeps what it serves when another cannot be put in its place", () =>
    Effect.gen(function* () {
      let full = false
      const failure = Effect.fail(
        new LedgerError({ reason: new LedgerStorageFailed({ path: "serving.json", reason: "full", detail: "full" }) })
      )
      const ledger = yield* ledgerWith(
        (engine) => engine,
        (shelf) => ({ serve: (coop, genesis) => (full ? failure : shelf.serve(coop, genesis)) })
      )
      const { currencies, id } = yield* ledger.ensureCooperative
      full = true
      assert.strictEqual((yield* reasonOf(ledger.found({ name: "Another", currencies })))?._tag, "LedgerStorageFailed")
      assert.strictEqual(Option.getOrThrow(yield* ledger.cooperative).id, id)
      committed(yield* ledger.transfer({ to: bob, amount: 1 }))
    })
  )

  it.effect("goes on counting after a time in which nothing could be read, and counts what came meanwhile", () =>
    Effect.gen(function* () {
      let isBroken = false
      const ledger = yield* ledgerWith((engine) => ({
        ...engine,
        read: (name, ...args) => (isBroken && name === "tally" ? Effect.fail(unreadable) : engine.read(name, ...args))
      }))
      const metrics = yield* Metrics
      const payments = metrics.value(Metric.ledgerTransactions, { kind: "transfer", origin: "own" })
      const paid = Effect.andThen(
        Effect.map(ledger.transfer({ to: bob, amount: 1 }), committed),
        TestClock.adjust("2 seconds")
      )
      yield* paid
      assert.strictEqual(yield* payments, 1)
      isBroken = true
      yield* paid
      assert.strictEqual(yield* payments, 1)
      assert.isAtLeast(yield* metrics.value(Metric.supervisorErrors, { operation: "ledger" }), 1)
      isBroken = false
      yield* paid
      assert.strictEqual(yield* payments, 3)
    }).pipe(Effect.provide(MetricsMemory.layer))
  )

  it.effect("does not start over books without a first entry, unless somebody kept it", () =>
    Effect.gen(function* () {
      const identity = yield* IdentityMemory.make(Buffer.alloc(32, 7))
      const first = yield* Effect.provideService(LedgerMemory.make(), Identity, identity)
      const { genesis, id } = yield* first.ensureCooperative
      const shelf = LedgerMemory.shelfOf(identity)
      const start = (kept: typeof genesis | undefined) =>
        Service.make({ ...shelf, serving: Effect.succeed(id), genesis: () => Effect.succeed(kept) }).pipe(
          Effect.provideService(Identity, identity)
        )
      const failed = yield* Effect.exit(start(undefined))
      const error = Option.getOrUndefined(Exit.findErrorOption(failed))
      assert.strictEqual(error?.reason._tag, "LedgerStorageFailed")
      const ledger = yield* start(genesis)
      assert.strictEqual(Option.getOrThrow(yield* ledger.cooperative).id, id)
      assert.strictEqual(refusal(yield* ledger.append({ kind: "ack" })), "nothingToDo")
    })
  )

  it.effect("lets who waits to write into books that are replaced go on with those that take their place", () =>
    Effect.gen(function* () {
      const [first, second, ledger] = [yield* ledgerOf(1, false), yield* ledgerOf(2, false), yield* ledgerOf(3, true)]
      yield* ledger.serve((yield* first.ensureCooperative).genesis)
      const waiting = yield* Effect.forkChild(ledger.transfer({ to: bob, amount: 1 }), { startImmediately: true })
      yield* ledger.serve((yield* second.ensureCooperative).genesis)
      yield* ledger.ownChainChecked
      assert.strictEqual(refusal(yield* Fiber.join(waiting)), "notMember")
    })
  )
})
