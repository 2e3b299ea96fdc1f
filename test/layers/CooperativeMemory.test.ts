import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Logger, Result, type Scope } from "effect"
import { TestClock } from "effect/testing"
import * as CooperativeMemory from "../../src/layers/CooperativeMemory.ts"
import * as SessionMemory from "../../src/layers/SessionMemory.ts"
import { coopAnswer, type CoopAnswer, coopProtocol } from "../../src/protocol/coop.ts"
import { formatInvite, parseInvite } from "../../src/protocol/coopInvite.ts"
import { cooperativeContract } from "../contract/Cooperative.ts"
import { exclusionContract } from "../contract/CooperativeExclusion.ts"
import {
  askRaw,
  bareNode,
  type CoopNode,
  genesisOf,
  keyOfNode,
  makeCoopNode,
  until,
  whyNot
} from "../fixtures/coopNodes.ts"
import { groupKeyId } from "../../src/domain/coopGroupKey.ts"
import { hash, keyOfText, rosterSignedBy } from "../fixtures/coops.ts"
import { startMillis } from "../fixtures/gossipWorld.ts"
import { seal } from "../fixtures/ledgerEntries.ts"
import { inVirtualTime } from "../fixtures/virtualTime.ts"

type MakeNode = (name: string) => Effect.Effect<CoopNode, unknown, Scope.Scope>
type Body = (node: MakeNode, network: SessionMemory.MemoryNetwork) => Effect.Effect<void, unknown, Scope.Scope>

const test = (name: string, body: Body): void =>
  it.effect(name, () =>
    Effect.andThen(
      TestClock.setTime(startMillis),
      inVirtualTime(
        Effect.scoped(
          Effect.gen(function* () {
            const network = yield* SessionMemory.makeNetwork({ latencyMillis: 3 }, 7)
            yield* body((member) => makeCoopNode(network, member, CooperativeMemory.layer()), network)
          })
        )
      )
    )
  )

cooperativeContract("CooperativeMemory", { test })
exclusionContract("CooperativeMemory", { test })

const epochOf = (one: CoopNode) => Effect.map(keyOfNode(one), (key) => key?.epoch)

describe("time", () => {
  test("ends an invitation, by the inviter's clock first and then by any", (node) =>
    Effect.gen(function* () {
      const [a, b, c] = [yield* node("a"), yield* node("b"), yield* node("c")]
      const { expiresAtMillis, text } = yield* a.coop.invite({ uses: 2, ttlMillis: 120_000 })
      assert.closeTo(expiresAtMillis, startMillis + 120_000, 1000)
      yield* b.coop.join(text)
      yield* Effect.sleep(121_000)
      assert.strictEqual(yield* whyNot(c.coop.join(text)), "JoinRefused expired")
      // Whoever has joined with it may ask again.
      assert.strictEqual(yield* whyNot(b.coop.join(text)), "success")
      const late = { ...Result.getOrThrow(parseInvite(text)), expiresAtMillis: startMillis - 3_600_000 }
      assert.strictEqual(yield* whyNot(c.coop.join(formatInvite(late))), "InviteExpired")
    }))

  test("brings a roster that was missed: when a key is not known, and in any case after some minutes", (node) =>
    Effect.gen(function* () {
      const [a, b, c, d] = [yield* node("a"), yield* node("b"), yield* node("c"), yield* node("d")]
      const { text } = yield* a.coop.invite({ uses: 9 })
      for (const one of [b, c, d]) yield* one.coop.join(text)
      // They have heard so much of a that they do not listen now.
      const pull = { _tag: "Pull", coop: hash("another"), epoch: 0, keyId: "" } as const
      for (const one of [b, c]) yield* Effect.repeat(askRaw(a, one, pull), { times: 40 })
      yield* a.coop.exclude(d.did)
      yield* Effect.sleep(1000)
      assert.deepStrictEqual([yield* epochOf(a), yield* epochOf(b), yield* epochOf(c)], [2, 1, 1])
      // After a round of questions there is a pause.
      yield* Effect.sleep(11_000)
      yield* b.coop.groupKeys.byId("00".repeat(16))
      yield* until(Effect.map(epochOf(b), (epoch) => epoch === 2))
      assert.strictEqual(yield* epochOf(c), 1)
      yield* Effect.sleep(330_000)
      assert.deepStrictEqual([yield* epochOf(c), yield* epochOf(d)], [2, 1])
    }))
})

describe("who is shut out", () => {
  test("is told so once, and nobody else is", (node) => {
    const warnings: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => {
      if (logLevel === "Warn") warnings.push(String(message))
    })
    return Effect.gen(function* () {
      const [a, b, c] = [yield* node("a"), yield* node("b"), yield* node("c")]
      const { text } = yield* a.coop.invite({ uses: 9 })
      for (const one of [b, c]) yield* one.coop.join(text)
      yield* Effect.sleep(400_000)
      assert.deepStrictEqual(warnings, [])
      yield* a.coop.exclude(c.did)
      yield* Effect.sleep(1_000_000)
      assert.lengthOf(warnings, 1)
      assert.include(warnings[0], `shut out of the cooperative`)
      assert.include(warnings[0], a.did.text)
    }).pipe(Effect.provide(Logger.layer([logger])))
  })
})

/** An inviter who is not what he seems, and an invitation from him to a cooperative of his own. */
const pretender = Effect.fnUntraced(function* (
  network: SessionMemory.MemoryNetwork,
  answer: (
    pretender: Pick<CoopNode, "account" | "key">,
    coop: string,
    genesis: Omit<ReturnType<typeof genesisOf>, "id">
  ) => CoopAnswer | undefined
) {
  const { account, key, manager } = yield* bareNode(network, "pretender")
  const { id, ...genesis } = genesisOf([{ account, key }])
  yield* manager.handle(coopProtocol, (stream) => {
    const said = answer({ account, key }, id, genesis)
    return said === undefined ? Effect.never : stream.send(coopAnswer.encode(said))
  })
  return formatInvite({
    coop: id,
    inviter: manager.did,
    secret: keyOfText("secret"),
    expiresAtMillis: startMillis + 1e9,
    addresses: yield* manager.listening
  })
})

type Answer = (good: Extract<CoopAnswer, { readonly _tag: "Joined" }>) => CoopAnswer
const unchanged: Answer = (good) => good

describe("an inviter who is not what he seems", () => {
  test("is given up when he says nothing", (node, network) =>
    Effect.gen(function* () {
      const b = yield* node("b")
      const invite = yield* pretender(network, () => undefined)
      const before = yield* Clock.currentTimeMillis
      assert.strictEqual(yield* whyNot(b.coop.join(invite)), "MemberUnreachable")
      assert.isAtLeast((yield* Clock.currentTimeMillis) - before, 30_000)
    }))

  test("is not believed, and nothing of his answer is kept", (node, network) =>
    Effect.gen(function* () {
      const b = yield* node("b")
      const member = { kind: "member", account: b.account } as const
      const base = { seq: 1, lamport: 1, at: 0, legs: [], acks: [], deps: [], idempotencyKey: "", memo: "" }
      const key = keyOfText("key")
      const other = genesisOf([b])
      let change = unchanged
      const text = yield* pretender(network, (he, coop, genesis) => {
        const entry = seal({ ...base, coop, author: he.account, prev: coop, ...member }, he.key)
        const roster = rosterSignedBy(he.key, {
          coop,
          epoch: 1,
          keyId: groupKeyId(key),
          steward: he.account,
          standings: []
        })
        const entries = [{ body: entry.body, signature: entry.signature }]
        return change({ _tag: "Joined", genesis, entries, roster, key })
      })
      const answers: ReadonlyArray<Answer> = [
        (good) => ({ ...good, entries: [] }),
        (good) => ({ ...good, genesis: other }),
        (good) => ({ ...good, genesis: { ...good.genesis, signature: new Uint8Array(64) } }),
        (good) => ({ ...good, entries: good.entries.map((entry) => ({ ...entry, signature: new Uint8Array(64) })) }),
        (good) => ({ ...good, key: keyOfText("another") }),
        (good) => ({ ...good, roster: { ...good.roster, signature: new Uint8Array(64) } }),
        () => ({ _tag: "Taken" }),
        () => ({ _tag: "Refused", reason: "notMember" })
      ]
      for (const [index, answer] of answers.entries()) {
        change = answer
        assert.strictEqual(yield* whyNot(b.coop.join(text)), "AnswerInvalid", `answer ${index}`)
        assert.strictEqual((yield* b.coop.info)._tag, "None")
      }
      change = unchanged
      assert.strictEqual(yield* whyNot(b.coop.join(text)), "success")
    }))
})
