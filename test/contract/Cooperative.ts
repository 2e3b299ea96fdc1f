/** What every `Cooperative` does: founding, inviting and joining. Run by the tests of both layers. */
import { assert, describe } from "@effect/vitest"
import { Effect, Fiber, Option, Result, Stream } from "effect"
import type { CoopInvite } from "../../src/domain/coopInvite.ts"
import { coopRequests } from "../../src/domain/metrics.ts"
import { formatInvite, parseInvite } from "../../src/protocol/coopInvite.ts"
import type { CooperativeChange, JoinStep } from "../../src/services/Cooperative.ts"
import {
  askRaw,
  type CoopFixture,
  type CoopNode,
  keyOfNode,
  refusalOf,
  say,
  until,
  whyNot
} from "../fixtures/coopNodes.ts"
import { keyOfText } from "../fixtures/coops.ts"

/** An invitation with parts of it changed. */
const altered = (text: string, parts: Partial<CoopInvite>): string =>
  formatInvite({ ...Result.getOrThrow(parseInvite(text)), ...parts })

const memberTexts = ({ coop }: CoopNode) => Effect.map(coop.members, (members) => members.map(({ did }) => did.text))

const pay = (from: CoopNode, to: CoopNode) => from.ledger.transfer({ to: to.account, amount: 100 })

const founding = ({ test }: CoopFixture) => {
  test("begins without a cooperative, and founds one of its own with the first invitation", (node) =>
    Effect.gen(function* () {
      const a = yield* node("a")
      assert.isTrue(Option.isNone(yield* a.coop.info))
      assert.deepStrictEqual(yield* a.coop.members, [])
      assert.isUndefined(yield* keyOfNode(a))
      assert.isFalse(yield* a.coop.isAdmitted(a.did))
      assert.strictEqual(yield* whyNot(a.coop.leave), "NoCooperative")
      assert.strictEqual(yield* whyNot(a.coop.exclude(a.did)), "NoCooperative")
      yield* a.coop.invite()
      const info = Option.getOrThrow(yield* a.coop.info)
      assert.isTrue(info.implicit)
      assert.deepStrictEqual(info.currencies, [{ symbol: "hours", decimals: 2, startingLimit: 10_000 }])
      const members = yield* a.coop.members
      assert.deepStrictEqual(
        members.map(({ did, excluded, steward }) => [did.text, steward, excluded]),
        [[a.did.text, true, false]]
      )
      assert.strictEqual((yield* keyOfNode(a))?.epoch, 1)
      assert.isTrue(yield* a.coop.isAdmitted(a.did))
    }))

  test("founds a cooperative with a name and currencies, in place of one that is not in use", (node) =>
    Effect.gen(function* () {
      const a = yield* node("a")
      const changes: Array<CooperativeChange> = []
      const listening = yield* a.coop.changes.pipe(
        Stream.runForEach((change) => Effect.sync(() => changes.push(change))),
        Effect.forkChild({ startImmediately: true })
      )
      yield* a.coop.invite()
      const first = yield* keyOfNode(a)
      const info = yield* a.coop.create({ name: "Bakery", startingLimit: 500 })
      assert.strictEqual(info.name, "Bakery")
      assert.isFalse(info.implicit)
      assert.deepStrictEqual(info.currencies, [{ symbol: "hours", decimals: 2, startingLimit: 500 }])
      assert.deepStrictEqual(info.stewards, [a.account])
      const second = yield* keyOfNode(a)
      assert.strictEqual(second?.epoch, 1)
      assert.notStrictEqual(second?.id, first?.id)
      yield* until(Effect.sync(() => changes.filter(({ _tag }) => _tag === "Serving").length === 2))
      assert.isTrue(changes.some((change) => change._tag === "RosterChanged" && change.coop === info.id))
      yield* Fiber.interrupt(listening)
      const currencies = [{ symbol: "EUR", decimals: 2, startingLimit: 0 }]
      const other = yield* a.coop.create({ name: "Another", currencies })
      assert.deepStrictEqual(other.currencies, currencies)
    }))

  test("says what is wrong with a name, a currency, or an invitation that nobody can have", (node) =>
    Effect.gen(function* () {
      const a = yield* node("a")
      const euro = { symbol: "EUR", decimals: 2, startingLimit: 0 }
      const bad = [
        { name: "" },
        { name: "x".repeat(65) },
        { name: "a\nb" },
        { name: "ok", startingLimit: -1 },
        { name: "ok", startingLimit: 1.5 },
        { name: "ok", currencies: [] },
        { name: "ok", currencies: [euro, euro] },
        { name: "ok", currencies: [{ ...euro, symbol: "€" }] },
        { name: "ok", currencies: [{ ...euro, decimals: 7 }] }
      ]
      for (const request of bad) assert.strictEqual(yield* whyNot(a.coop.create(request)), "RequestInvalid")
      for (const request of [{ uses: 0 }, { uses: 101 }, { uses: 1.5 }, { ttlMillis: 0 }, { ttlMillis: 1e12 }]) {
        assert.strictEqual(yield* whyNot(a.coop.invite(request)), "RequestInvalid")
      }
      assert.isTrue(Option.isNone(yield* a.coop.info))
    }))
}

const joining = ({ test }: CoopFixture) => {
  test("makes whoever joins a member on both sides, with the same key, who can pay at once", (node) =>
    Effect.gen(function* () {
      const [a, b] = [yield* node("a"), yield* node("b")]
      const { id } = yield* a.coop.create({ name: "Bakery" })
      const invite = yield* a.coop.invite()
      const steps: Array<JoinStep["_tag"]> = []
      // Something of its own that is not in use gives way.
      yield* b.coop.invite()
      const info = yield* b.coop.join(` ${invite.text}\n`, ({ _tag }) => Effect.sync(() => void steps.push(_tag)))
      assert.deepStrictEqual(steps, ["Connecting", "Asking", "Storing"])
      assert.strictEqual(info.id, id)
      assert.strictEqual(Option.getOrThrow(yield* b.coop.info).name, "Bakery")
      for (const one of [a, b]) {
        assert.deepStrictEqual(yield* memberTexts(one), [a.did.text, b.did.text])
        assert.isTrue(yield* one.coop.isAdmitted(a.did))
        assert.isTrue(yield* one.coop.isAdmitted(b.did))
      }
      assert.deepStrictEqual(yield* keyOfNode(b), yield* keyOfNode(a))
      const key = Option.getOrThrow(yield* a.coop.groupKeys.current)
      assert.deepStrictEqual(Option.getOrUndefined(yield* b.coop.groupKeys.byId(key.id)), key)
      assert.isTrue(Option.isNone(yield* b.coop.groupKeys.byId("00".repeat(16))))
      assert.strictEqual((yield* pay(b, a))._tag, "Committed")
      assert.strictEqual(yield* a.metrics.value(coopRequests, { request: "join", result: "granted" }), 1)
    }))

  test("gives the same again to who asks again, and nothing more to anybody else", (node) =>
    Effect.gen(function* () {
      const [a, b, c] = [yield* node("a"), yield* node("b"), yield* node("c")]
      const { text } = yield* a.coop.invite()
      // The answer was on its way when the command was ended.
      yield* Effect.exit(b.coop.join(text, ({ _tag }) => (_tag === "Storing" ? Effect.interrupt : Effect.void)))
      assert.isTrue(Option.isNone(yield* b.coop.info))
      assert.strictEqual(yield* whyNot(c.coop.join(text)), "JoinRefused usedUp")
      const version = yield* a.ledger.journalVersion
      const info = yield* b.coop.join(text)
      assert.deepStrictEqual(yield* b.coop.join(text), info)
      yield* pay(b, a)
      assert.deepStrictEqual(yield* b.coop.join(text), info)
      assert.strictEqual(yield* a.ledger.journalVersion, version)
      assert.deepStrictEqual(yield* memberTexts(a), [a.did.text, b.did.text])
    }))

  test("lets in as many as an invitation is for", (node) =>
    Effect.gen(function* () {
      const [a, b, c, d] = [yield* node("a"), yield* node("b"), yield* node("c"), yield* node("d")]
      const { text, uses } = yield* a.coop.invite({ uses: 2 })
      assert.strictEqual(uses, 2)
      yield* Effect.all([b.coop.join(text), c.coop.join(text)], { concurrency: "unbounded" })
      assert.strictEqual(yield* whyNot(d.coop.join(text)), "JoinRefused usedUp")
      assert.isFalse(yield* a.coop.isAdmitted(d.did))
      assert.sameMembers([...(yield* memberTexts(a))], [a.did.text, b.did.text, c.did.text])
      yield* d.coop.join((yield* a.coop.invite()).text)
      // The last one has the whole ledger up to then.
      assert.strictEqual((yield* memberTexts(d)).length, 4)
    }))
}

const refusing = ({ test }: CoopFixture) => {
  test("tells what is wrong with a text that is no invitation, before anybody is asked", (node) =>
    Effect.gen(function* () {
      const [a, b] = [yield* node("a"), yield* node("b")]
      const { text } = yield* a.coop.invite()
      assert.strictEqual(yield* whyNot(b.coop.join("hello")), "InviteMalformed notAnInvite")
      assert.strictEqual(yield* whyNot(b.coop.join(text.slice(0, 101))), "InviteMalformed cut")
      assert.strictEqual(yield* whyNot(b.coop.join(`${text}.`)), "InviteMalformed tooLong")
      const changed = text.slice(0, 40) + (text.charAt(40) === "A" ? "B" : "A") + text.slice(41)
      assert.strictEqual(yield* whyNot(b.coop.join(changed)), "InviteMalformed mistyped")
      assert.strictEqual(yield* whyNot(a.coop.join(text)), "OwnInvite")
      assert.deepStrictEqual(yield* a.manager.sessions, [])
    }))

  test("does not let in who has another secret, and soon does not even look", (node) =>
    Effect.gen(function* () {
      const [a, b, cheat] = [yield* node("a"), yield* node("b"), yield* node("cheat")]
      const { text } = yield* a.coop.invite({ uses: 100 })
      const { coop } = Result.getOrThrow(parseInvite(text))
      const guess = (number: number) => altered(text, { secret: keyOfText(`guess ${number}`) })
      assert.strictEqual(yield* whyNot(cheat.coop.join(guess(0))), "JoinRefused wrongSecret")
      const answers: Array<string | undefined> = []
      for (let number = 1; number < 20; number++) {
        const secret = keyOfText(`guess ${number}`)
        answers.push(refusalOf(yield* askRaw(cheat, a, { _tag: "Join", coop, secret })))
      }
      assert.deepStrictEqual([...new Set(answers)], ["wrongSecret", "busy"])
      assert.isAtMost(answers.filter((one) => one === "wrongSecret").length, 5)
      // Even the right one is not looked at now, from him; from others it is.
      assert.strictEqual(yield* whyNot(cheat.coop.join(text)), "JoinRefused busy")
      yield* b.coop.join(text)
      assert.deepStrictEqual(yield* memberTexts(a), [a.did.text, b.did.text])
    }))

  test("says so when the inviter serves another cooperative by now, is no steward, or is not there", (node) =>
    Effect.gen(function* () {
      const [a, b, c] = [yield* node("a"), yield* node("b"), yield* node("c")]
      const old = yield* a.coop.invite()
      yield* a.coop.create({ name: "New" })
      assert.strictEqual(yield* whyNot(b.coop.join(old.text)), "JoinRefused otherCooperative")
      const { text } = yield* a.coop.invite({ uses: 2 })
      yield* b.coop.join(text)
      assert.strictEqual(yield* whyNot(b.coop.invite()), "StewardNeeded")
      const addresses = yield* b.manager.listening
      const byMember = altered(text, { inviter: b.did, addresses })
      assert.strictEqual(yield* whyNot(c.coop.join(byMember)), "JoinRefused notSteward")
      yield* a.stop
      assert.strictEqual(yield* whyNot(c.coop.join(text)), "MemberUnreachable")
      assert.isTrue(Option.isNone(yield* c.coop.info))
    }))

  test("does not join another cooperative while its own is in use, and asks nobody then", (node) =>
    Effect.gen(function* () {
      const [a, b] = [yield* node("a"), yield* node("b")]
      const { text } = yield* a.coop.invite()
      yield* pay(b, a)
      assert.strictEqual(yield* whyNot(b.coop.join(text)), "CooperativeInUse")
      assert.strictEqual(yield* whyNot(b.coop.create({ name: "Other" })), "CooperativeInUse")
      assert.deepStrictEqual(yield* memberTexts(a), [a.did.text])
      assert.deepStrictEqual(yield* memberTexts(b), [b.did.text])
    }))

  test("answers nonsense with a refusal, and goes on", (node) =>
    Effect.gen(function* () {
      const [a, b] = [yield* node("a"), yield* node("b")]
      const { text } = yield* a.coop.invite()
      for (const frame of ["", "{}", '{"_tag":"Join"}', "[".repeat(1000)]) {
        assert.strictEqual(refusalOf(yield* say(b, a, Buffer.from(frame))), "invalid")
      }
      assert.strictEqual(refusalOf(yield* say(b, a, new Uint8Array(200_000))), "invalid")
      assert.isAtLeast(yield* a.metrics.value(coopRequests, { request: "malformed", result: "refused" }), 5)
      yield* b.coop.join(text)
    }))
}

export const cooperativeContract = (name: string, fixture: CoopFixture): void => {
  describe(`${name}: founding`, () => {
    founding(fixture)
  })
  describe(`${name}: joining`, () => {
    joining(fixture)
  })
  describe(`${name}: refusing`, () => {
    refusing(fixture)
  })
}
