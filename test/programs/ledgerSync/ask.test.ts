import { assert, describe } from "@effect/vitest"
import { Cause, Clock, Deferred, Effect, Exit, Fiber, Option, Result } from "effect"
import { everybody } from "../../../src/domain/ledgerReconcile.ts"
import { askOwnChain, exchange, type Exchange, windowsTaken } from "../../../src/programs/ledgerSync/ask.ts"
import { answer } from "../../../src/programs/ledgerSync/answer.ts"
import { Callers } from "../../../src/programs/ledgerSync/Callers.ts"
import { LedgerSyncError } from "../../../src/programs/ledgerSync/errors.ts"
import type { SealedBytes } from "../../../src/protocol/ledgerBatch.ts"
import {
  type AnswererMessage,
  type AskerMessage,
  decodeAsker,
  encodeAnswerer,
  ledgerSyncProtocol,
  windowEntriesMax
} from "../../../src/protocol/ledgerSync.ts"
import { Ledger } from "../../../src/services/Ledger.ts"
import {
  everythingOf,
  forge,
  makeCoop,
  pays,
  stateOf,
  type SyncNode,
  until,
  worldTest
} from "../../fixtures/ledgerSyncNodes.ts"

/** Answers a node's exchanges as the real program does, and nothing else. */
const answering = (node: SyncNode, coop: string) =>
  node.manager
    .handle(
      ledgerSyncProtocol,
      answer(coop, {
        callers: new Callers(),
        isKnown: () => false,
        presented: () => undefined,
        sent: () => Effect.void
      })
    )
    .pipe(Effect.provide(node.context))

/** Answers with whatever a test says; `undefined` is silence. */
const scripted = (
  node: SyncNode,
  script: (message: AskerMessage, count: number) => AnswererMessage | Uint8Array | undefined
) => {
  const heard: Array<AskerMessage> = []
  return Effect.as(
    node.manager.handle(ledgerSyncProtocol, (stream) =>
      Effect.gen(function* () {
        for (;;) {
          const frame = yield* stream.receive
          if (Option.isNone(frame)) return
          const message = Result.getOrThrow(decodeAsker(frame.value))
          heard.push(message)
          const said = script(message, heard.length)
          if (said !== undefined) yield* stream.send(said instanceof Uint8Array ? said : encodeAnswerer(said))
        }
      })
    ),
    heard
  )
}

const exchangeOf = (from: SyncNode, to: SyncNode, coop: string, seen: Array<Exchange> = []) =>
  exchange(coop, to.did, (state) => Effect.sync(() => void seen.push(state))).pipe(Effect.provide(from.context))

/** An exchange of a node whose ledger does some things in another way. */
const exchangeWith = (change: Partial<Ledger["Service"]>, from: SyncNode, to: SyncNode, coop: string) =>
  exchange(coop, to.did, () => Effect.void).pipe(
    Effect.provideService(Ledger, { ...from.ledger, ...change }),
    Effect.provide(from.context)
  )

/** Two members, connected; nothing runs yet. */
const two = Effect.fnUntraced(function* (world: Parameters<Parameters<typeof worldTest>[1]>[0]) {
  const { info, nodes } = yield* makeCoop(world, 3, 1_000_000)
  const [a, b] = nodes
  if (a === undefined || b === undefined) return yield* Effect.die("nobody")
  yield* b.connect(a)
  return { a, b, coop: info.id, nodes }
})

const pay = (from: SyncNode, to: SyncNode, count: number) =>
  Effect.forEach(
    Array.from({ length: count }, (_, at) => at),
    (at) => from.ledger.transfer({ to: to.account, amount: 1, memo: `${at}` }),
    { discard: true }
  )

const welcome: AnswererMessage = { _tag: "Welcome", entries: 5, own: [] }
const split: AnswererMessage = { _tag: "Answers", answers: [{ _tag: "Split" }] }

const window = (entries: ReadonlyArray<SealedBytes>): AnswererMessage => ({ _tag: "Window", entries, done: false })

/** The reason for which an exchange fails. */
const failure = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.map(Effect.flip(effect), (error) =>
    error instanceof LedgerSyncError ? error.reason._tag : `another failure: ${String(error)}`
  )

describe("exchange", () => {
  worldTest("brings everything that the other one has, and then finds nothing more", (world) =>
    Effect.gen(function* () {
      const { a, b, coop } = yield* two(world)
      yield* answering(a, coop)
      yield* pay(a, b, 40)
      const seen: Array<Exchange> = []
      const done = yield* exchangeOf(b, a, coop, seen)
      assert.deepStrictEqual(done, { entries: 43, lacking: 41, received: 41, isComplete: true })
      assert.strictEqual(seen.at(-1)?.received, 41)
      assert.deepStrictEqual(yield* stateOf(b), yield* stateOf(a))
      assert.deepStrictEqual(yield* exchangeOf(b, a, coop), {
        entries: 43,
        lacking: 0,
        received: 0,
        isComplete: true
      })
    })
  )

  worldTest("goes on after a cut with what had come by then", (world) =>
    Effect.gen(function* () {
      const { a, b, coop } = yield* two(world)
      yield* answering(a, coop)
      yield* pay(a, b, windowEntriesMax + 200)
      const cut = exchange(coop, a.did, ({ received }) => (received > 0 ? b.manager.close(a.did) : Effect.void))
      assert.isTrue(Exit.isFailure(yield* Effect.exit(Effect.provide(cut, b.context))))
      const came = yield* b.ledger.journalVersion
      assert.isAtLeast(came, windowEntriesMax)
      assert.isBelow(came, yield* a.ledger.journalVersion)
      // What was only vouched for is verified by then.
      yield* until(Effect.map(b.ledger.status, ({ vouched }) => vouched === 0))
      yield* b.connect(a)
      const second = yield* exchangeOf(b, a, coop)
      assert.isTrue(second.isComplete)
      assert.strictEqual(second.received, (yield* a.ledger.journalVersion) - came)
      assert.deepStrictEqual(yield* stateOf(b), yield* stateOf(a))
    })
  )

  worldTest("gets the branch of a fork that only entries of others refer to", (world) =>
    Effect.gen(function* () {
      const { a, b, coop, nodes } = yield* two(world)
      const [, , cheat] = nodes
      if (cheat === undefined) return
      const transfer = { kind: "transfer" } as const
      const one = yield* forge(a, 3, transfer, { legs: pays(cheat.account, a.account, 10) })
      const other = yield* forge(a, 3, transfer, { legs: pays(cheat.account, b.account, 20) })
      const branch = [other]
      for (let more = 0; more < 20; more++) {
        branch.push(yield* forge(a, 3, transfer, { legs: pays(cheat.account, a.account, 30 + more) }, branch))
      }
      // One has the branch and relies on its end, the other one knows both chains and has parked what it can.
      yield* a.ledger.receive(branch, "each")
      yield* a.ledger.ownChainChecked
      yield* a.ledger.append({ kind: "ack" })
      yield* a.ledger.receive([one], "each")
      yield* b.ledger.receive((yield* everythingOf(a.ledger)).slice(0, 3), "each")
      yield* b.ledger.receive([one, other], "each")
      yield* answering(a, coop)
      assert.isTrue((yield* exchangeOf(b, a, coop)).isComplete)
      assert.deepStrictEqual(yield* stateOf(b), yield* stateOf(a))
      assert.strictEqual((yield* b.ledger.status).quarantine.pending, 0)
    })
  )

  worldTest("asks by name for what entries refer to and nobody sent, deeper each time", (world) =>
    Effect.gen(function* () {
      const { a, b, coop } = yield* two(world)
      yield* pay(a, b, 6)
      const everything = yield* everythingOf(a.ledger)
      const known = yield* b.ledger.journalVersion
      const depths: Array<number> = []
      let next = everything.length
      yield* scripted(a, (message) => {
        if (message._tag === "Hello") return welcome
        if (message._tag === "Compare") return split
        if (message._tag === "Fetch") depths.push(message.depth)
        // One entry each time, from the newest on, and at last all that is left.
        next = depths.length < 4 ? next - 1 : known
        return { _tag: "Window", entries: everything.slice(next, depths.length < 4 ? next + 1 : undefined), done: true }
      })
      assert.isTrue((yield* exchangeOf(b, a, coop)).isComplete)
      assert.deepStrictEqual(depths, [1, 2, 4, 8])
      assert.deepStrictEqual(yield* stateOf(b), yield* stateOf(a))
    })
  )

  worldTest("breaks off when the answers are not what they should be", (world) =>
    Effect.gen(function* () {
      const { a, b, coop } = yield* two(world)
      const foreign = yield* forge(a, 9, { kind: "transfer" }, { legs: pays(a.account, b.account, 1) })
      const [genesis] = yield* everythingOf(a.ledger)
      const unsigned = { body: foreign.body, signature: new Uint8Array(64) }
      const scripts: ReadonlyArray<readonly [(message: AskerMessage) => AnswererMessage | Uint8Array, string]> = [
        [() => Uint8Array.of(1, 2, 3), "SyncMalformed"],
        [() => ({ _tag: "Refused", reason: "notMember" }), "SyncRefused"],
        [() => split, "SyncMalformed"],
        // Somebody else's entry, and one that nobody signed, shown as ours.
        [() => ({ _tag: "Welcome", entries: 5, own: genesis === undefined ? [] : [genesis] }), "SyncMalformed"],
        [() => ({ _tag: "Welcome", entries: 5, own: [unsigned] }), "SyncMalformed"],
        [({ _tag }) => (_tag === "Hello" ? welcome : { _tag: "Answers", answers: [] }), "SyncMalformed"],
        [({ _tag }) => (_tag === "Hello" ? welcome : _tag === "Compare" ? split : window([unsigned])), "SyncMalformed"]
      ]
      for (const [script, expected] of scripts) {
        const failed = yield* Effect.scoped(
          Effect.andThen(
            scripted(a, script),
            Effect.suspend(() => failure(exchangeOf(b, a, coop)))
          )
        )
        assert.strictEqual(failed, expected)
      }
      assert.strictEqual((yield* b.ledger.status).seenSeq, -1)
    })
  )

  worldTest("ends when the other side is silent, wants everything split, or sends the same for ever", (world) =>
    Effect.gen(function* () {
      const { a, b, coop } = yield* two(world)
      const everything = yield* everythingOf(a.ledger)
      const silent = scripted(a, () => undefined)
      assert.strictEqual(
        yield* Effect.scoped(
          Effect.andThen(
            silent,
            Effect.suspend(() => failure(exchangeOf(b, a, coop)))
          )
        ),
        "SyncSilent"
      )
      const splits = scripted(a, (message) => {
        if (message._tag === "Hello") return welcome
        if (message._tag === "Compare")
          return { _tag: "Answers", answers: message.marks.map(() => ({ _tag: "Split" })) }
        return { _tag: "Window", entries: [], done: true }
      })
      const ended = yield* Effect.scoped(
        Effect.andThen(
          splits,
          Effect.suspend(() => exchangeOf(b, a, coop))
        )
      )
      assert.isTrue(ended.isComplete)
      const stale = scripted(a, (message) => {
        if (message._tag === "Hello") return welcome
        if (message._tag === "Compare")
          return { _tag: "Answers", answers: message.marks.map(() => ({ _tag: "Split" })) }
        return { _tag: "Window", entries: everything.slice(0, 1), done: false }
      })
      const failed = yield* Effect.scoped(
        Effect.andThen(
          stale,
          Effect.suspend(() => failure(exchangeOf(b, a, coop)))
        )
      )
      assert.strictEqual(failed, "SyncTooMuch")
    })
  )

  worldTest("asks for the next window while one is stored, and for no more before it is", (world) =>
    Effect.gen(function* () {
      const { a, b, coop } = yield* two(world)
      yield* pay(a, b, 10)
      const everything = yield* everythingOf(a.ledger)
      let from = yield* b.ledger.journalVersion
      const heard = yield* scripted(a, (message) => {
        if (message._tag === "Hello") return welcome
        if (message._tag === "Compare") return split
        from += 1
        return { _tag: "Window", entries: everything.slice(from - 1, from), done: from >= everything.length }
      })
      const nexts = () => heard.filter(({ _tag }) => _tag === "Next").length
      const gate = yield* Deferred.make<void>()
      let taken = 0
      const receive: Ledger["Service"]["receive"] = (entries, verify) => {
        taken += 1
        return Effect.andThen(Deferred.await(gate), b.ledger.receive(entries, verify))
      }
      const exchanging = yield* Effect.forkChild(exchangeWith({ receive }, b, a, coop))
      yield* until(Effect.sync(() => taken === windowsTaken && nexts() > 0))
      yield* Effect.sleep(5000)
      assert.deepStrictEqual([taken, nexts()], [windowsTaken, windowsTaken - 1])
      yield* Deferred.succeed(gate, undefined)
      assert.isTrue((yield* Fiber.join(exchanging)).isComplete)
      assert.deepStrictEqual(yield* stateOf(b), yield* stateOf(a))
    })
  )

  worldTest("waits for proofs as long as less is only vouched for each time, before anybody waits for it", (world) =>
    Effect.gen(function* () {
      const { a, b, coop } = yield* two(world)
      const heard = yield* scripted(a, (message) => {
        if (message._tag === "Hello") return welcome
        return message._tag === "Compare" ? split : { _tag: "Window", entries: [], done: true }
      })
      const waited = (vouchedAt: (look: number) => number) =>
        Effect.gen(function* () {
          let looks = 0
          const status = Effect.map(b.ledger.status, (real) => {
            assert.deepStrictEqual(heard, [])
            return { ...real, vouched: vouchedAt(looks++) }
          })
          const before = yield* Clock.currentTimeMillis
          yield* exchangeWith({ status }, b, a, coop)
          heard.length = 0
          return Math.round(((yield* Clock.currentTimeMillis) - before) / 1000)
        })
      assert.strictEqual(yield* waited(() => 0), 0)
      // More than the 5 s after which it gives up what stays as it is.
      assert.strictEqual(yield* waited((look) => Math.max(0, 600 - look)), 120)
      assert.strictEqual(yield* waited(() => 7), 5)
      assert.strictEqual(yield* waited((look) => 1_000_000 - look), 200)
    })
  )

  worldTest("lets others have their turn after a minute", (world) =>
    Effect.gen(function* () {
      const { a, b, coop } = yield* two(world)
      const slow = scripted(a, (message) => {
        if (message._tag === "Hello") return welcome
        if (message._tag === "Compare") return { _tag: "Answers", answers: [{ _tag: "Split" }] }
        return { _tag: "Window", entries: [], done: false }
      })
      const ended = yield* Effect.scoped(
        Effect.andThen(
          slow,
          Effect.suspend(() => exchangeOf(b, a, coop))
        )
      )
      assert.isFalse(ended.isComplete)
    })
  )

  worldTest("asks for everything where it knows nobody", (world) =>
    Effect.gen(function* () {
      const { a, b, coop } = yield* two(world)
      const heard = yield* scripted(a, (message) => {
        if (message._tag === "Hello") return welcome
        if (message._tag === "Compare")
          return { _tag: "Answers", answers: message.marks.map(() => ({ _tag: "Split" })) }
        return { _tag: "Window", entries: [], done: true }
      })
      yield* exchangeOf(b, a, coop)
      const wants = heard.flatMap((message) => (message._tag === "Want" ? message.wants.ranges : []))
      assert.strictEqual(wants[0]?.from, everybody.from)
      assert.strictEqual(wants.find(({ to }) => to === "")?.to, everybody.to)
    })
  )

  worldTest("only asks for the own chain, and believes nothing that is not signed", (world) =>
    Effect.gen(function* () {
      const { a, b, coop } = yield* two(world)
      const own = yield* forge(a, 2, { kind: "transfer" }, { legs: pays(b.account, a.account, 1) })
      const forged = { body: own.body, signature: Uint8Array.from(own.signature, (byte) => byte ^ 1) }
      const ask = Effect.suspend(() => askOwnChain(coop, a.did).pipe(Effect.provide(b.context)))
      const shows = (entry: SealedBytes) => scripted(a, () => ({ _tag: "Welcome", entries: 9, own: [entry] }))
      const exit = yield* Effect.scoped(Effect.andThen(shows(forged), Effect.exit(ask)))
      assert.isTrue(Exit.isFailure(exit) && Option.isSome(Cause.findErrorOption(exit.cause)))
      assert.strictEqual((yield* b.ledger.status).seenSeq, -1)
      yield* Effect.scoped(Effect.andThen(shows(own), ask))
      assert.strictEqual((yield* b.ledger.status).seenSeq, 0)
    })
  )
})
