import { assert, describe, it } from "@effect/vitest"
import { type EntryId, type IdentifiedEntry, referencesOf } from "../../../src/domain/ledgerEntry.ts"
import type { AuthorRange, Wants } from "../../../src/domain/ledgerReconcile.ts"
import { defaultQuarantineBounds, Intake } from "../../../src/layers/ledger/Intake.ts"
import { MemoryJournal } from "../../../src/layers/ledger/MemoryJournal.ts"
import { Reader } from "../../../src/layers/ledger/Reader.ts"
import { encodeEntry } from "../../../src/protocol/entry.ts"
import { account, Coop, identify, pays } from "../../fixtures/ledgerCoop.ts"
import { booksOf, expectedBooks, sealedBytes } from "../../fixtures/ledgerJournal.ts"
import { Replica } from "../../fixtures/ledgerReplica.ts"
import { makeWorld, type World } from "../../fixtures/ledgerWorld.ts"
import { fuzzSeed, makeRandom, type Random } from "../../fixtures/random.ts"

class Node {
  readonly journal: MemoryJournal
  readonly reader: Reader
  readonly intake: Intake

  constructor(coop: EntryId) {
    this.journal = new MemoryJournal(coop)
    this.reader = new Reader(this.journal)
    this.intake = new Intake(this.journal, defaultQuarantineBounds)
  }

  receive(entries: ReadonlyArray<IdentifiedEntry>): void {
    this.intake.receive(entries.map(sealedBytes), 0)
  }

  /** Takes what the other one says that this one lacks, and says how many entries were sent. */
  catchUp(other: Node, max = 7): number {
    const have = this.reader.chains()
    let sent = 0
    for (let version = 0, done = false; !done;) {
      const page = other.reader.missing(have, { version, max, bytesMax: 4000 })
      assert.isAtMost(page.entries.length, max)
      this.intake.receive(
        page.entries.map((sealed) => ({ ...sealed, proof: "signed" })),
        0
      )
      sent += page.entries.length
      version = page.version
      done = page.done
    }
    return sent
  }

  /** The same by comparing ranges, as members do; says also how often something was asked. */
  reconcile(other: Node, max = 7): { readonly sent: number; readonly asked: number } {
    const ranges: Array<AuthorRange> = []
    const chains: Array<Wants["chains"][number]> = []
    let [asked, sent] = [0, 0]
    for (let marks = this.reader.openingMarks(); marks.length > 0; asked++) {
      const answers = other.reader.answered(marks)
      const shown = answers.flatMap((answer) => (answer._tag === "Chains" ? answer.chains : []))
      chains.push(...this.reader.lacks(shown))
      const refined = this.reader.refined(marks.filter((_, at) => answers[at]?._tag === "Split"))
      ranges.push(...refined.ranges)
      marks = refined.marks
    }
    if (ranges.length + chains.length === 0) return { sent, asked }
    const named = new Set(chains.map(({ author }) => author))
    const branches = this.reader.branches().filter(({ author }) => !named.has(author))
    for (let version = 0, done = false; !done;) {
      const from = { version, max, bytesMax: 4000 }
      const page = other.reader.wanted({ ranges, chains: [...chains, ...branches] }, from)
      this.intake.receive(
        page.entries.map((sealed) => ({ ...sealed, proof: "signed" })),
        0
      )
      sent += page.entries.length
      version = page.version
      done = page.done
    }
    return { sent, asked }
  }
}

/** Some entries of a world with everything that they refer to, in an order in which they can be admitted. */
const someOf = (world: World, random: Random): ReadonlyArray<IdentifiedEntry> => {
  const byId = new Map(world.entries.map((one) => [one.id, one]))
  const wanted = new Set<EntryId>([world.coop])
  const waiting = world.entries.filter(() => random.below(3) === 0).map(({ id }) => id)
  for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
    if (wanted.has(id)) continue
    wanted.add(id)
    const one = byId.get(id)
    if (one !== undefined) waiting.push(...referencesOf(one.entry))
  }
  return world.entries.filter(({ id }) => wanted.has(id))
}

const seed = fuzzSeed()
const worldsCount = 60

type Round = (asker: Node, answerer: Node, random: ReturnType<typeof makeRandom>) => void

/** Two nodes with different parts of made-up cooperatives, after some rounds, and the books that both should have. */
const pairs = function* (round: Round) {
  for (let index = 0; index < worldsCount; index++) {
    const worldSeed = (seed + index) >>> 0
    const world = makeWorld(worldSeed, 80)
    const random = makeRandom(worldSeed)
    const [one, other] = [new Node(world.coop), new Node(world.coop)]
    const [some, others] = [someOf(world, random), someOf(world, random)]
    one.receive(some)
    other.receive(others)
    const replica = new Replica(world.coop)
    for (const entry of [...some, ...others]) replica.deliver(entry)
    // A fork that shows on the way takes another round; how many branches there are bounds them.
    for (let count = 0; count < 4; count++) {
      round(one, other, random)
      round(other, one, random)
    }
    yield { one, other, expected: expectedBooks(replica), where: `world ${worldSeed} of FUZZ_SEED=${seed}` }
  }
}

const catchUp: Round = (asker, answerer, random) => asker.catchUp(answerer, 1 + random.below(10))
const reconcile: Round = (asker, answerer, random) => asker.reconcile(answerer, 1 + random.below(10))

describe("Missing", () => {
  it("brings two nodes with different parts of a made-up cooperative to the same books", () => {
    for (const { expected, one, other, where } of pairs(catchUp)) {
      assert.deepStrictEqual([booksOf(one.journal), booksOf(other.journal)], [expected, expected], where)
    }
  })

  it("brings them there too when they compare ranges, and ends with nothing to say", () => {
    for (const { expected, one, other, where } of pairs(reconcile)) {
      assert.deepStrictEqual([booksOf(one.journal), booksOf(other.journal)], [expected, expected], where)
      assert.strictEqual(one.reconcile(other).sent + other.reconcile(one).sent, 0, where)
    }
  })

  it("sends nothing to who has all of it, and all to who has nothing", () => {
    const coop = new Coop(["alice", "bob"])
    for (let index = 0; index < 20; index++) coop.pay("alice", "bob", 1)
    const entries = [...coop.replica.history.entries()]
    const [full, empty] = [new Node(coop.replica.history.coop), new Node(coop.replica.history.coop)]
    full.receive(entries)
    assert.strictEqual(empty.catchUp(full), entries.length)
    assert.strictEqual(empty.catchUp(full), 0)
    assert.strictEqual(full.catchUp(empty), 0)
    // One entry more is sent alone.
    full.receive([coop.pay("bob", "alice", 1)])
    assert.strictEqual(empty.catchUp(full), 1)
  })

  it("sends at most as many entries and bytes as were asked for, and at least one", () => {
    const coop = new Coop(["alice", "bob"])
    for (let index = 0; index < 20; index++) coop.pay("alice", "bob", 1)
    const full = new Node(coop.replica.history.coop)
    full.receive([...coop.replica.history.entries()])
    assert.strictEqual(full.reader.missing([], { version: 0, max: 5, bytesMax: 100_000 }).entries.length, 5)
    const tight = full.reader.missing([], { version: 0, max: 5, bytesMax: 1 })
    assert.strictEqual(tight.entries.length, 1)
    assert.deepStrictEqual([tight.version, tight.done], [1, false])
  })

  it("passes on nothing that is only vouched for, nor what follows it, and tells chains up to there", () => {
    const coop = new Coop(["alice", "bob"])
    const [first, second, third] = [1, 2, 3].map((amount) => coop.pay("alice", "bob", amount))
    assert.isDefined(second)
    const node = new Node(coop.replica.history.coop)
    for (const one of coop.replica.history.entries()) {
      node.intake.receive([{ ...sealedBytes(one), proof: one === second ? "vouched" : "signed" }], 0)
    }
    const has = (id: string | undefined) => {
      const { entries } = node.reader.missing([], { version: 0, max: 1000, bytesMax: 1_000_000 })
      return entries.some(({ body }) => id !== undefined && Buffer.from(body).equals(bodyOf(coop, id)))
    }
    assert.deepStrictEqual([has(first?.id), has(second?.id), has(third?.id)], [true, false, false])
    const chain = node.reader.chains().find(({ author }) => author === account("alice"))
    assert.deepStrictEqual(chain?.heads, [{ seq: 0, id: first?.id ?? "" }])
    node.journal.prove(second?.id ?? "", new Uint8Array(64))
    assert.deepStrictEqual([has(second?.id), has(third?.id)], [true, true])
    assert.strictEqual(node.reader.chains().find(({ author }) => author === account("alice"))?.heads[0]?.seq, 2)
  })

  it("sends of a forked author what is booked and the proof, not his other branches", () => {
    const coop = new Coop(["cheat", "bob"])
    const start = coop.pay("cheat", "bob", 1)
    const draft = (amount: number) =>
      identify(coop.draft("cheat", { kind: "transfer" }, { legs: pays("cheat", "bob", amount), prev: start }))
    const branches = [2, 3, 4].map(draft)
    const node = new Node(coop.replica.history.coop)
    // It had the first branch, of two entries, before it knew of the second.
    node.receive([...coop.replica.history.entries(), ...branches.slice(0, 1)])
    const [branch] = branches
    assert.isDefined(branch)
    coop.replica.deliver(branch)
    const further = coop.pay("cheat", "bob", 1)
    node.receive([further, ...branches.slice(1)])
    assert.strictEqual(node.journal.quarantineSize().entries, 1)
    const other = new Node(coop.replica.history.coop)
    other.catchUp(node)
    assert.deepStrictEqual(booksOf(other.journal), booksOf(node.journal))
    assert.isDefined(node.journal.find(further.id))
    assert.isUndefined(other.journal.find(further.id))
    assert.strictEqual(other.catchUp(node), 0)
  })
})

const bodyOf = (coop: Coop, id: string): Uint8Array => {
  const found = coop.replica.history.find(id)
  assert.isDefined(found)
  return encodeEntry(found.entry)
}
