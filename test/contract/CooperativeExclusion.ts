/** What every `Cooperative` does when somebody goes: rosters, new keys, and who gets them. Run by the layers' tests. */
import { assert, describe } from "@effect/vitest"
import { Effect, Option } from "effect"
import { groupKeyId } from "../../src/domain/coopGroupKey.ts"
import { coopProtocol } from "../../src/protocol/coop.ts"
import {
  askRaw,
  type CoopFixture,
  type CoopNode,
  genesisOf,
  keyOfNode,
  refusalOf,
  until,
  whyNot
} from "../fixtures/coopNodes.ts"
import { keyOfText, rosterSignedBy } from "../fixtures/coops.ts"

type MakeNode = Parameters<Parameters<CoopFixture["test"]>[1]>[0]

/** A steward and members who have joined him and are in session with him. */
const circle = Effect.fnUntraced(function* (node: MakeNode, ...names: ReadonlyArray<string>) {
  const steward = yield* node("steward")
  const { text } = yield* steward.coop.invite({ uses: 100 })
  const members = yield* Effect.forEach(names, (name) => Effect.tap(node(name), (member) => member.coop.join(text)))
  return { steward, members, text }
})

const at = (list: ReadonlyArray<CoopNode>, index: number): CoopNode => {
  const found = list[index]
  if (found === undefined) throw new Error(`no node ${index}`)
  return found
}

const hasEpoch = (one: CoopNode, epoch: number) => Effect.map(keyOfNode(one), (key) => key?.epoch === epoch)

const pullAs = (from: CoopNode, to: CoopNode, coop: string) =>
  askRaw(from, to, { _tag: "Pull", coop, epoch: 0, keyId: "" })

const coopOf = (one: CoopNode) => Effect.map(one.coop.info, (info) => Option.getOrThrow(info).id)

const excluding = ({ test }: CoopFixture) => {
  test("gives the others a new key when somebody is excluded, and nothing to him any more", (node) =>
    Effect.gen(function* () {
      const { members, steward } = yield* circle(node, "b", "c")
      const [b, c] = [at(members, 0), at(members, 1)]
      const before = yield* keyOfNode(steward)
      assert.deepStrictEqual(yield* keyOfNode(c), before)
      yield* steward.coop.exclude(c.did)
      yield* until(hasEpoch(b, 2))
      const after = yield* keyOfNode(steward)
      assert.strictEqual(after?.epoch, 2)
      assert.notStrictEqual(after?.id, before?.id)
      assert.deepStrictEqual(yield* keyOfNode(b), after)
      assert.deepStrictEqual(yield* keyOfNode(c), before)
      assert.isTrue(Option.isNone(yield* c.coop.groupKeys.byId(after?.id ?? "")))
      // What was sealed before can still be opened.
      assert.isTrue(Option.isSome(yield* b.coop.groupKeys.byId(before?.id ?? "")))
      for (const one of [steward, b]) {
        assert.isFalse(yield* one.coop.isAdmitted(c.did))
        assert.isTrue(yield* one.coop.isAdmitted(b.did))
        const excluded = (yield* one.coop.members).filter(({ excluded }) => excluded)
        // This one may not have the entry of a member who joined later.
        for (const { did } of excluded) assert.strictEqual(did.text, c.did.text)
      }
      const coop = yield* coopOf(steward)
      assert.strictEqual(refusalOf(yield* pullAs(c, steward, coop)), "excluded")
      // To b he is nobody, whose ledger does not have him yet, or excluded.
      assert.include(["excluded", "notMember"], refusalOf(yield* pullAs(c, b, coop)) ?? "")
      // Once more changes nothing.
      yield* steward.coop.exclude(c.did)
      assert.deepStrictEqual(yield* keyOfNode(steward), after)
    }))

  test("lets who was excluded in again by an invitation that was made after that only", (node) =>
    Effect.gen(function* () {
      const { members, steward, text } = yield* circle(node, "b", "c")
      const [b, c] = [at(members, 0), at(members, 1)]
      yield* steward.coop.exclude(c.did)
      assert.strictEqual(yield* whyNot(c.coop.join(text)), "JoinRefused excluded")
      assert.isFalse(yield* steward.coop.isAdmitted(c.did))
      const version = yield* steward.ledger.journalVersion
      yield* c.coop.join((yield* steward.coop.invite()).text)
      assert.isTrue(yield* steward.coop.isAdmitted(c.did))
      assert.strictEqual(yield* steward.ledger.journalVersion, version)
      for (const one of [b, c]) yield* until(hasEpoch(one, 3))
      assert.deepStrictEqual(yield* keyOfNode(c), yield* keyOfNode(steward))
      assert.deepStrictEqual(yield* keyOfNode(b), yield* keyOfNode(steward))
      // And out again, in spite of that invitation.
      yield* steward.coop.exclude(c.did)
      assert.strictEqual(yield* whyNot(c.coop.join(text)), "JoinRefused excluded")
    }))

  test("is for stewards, and against members who are none", (node) =>
    Effect.gen(function* () {
      const { members, steward } = yield* circle(node, "b")
      const b = at(members, 0)
      const stranger = yield* node("stranger")
      assert.strictEqual(yield* whyNot(b.coop.exclude(steward.did)), "StewardNeeded")
      assert.strictEqual(yield* whyNot(steward.coop.exclude(steward.did)), "StewardStays")
      assert.strictEqual(yield* whyNot(steward.coop.exclude(stranger.did)), "NotAMember")
      assert.strictEqual((yield* keyOfNode(steward))?.epoch, 1)
    }))

  test("reaches members who were away when they come back", (node) =>
    Effect.gen(function* () {
      const { members, steward } = yield* circle(node, "b", "c")
      const [b, c] = [at(members, 0), at(members, 1)]
      yield* steward.manager.close(b.did)
      yield* until(Effect.map(b.manager.sessions, ({ length }) => length === 0))
      yield* steward.coop.exclude(c.did)
      assert.strictEqual((yield* keyOfNode(b))?.epoch, 1)
      yield* b.connect(steward)
      yield* until(hasEpoch(b, 2))
      assert.deepStrictEqual(yield* keyOfNode(b), yield* keyOfNode(steward))
    }))
}

const leaving = ({ test }: CoopFixture) => {
  test("shuts out who leaves, and gives the others a new key", (node) =>
    Effect.gen(function* () {
      const { members, steward } = yield* circle(node, "b", "c")
      const [b, c] = [at(members, 0), at(members, 1)]
      yield* c.coop.leave
      yield* until(hasEpoch(b, 2))
      assert.isFalse(yield* steward.coop.isAdmitted(c.did))
      // For itself, it has nobody to talk to any more, and nothing to seal with.
      assert.isUndefined(yield* keyOfNode(c))
      assert.isFalse(yield* c.coop.isAdmitted(steward.did))
      yield* c.coop.leave
      yield* c.coop.join((yield* steward.coop.invite()).text)
      assert.deepStrictEqual(yield* keyOfNode(c), yield* keyOfNode(steward))
      assert.isTrue(yield* c.coop.isAdmitted(steward.did))
    }))

  test("is not for stewards, and needs one who can be reached", (node) =>
    Effect.gen(function* () {
      const { members, steward } = yield* circle(node, "b")
      const b = at(members, 0)
      assert.strictEqual(yield* whyNot(steward.coop.leave), "StewardStays")
      yield* steward.stop
      assert.strictEqual(yield* whyNot(b.coop.leave), "MemberUnreachable")
      assert.strictEqual((yield* keyOfNode(b))?.epoch, 1)
    }))
}

const cheating = ({ test }: CoopFixture) => {
  test("takes no roster from anybody but a steward, and no key but the one in it", (node) =>
    Effect.gen(function* () {
      const { members, steward } = yield* circle(node, "b", "cheat")
      const [b, cheat] = [at(members, 0), at(members, 1)]
      const coop = yield* coopOf(steward)
      const key = keyOfText("a key of the cheat's")
      const forged = (signer: CoopNode, named: CoopNode, epoch: number) => {
        const roster = { coop, epoch, keyId: groupKeyId(key), steward: named.account, standings: [] }
        const { body, signature } = rosterSignedBy(signer.key, roster)
        return { _tag: "Push", coop, roster: { body, signature }, key } as const
      }
      const genuine = yield* pullAs(b, steward, coop)
      if (genuine?._tag !== "Roster") throw new Error("no roster")
      const attempts = [
        forged(cheat, cheat, 9),
        forged(cheat, steward, 9),
        // A real one, with another key.
        { ...forged(steward, steward, 9), key: keyOfText("another") },
        { _tag: "Push", coop, roster: genuine.roster, key } as const
      ]
      for (const attempt of attempts) assert.strictEqual(refusalOf(yield* askRaw(cheat, b, attempt)), "invalid")
      // One of the past is true, and changes nothing.
      yield* steward.coop.exclude(cheat.did)
      yield* until(hasEpoch(b, 2))
      const old = { _tag: "Push", coop, roster: genuine.roster, key: genuine.key } as const
      assert.strictEqual(refusalOf(yield* askRaw(cheat, b, old)), "Taken")
      assert.strictEqual((yield* keyOfNode(b))?.epoch, 2)
      assert.deepStrictEqual(yield* keyOfNode(b), yield* keyOfNode(steward))
    }))

  test("tells strangers nothing", (node) =>
    Effect.gen(function* () {
      const { steward } = yield* circle(node, "b")
      const stranger = yield* node("stranger")
      const coop = yield* coopOf(steward)
      assert.strictEqual(refusalOf(yield* pullAs(stranger, steward, coop)), "notMember")
      assert.strictEqual(refusalOf(yield* pullAs(stranger, steward, "00".repeat(32))), "otherCooperative")
      assert.strictEqual(refusalOf(yield* askRaw(stranger, steward, { _tag: "Leave", coop })), "notMember")
      assert.strictEqual((yield* keyOfNode(steward))?.epoch, 1)
    }))

  test("lets nobody be excluded by a member who says that he is he", (node) =>
    Effect.gen(function* () {
      const { members, steward } = yield* circle(node, "b", "cheat")
      const [b, cheat] = [at(members, 0), at(members, 1)]
      const coop = yield* coopOf(steward)
      // Who leaves is who is at the other end of the session.
      assert.strictEqual(refusalOf(yield* askRaw(cheat, b, { _tag: "Leave", coop })), "notSteward")
      assert.strictEqual(refusalOf(yield* askRaw(cheat, steward, { _tag: "Leave", coop })), "Left")
      assert.isTrue(yield* steward.coop.isAdmitted(b.did))
      assert.isFalse(yield* steward.coop.isAdmitted(cheat.did))
    }))
}

const stewards = ({ test }: CoopFixture) => {
  test("comes to one roster that says everything when two stewards sign without knowing of each other", (node) =>
    Effect.gen(function* () {
      const [one, two, b, c] = [yield* node("one"), yield* node("two"), yield* node("b"), yield* node("c")]
      const genesis = genesisOf([one, two])
      for (const steward of [one, two]) yield* steward.ledger.serve(genesis)
      yield* b.coop.join((yield* one.coop.invite()).text)
      // The second one has no key yet and makes one of its own.
      yield* c.coop.join((yield* two.coop.invite()).text)
      yield* one.coop.exclude(b.did)
      yield* two.coop.exclude(c.did)
      assert.notDeepEqual(yield* keyOfNode(one), yield* keyOfNode(two))
      yield* one.connect(two)
      yield* until(
        Effect.gen(function* () {
          const [first, second] = [yield* keyOfNode(one), yield* keyOfNode(two)]
          return first?.epoch === 3 && first.id === second?.id
        })
      )
      // Each of them knows his own; what the other one signed is in the roster.
      assert.isFalse(yield* one.coop.isAdmitted(b.did))
      assert.isFalse(yield* two.coop.isAdmitted(c.did))
      const coop = yield* coopOf(one)
      assert.notStrictEqual(refusalOf(yield* pullAs(c, one, coop)), "Roster")
      assert.notStrictEqual(refusalOf(yield* pullAs(b, two, coop)), "Roster")
      const last = yield* keyOfNode(one)
      yield* Effect.sleep(200)
      assert.deepStrictEqual(yield* keyOfNode(two), last)
    }))

  test("lets any of the stewards invite, and takes the key of the founder where there are two", (node) =>
    Effect.gen(function* () {
      const [one, two, b] = [yield* node("one"), yield* node("two"), yield* node("b")]
      const genesis = genesisOf([one, two])
      for (const steward of [one, two]) yield* steward.ledger.serve(genesis)
      yield* keyOfNode(one)
      yield* two.connect(one)
      yield* until(hasEpoch(two, 1))
      assert.deepStrictEqual(yield* keyOfNode(two), yield* keyOfNode(one))
      yield* b.coop.join((yield* two.coop.invite()).text)
      assert.deepStrictEqual(yield* keyOfNode(b), yield* keyOfNode(one))
      assert.strictEqual((yield* b.coop.members).filter(({ steward }) => steward).length, 2)
    }))
}

const pretending = ({ test }: CoopFixture) => {
  test("does not serve a protocol twice", (node) =>
    Effect.gen(function* () {
      const a = yield* node("a")
      const again = yield* Effect.exit(Effect.scoped(a.manager.handle(coopProtocol, () => Effect.void)))
      assert.isTrue(again._tag === "Failure")
    }))
}

export const exclusionContract = (name: string, fixture: CoopFixture): void => {
  describe(`${name}: excluding`, () => {
    excluding(fixture)
  })
  describe(`${name}: leaving`, () => {
    leaving(fixture)
  })
  describe(`${name}: cheating`, () => {
    cheating(fixture)
  })
  describe(`${name}: several stewards`, () => {
    stewards(fixture)
  })
  describe(`${name}: serving`, () => {
    pretending(fixture)
  })
}
