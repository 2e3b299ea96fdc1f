import { assert, describe } from "@effect/vitest"
import { Effect, Option, Result } from "effect"
import { openingMarks, ChainIndex, everybody } from "../../../src/domain/ledgerReconcile.ts"
import { type LedgerSyncResult, ledgerSyncExchanges } from "../../../src/domain/metrics.ts"
import { answer } from "../../../src/programs/ledgerSync/answer.ts"
import { Callers } from "../../../src/programs/ledgerSync/Callers.ts"
import { entryId } from "../../../src/protocol/entry.ts"
import {
  type AnswererMessage,
  type AskerMessage,
  coopHash,
  decodeAnswerer,
  encodeAsker,
  ledgerSyncProtocol,
  type SyncRefusal,
  windowEntriesMax
} from "../../../src/protocol/ledgerSync.ts"
import { Ledger, LedgerError, LedgerStorageFailed } from "../../../src/services/Ledger.ts"
import {
  everythingOf,
  makeCoop,
  makeNode,
  type SyncNode,
  until,
  untilAlike,
  worldTest
} from "../../fixtures/ledgerSyncNodes.ts"

/** A stream to a node, on which anything can be said. */
const speak = Effect.fnUntraced(function* (from: SyncNode, to: SyncNode) {
  yield* from.connect(to)
  const stream = yield* from.manager.open(to.did, ledgerSyncProtocol)
  const hear = Effect.flatMap(stream.receive, (frame) =>
    Effect.map(Effect.fromOption(frame), (bytes): AnswererMessage => Result.getOrThrow(decodeAnswerer(bytes)))
  )
  const say = (message: AskerMessage) => stream.send(encodeAsker(message))
  return { stream, hear, say, ask: (message: AskerMessage) => Effect.andThen(say(message), hear) }
})

const hello = (
  coop: string,
  membership: Extract<AskerMessage, { _tag: "Hello" }>["membership"] = []
): AskerMessage => ({
  _tag: "Hello",
  coop: coopHash(coop),
  entries: 1,
  membership
})

const answered = (node: SyncNode, result: LedgerSyncResult) =>
  node.metrics.value(ledgerSyncExchanges, { role: "answerer", result })

/** A running steward, a member that speaks by hand, and a stranger. */
const three = Effect.fnUntraced(function* (world: Parameters<Parameters<typeof worldTest>[1]>[0]) {
  const { info, nodes, steward } = yield* makeCoop(world, 2)
  const member = nodes[1] ?? steward
  yield* steward.start
  return { coop: info.id, steward, member, stranger: yield* makeNode(world, 9) }
})

const refused = (reason: SyncRefusal): AnswererMessage => ({ _tag: "Refused", reason })

/** The other side gave the stream up. */
const isReset = Effect.fnUntraced(function* ({ stream }: Effect.Success<ReturnType<typeof speak>>) {
  const error = yield* Effect.flip(stream.receive)
  assert.strictEqual(error.reason._tag, "StreamReset")
})

describe("answer", () => {
  worldTest("tells a stranger nothing, and a member everything", (world) =>
    Effect.gen(function* () {
      const { coop, member, steward, stranger } = yield* three(world)
      yield* steward.ledger.transfer({ to: member.account, amount: 1 })
      const strangers = yield* speak(stranger, steward)
      assert.deepStrictEqual(yield* strangers.ask(hello(coop)), refused("notMember"))
      assert.isTrue(Option.isNone(yield* strangers.stream.receive))
      yield* until(Effect.map(answered(steward, "refused"), (count) => count === 1))
      const talk = yield* speak(member, steward)
      const welcome = yield* talk.ask(hello(coop))
      assert.deepStrictEqual(welcome, { _tag: "Welcome", entries: 3, own: [] })
      const marks = openingMarks(new ChainIndex(yield* member.ledger.heads))
      const answers = yield* talk.ask({ _tag: "Compare", marks })
      assert.strictEqual(answers._tag === "Answers" ? answers.answers[0]?._tag : "", "Chains")
      const window = yield* talk.ask({ _tag: "Want", wants: { ranges: [everybody], chains: [] }, last: true })
      assert.strictEqual(window._tag === "Window" ? window.entries.length : 0, 3)
      yield* talk.stream.end
      assert.isTrue(Option.isNone(yield* talk.stream.receive))
      yield* until(Effect.map(answered(steward, "complete"), (count) => count === 1))
    })
  )

  worldTest("tells nothing to who asks for another cooperative, or was excluded, also in the middle", (world) =>
    Effect.gen(function* () {
      const { coop, member, steward } = yield* three(world)
      assert.deepStrictEqual(
        yield* (yield* speak(member, steward)).ask(hello("00".repeat(32))),
        refused("otherCooperative")
      )
      const talk = yield* speak(member, steward)
      assert.strictEqual((yield* talk.ask(hello(coop)))._tag, "Welcome")
      world.excluded.add(member.account)
      const wants = { ranges: [everybody], chains: [] }
      assert.deepStrictEqual(yield* talk.ask({ _tag: "Want", wants, last: true }), refused("notMember"))
      assert.deepStrictEqual(yield* (yield* speak(member, steward)).ask(hello(coop)), refused("notMember"))
    })
  )

  worldTest("lets somebody in who presents a membership that was not known here", (world) =>
    Effect.gen(function* () {
      const { info, nodes } = yield* makeCoop(world, 4)
      const [steward, b, c, d] = nodes
      if (steward === undefined || b === undefined || c === undefined || d === undefined) return
      yield* c.start
      const membership = (node: SyncNode) =>
        Effect.flatMap(steward.ledger.members, (members) =>
          steward.ledger.sealed(members.flatMap(({ account, by }) => (account === node.account ? [by] : [])))
        )
      // What comes before this one is not there yet.
      const early = yield* speak(d, c)
      assert.deepStrictEqual(yield* early.ask(hello(info.id, yield* membership(d))), refused("notMember"))
      assert.deepStrictEqual(yield* (yield* speak(b, c)).ask(hello(info.id)), refused("notMember"))
      const talk = yield* speak(b, c)
      assert.strictEqual((yield* talk.ask(hello(info.id, yield* membership(b))))._tag, "Welcome")
      assert.strictEqual((yield* (yield* speak(d, c)).ask(hello(info.id)))._tag, "Welcome")
    })
  )

  worldTest("answers members while strangers open streams and say nothing", (world) =>
    Effect.gen(function* () {
      const { coop, member, steward } = yield* three(world)
      yield* member.connect(steward)
      yield* until(Effect.map(steward.sync.status, ({ peers }) => peers.length === 1))
      for (let number = 10; number < 16; number++) {
        const stranger = yield* makeNode(world, number)
        for (let stream = 0; stream < 2; stream++) yield* speak(stranger, steward)
      }
      yield* until(Effect.map(answered(steward, "limited"), (count) => count >= 4))
      assert.strictEqual((yield* (yield* speak(member, steward)).ask(hello(coop)))._tag, "Welcome")
    })
  )

  worldTest("gives up streams with garbage or out of order, counts them, and goes on", (world) =>
    Effect.gen(function* () {
      const { coop, member, steward } = yield* three(world)
      const garbage = yield* speak(member, steward)
      yield* garbage.stream.send(Uint8Array.of(1, 2, 3))
      yield* isReset(garbage)
      const next: AskerMessage = { _tag: "Next" }
      const wants = { ranges: [], chains: [] }
      const want: AskerMessage = { _tag: "Want", wants, last: true }
      const wrong: ReadonlyArray<ReadonlyArray<AskerMessage>> = [
        [next],
        [hello(coop), next],
        [hello(coop), hello(coop)],
        [hello(coop), want, want]
      ]
      for (const messages of wrong) {
        const talk = yield* speak(member, steward)
        for (const message of messages.slice(0, -1)) yield* talk.ask(message)
        yield* talk.say(messages.at(-1) ?? next)
        yield* isReset(talk)
      }
      const after = yield* speak(member, steward)
      yield* after.ask(hello(coop))
      yield* after.stream.send(new Uint8Array(1000).fill(0xff))
      yield* isReset(after)
      yield* until(Effect.map(answered(steward, "malformed"), (count) => count === 6))
      assert.strictEqual((yield* (yield* speak(member, steward)).ask(hello(coop)))._tag, "Welcome")
    })
  )

  worldTest("says that it cannot answer when its own books fail it, and tells that here", (world) =>
    Effect.gen(function* () {
      const { info, nodes } = yield* makeCoop(world, 2)
      const [a, b] = nodes
      if (a === undefined || b === undefined) return
      const reason = new LedgerStorageFailed({ path: "/nowhere", reason: "corrupt", detail: "torn" })
      const broken: Ledger["Service"] = {
        ...a.ledger,
        journalVersion: Effect.suspend(() => Effect.fail(new LedgerError({ reason })))
      }
      const parts = {
        callers: new Callers(),
        isKnown: () => false,
        presented: () => undefined,
        sent: () => Effect.void
      }
      yield* a.manager
        .handle(ledgerSyncProtocol, answer(info.id, parts))
        .pipe(Effect.provideService(Ledger, broken), Effect.provide(a.context))
      assert.deepStrictEqual(yield* (yield* speak(b, a)).ask(hello(info.id)), refused("unavailable"))
    })
  )

  worldTest("does no more for a member than an honest one needs", (world) =>
    Effect.gen(function* () {
      const { coop, member, steward } = yield* three(world)
      const fingerprint = "00".repeat(16)
      const half = "80".repeat(32)
      const parts = [
        { from: half, to: "", fingerprint },
        { from: "", to: half, fingerprint }
      ]
      const apart = yield* speak(member, steward)
      yield* apart.ask(hello(coop))
      assert.strictEqual((yield* apart.ask({ _tag: "Compare", marks: parts }))._tag, "Answers")
      yield* apart.say({ _tag: "Compare", marks: [...parts, { from: "", to: "01".repeat(32), fingerprint }] })
      yield* isReset(apart)
      const again = yield* speak(member, steward)
      yield* again.ask(hello(coop))
      for (let question = 0; question < 1024; question++) yield* again.ask({ _tag: "Compare", marks: [] })
      yield* again.say({ _tag: "Compare", marks: [] })
      yield* isReset(again)
      const fetching = yield* speak(member, steward)
      yield* fetching.ask(hello(coop))
      for (let question = 0; question < 128; question++) yield* fetching.ask({ _tag: "Fetch", ids: [coop], depth: 64 })
      yield* fetching.say({ _tag: "Fetch", ids: [coop], depth: 64 })
      yield* isReset(fetching)
    })
  )

  worldTest("waits neither for a hello nor for what follows for ever", (world) =>
    Effect.gen(function* () {
      const { coop, member, steward } = yield* three(world)
      const mute = yield* speak(member, steward)
      yield* isReset(mute)
      const later = yield* speak(member, steward)
      yield* later.ask(hello(coop))
      yield* isReset(later)
      assert.strictEqual(yield* answered(steward, "failed"), 2)
    })
  )

  worldTest("answers one member only so often at a time, and for a while", (world) =>
    Effect.gen(function* () {
      const { coop, member, steward } = yield* three(world)
      for (let open = 0; open < 2; open++) {
        assert.strictEqual((yield* (yield* speak(member, steward)).ask(hello(coop)))._tag, "Welcome")
      }
      assert.deepStrictEqual(yield* (yield* speak(member, steward)).ask(hello(coop)), refused("busy"))
      yield* Effect.sleep(70_000)
      let welcomes = 0
      for (let asked = 0; asked < 30; asked++) {
        const talk = yield* speak(member, steward)
        if ((yield* talk.ask(hello(coop)))._tag === "Welcome") welcomes++
        yield* talk.stream.end
        yield* talk.stream.receive
      }
      assert.isAtLeast(welcomes, 20)
      assert.isAtMost(welcomes, 25)
    })
  )

  worldTest("shows a member the end of its own chain, and single entries with what is before them", (world) =>
    Effect.gen(function* () {
      const { nodes } = yield* makeCoop(world, 2)
      const [a, b] = nodes
      if (a === undefined || b === undefined) return
      for (const node of nodes) yield* node.start
      yield* a.connect(b)
      for (let payment = 0; payment < 10; payment++) yield* b.ledger.transfer({ to: a.account, amount: 1 })
      yield* untilAlike(nodes)
      // Only what is proven is shown.
      yield* until(Effect.map(a.ledger.status, ({ vouched }) => vouched === 0))
      const coop = Option.getOrThrow(yield* a.ledger.cooperative).id
      const [last] = (yield* b.ledger.history({ max: 50 })).filter(({ entry }) => entry.author === b.account)
      const talk = yield* speak(b, a)
      const welcome = yield* talk.ask(hello(coop))
      const shown = welcome._tag === "Welcome" ? welcome.own.map(({ body }) => entryId(body)) : []
      assert.deepStrictEqual(shown, [last?.id ?? ""])
      for (const [depth, count] of [
        [0, 1],
        [3, 4],
        [64, 10]
      ] as const) {
        const window = yield* talk.ask({ _tag: "Fetch", ids: shown, depth })
        assert.strictEqual(window._tag === "Window" ? window.entries.length : -1, count)
        const end = window._tag === "Window" ? window.entries.at(-1) : undefined
        assert.strictEqual(entryId(end?.body ?? Uint8Array.of()), shown[0])
      }
      const unknown = yield* talk.ask({ _tag: "Fetch", ids: ["ab".repeat(32)], depth: 3 })
      assert.deepStrictEqual(unknown, { _tag: "Window", entries: [], done: true })
    })
  )

  worldTest("sends what is wanted in windows, one when the one before was asked for", (world) =>
    Effect.gen(function* () {
      const { coop, member, steward } = yield* three(world)
      const count = windowEntriesMax + 500
      yield* Effect.forEach(
        Array.from({ length: count }, (_, at) => at),
        (at) => steward.ledger.transfer({ to: member.account, amount: 1, memo: `${at}` })
      )
      const talk = yield* speak(member, steward)
      yield* talk.ask(hello(coop))
      const behind = (yield* member.ledger.heads).flatMap(({ author, heads }) =>
        heads.map((head) => ({ author, behind: head }))
      )
      const first = yield* talk.ask({ _tag: "Want", wants: { ranges: [], chains: behind }, last: true })
      assert.strictEqual(first._tag === "Window" ? first.entries.length : 0, windowEntriesMax)
      assert.isFalse(first._tag === "Window" && first.done)
      const quiet = yield* Effect.timeoutOption(talk.hear, 5000)
      assert.isTrue(Option.isNone(quiet))
      const second = yield* talk.ask({ _tag: "Next" })
      const all = [first, second].flatMap((window) => (window._tag === "Window" ? window.entries : []))
      const lacking = (yield* everythingOf(steward.ledger)).length - (yield* member.ledger.journalVersion)
      assert.strictEqual(new Set(all.map(({ body }) => entryId(body))).size, lacking)
    })
  )
})
