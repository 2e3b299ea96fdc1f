import { assert, describe, it } from "@effect/vitest"
import type { IdentifiedEntry } from "../../../src/domain/ledgerEntry.ts"
import { defaultQuarantineBounds, Intake, type QuarantineBounds } from "../../../src/layers/ledger/Intake.ts"
import { MemoryJournal } from "../../../src/layers/ledger/MemoryJournal.ts"
import { account, Coop, identify, pays } from "../../fixtures/ledgerCoop.ts"
import { booksOf, expectedBooks, sealedBytes } from "../../fixtures/ledgerJournal.ts"
import { nothing } from "../../fixtures/ledgerReceived.ts"
import { Replica } from "../../fixtures/ledgerReplica.ts"
import { makeWorld, shuffled } from "../../fixtures/ledgerWorld.ts"
import { fuzzSeed, makeRandom } from "../../fixtures/random.ts"

const seed = fuzzSeed()
const worldsCount = 30
const ordersPerWorld = 3

const transfer = { kind: "transfer" } as const
/** A journal that has everything of a cooperative so far. */
const following = (coop: Coop, bounds: QuarantineBounds = defaultQuarantineBounds) => {
  const journal = new MemoryJournal(coop.replica.history.coop)
  const intake = new Intake(journal, bounds)
  const receive = (...entries: ReadonlyArray<IdentifiedEntry>) => intake.receive(entries.map(sealedBytes), 7)
  receive(...coop.replica.history.entries())
  return { journal, intake, receive }
}

/** Payments of somebody that all follow the same entry. */
const branches = (coop: Coop, count: number): ReadonlyArray<IdentifiedEntry> => {
  const prev = coop.replica.history.tip(account("cheat"))
  return Array.from({ length: count }, (_, index) =>
    identify(
      coop.draft("cheat", transfer, { legs: pays("cheat", "bob", 1 + (index % 50)), prev, memo: `branch ${index}` })
    )
  )
}

describe("Intake", () => {
  it("has the books of a ledger without bounds, for made-up cooperatives in any order", () => {
    let parked = 0
    let spared = 0
    // Some seeds make few cheats; worlds go on until enough of what they write was kept out.
    const isEnough = () => parked >= 50 && spared >= 50
    for (let index = 0; index < worldsCount || (!isEnough() && index < 10 * worldsCount); index++) {
      const worldSeed = (seed + index) >>> 0
      const world = makeWorld(worldSeed, 80)
      const replica = new Replica(world.coop)
      for (const one of world.entries) replica.deliver(one)
      const expected = expectedBooks(replica)
      for (let order = 0; order < ordersPerWorld; order++) {
        const random = makeRandom(worldSeed + order)
        const journal = new MemoryJournal(world.coop)
        const intake = new Intake(journal, defaultQuarantineBounds)
        const entries = shuffled(world, random)
        for (let at = 0; at < entries.length;) {
          const count = 1 + random.below(6)
          parked += intake.receive(entries.slice(at, at + count).map(sealedBytes), at).parked
          at += count
        }
        assert.deepStrictEqual(booksOf(journal), expected, `world ${worldSeed}, order ${order} of FUZZ_SEED=${seed}`)
        spared += replica.history.size - journal.version()
      }
    }
    assert.isAtLeast(parked, 50)
    assert.isAtLeast(spared, 50)
  })

  it("does not grow by a cheat's thousand branches, and quarantine stays within its bounds", () => {
    const coop = new Coop(["cheat", "bob"])
    const before = coop.replica.history.size
    const { journal, receive } = following(coop, { entriesMax: 100, bytesMax: 1_000_000 })
    const all = branches(coop, 1000)
    const received = receive(...all)
    // The first, and the second as the proof.
    assert.deepStrictEqual([received.added, received.parked], [2, 998])
    assert.strictEqual(journal.version(), before + 2)
    assert.strictEqual(journal.quarantineSize().entries, 100)
    for (const one of all) coop.replica.deliver(one)
    assert.deepStrictEqual(booksOf(journal), expectedBooks(coop.replica))
  })

  it("does not grow by what a cheat writes after a branch, in any order", () => {
    const coop = new Coop(["cheat", "bob"])
    const [first, second, third] = branches(coop, 3)
    assert.isDefined(first)
    assert.isDefined(second)
    assert.isDefined(third)
    const { journal, receive } = following(coop)
    receive(first, second)
    const before = journal.version()
    coop.replica.deliver(third)
    const long = Array.from({ length: 50 }, () => {
      const prev = coop.replica.history.author(account("cheat"))?.entries.at(-1)
      return coop.write("cheat", transfer, { legs: pays("cheat", "bob", 1), prev })
    })
    receive(...long.toReversed(), third, ...long)
    assert.strictEqual(journal.version(), before)
    // Once somebody relies on the end of it, all of it is taken in.
    const last = long.at(-1)
    assert.isDefined(last)
    const received = receive(coop.ack("bob", last))
    assert.deepStrictEqual(received, { ...nothing, added: 52 })
    assert.isTrue(journal.entry(third.id)?.booked)
    assert.strictEqual(journal.quarantineSize().entries, 0)
  })

  it("waits for entries that are missing, says which, and takes in all that waited", () => {
    const coop = new Coop(["alice", "bob"])
    const { journal, receive } = following(coop)
    const payment = coop.pay("alice", "bob", 10)
    const ack = coop.ack("bob", payment)
    const back = coop.pay("bob", "alice", 5)
    assert.deepStrictEqual(receive(back), { ...nothing, pending: 1, missing: [ack.id] })
    assert.deepStrictEqual(receive(ack), { ...nothing, pending: 1, missing: [payment.id] })
    assert.strictEqual(journal.quarantineSize().pending, 2)
    assert.deepStrictEqual(receive(payment), { ...nothing, added: 3 })
    assert.strictEqual(journal.quarantineSize().entries, 0)
    assert.deepStrictEqual(receive(payment, ack), { ...nothing, known: 2 })
  })

  it("takes a long chain without its beginning, one look per entry, and all of it when that comes", () => {
    const coop = new Coop(["alice", "bob"])
    coop.write("steward", { kind: "grant", account: account("alice"), currency: 0, limit: 100_000 })
    const { journal, receive } = following(coop)
    const chain = Array.from({ length: 2000 }, () => coop.pay("alice", "bob", 1))
    let looks = 0
    const quarantined = journal.quarantined.bind(journal)
    journal.quarantined = (id) => {
      looks++
      return quarantined(id)
    }
    for (const one of chain.slice(1)) receive(one)
    assert.isAtMost(looks, 20 * chain.length)
    assert.strictEqual(journal.quarantineSize().pending, 1999)
    assert.strictEqual(receive(...chain.slice(0, 1)).added, 2000)
    assert.strictEqual(journal.quarantineSize().entries, 0)
  })

  it("looks a few times for each entry that somebody without membership sends, in whichever order", () => {
    const coop = new Coop(["alice", "bob"])
    const chain: Array<IdentifiedEntry> = []
    for (let seq = 1; seq <= 2000; seq++) {
      const draft = coop.draft("stranger", { kind: "ack" }, { acks: ["ab".repeat(32)] })
      chain.push(identify({ ...draft, seq, prev: chain.at(-1)?.id ?? "ef".repeat(32), lamport: seq + 2 }))
    }
    const [even, odd] = [0, 1].map((rest) => chain.filter((_, index) => index % 2 === rest))
    for (const order of [chain.toReversed(), [...(odd ?? []), ...(even ?? [])]]) {
      const { journal, receive } = following(coop)
      const quarantined = journal.quarantined.bind(journal)
      let looks = 0
      journal.quarantined = (id) => {
        looks++
        return quarantined(id)
      }
      for (const one of order) receive(one)
      assert.isAtMost(looks, 100_000)
      assert.strictEqual(journal.quarantineSize().pending, 2000)
    }
  })

  it("judges an entry again when all that it misses has come, and not each time", () => {
    const coop = new Coop(["alice", "bob"])
    const { journal, receive } = following(coop)
    const payments = Array.from({ length: 20 }, () => coop.pay("alice", "bob", 1))
    const acks = Array.from({ length: 200 }, (_, at) =>
      identify(coop.draft("bob", { kind: "ack" }, { acks: payments.map(({ id }) => id), at }))
    )
    receive(...acks)
    const setAside = journal.setAside.bind(journal)
    let judged = 0
    journal.setAside = (one) => {
      judged++
      setAside(one)
    }
    for (const payment of payments.slice(0, -1)) receive(payment)
    assert.strictEqual(judged, 0)
    assert.deepStrictEqual(
      journal.quarantined(acks[0]?.id ?? "")?.missing,
      payments.slice(-1).map(({ id }) => id)
    )
    // Two of them are enough to prove that they are branches.
    assert.strictEqual(receive(...payments.slice(-1)).added, 3)
    assert.strictEqual(journal.quarantineSize().entries, 198)
  })

  it("keeps what members wait for, however many keys somebody without membership signs with", () => {
    const coop = new Coop(["alice", "bob"])
    const { journal, receive } = following(coop, { entriesMax: 50, bytesMax: 1_000_000 })
    const [missing, ...waiting] = Array.from({ length: 20 }, () => coop.pay("alice", "bob", 1))
    assert.isDefined(missing)
    receive(...waiting)
    let evicted = 0
    for (let index = 0; index < 200; index++) {
      evicted += receive(identify(coop.draft(`stranger ${index}`, { kind: "ack" }, { acks: [missing.id] }))).evicted
    }
    assert.strictEqual(evicted, 200 + waiting.length - 50)
    assert.isTrue(waiting.every(({ id }) => journal.quarantined(id) !== undefined))
    assert.strictEqual(receive(missing).added, 20)
  })

  it("remembers what is invalid, and what is no entry at all it only counts", () => {
    const coop = new Coop(["alice", "bob"])
    const { intake, journal, receive } = following(coop)
    const tooMuch = identify(coop.draft("alice", transfer, { legs: pays("alice", "bob", 101) }))
    assert.deepStrictEqual(receive(tooMuch, tooMuch), { ...nothing, rejected: 2 })
    assert.strictEqual(journal.quarantined(tooMuch.id)?.reason, "overLimit")
    assert.strictEqual(journal.quarantined(tooMuch.id)?.at, 7)
    const garbage = { body: Uint8Array.of(1, 2, 3), signature: new Uint8Array(64), proof: "signed" } as const
    assert.deepStrictEqual(intake.receive([garbage], 0), { ...nothing, malformed: 1 })
    assert.strictEqual(journal.quarantineSize().entries, 1)
  })

  it("lets who takes most of the quarantine lose his oldest", () => {
    const coop = new Coop(["alice", "bob"])
    const { journal, receive } = following(coop, { entriesMax: 4, bytesMax: 1_000_000 })
    const invalid = (name: string, amount: number) =>
      identify(coop.draft(name, transfer, { legs: pays(name, "steward", amount), memo: "x".repeat(amount % 100) }))
    const [first, second, third, fourth] = [201, 202, 203, 204].map((amount) => invalid("alice", amount))
    const ofBob = invalid("bob", 205)
    for (const one of [ofBob, first, second, third, fourth]) if (one !== undefined) receive(one)
    const kept = [ofBob, first, second, third, fourth].map((one) => journal.quarantined(one?.id ?? "") !== undefined)
    assert.deepStrictEqual(kept, [true, false, true, true, true])
  })

  it("keeps within the bytes of the quarantine", () => {
    const coop = new Coop(["cheat", "bob"])
    const { journal, receive } = following(coop, { entriesMax: 1000, bytesMax: 5000 })
    receive(...branches(coop, 100))
    assert.isAtMost(journal.quarantineSize().bytes, 5000)
    assert.isAtLeast(journal.quarantineSize().entries, 5)
  })

  it("does not take in a branch for who is no member, nor for who waits for something else as well", () => {
    const coop = new Coop(["cheat", "bob"])
    const [first, second, third] = branches(coop, 3)
    assert.isDefined(first)
    assert.isDefined(second)
    assert.isDefined(third)
    const { journal, receive } = following(coop)
    receive(first, second, third)
    for (const one of [first, second, third]) coop.replica.deliver(one)
    const before = journal.version()
    const stranger = identify(coop.draft("stranger", { kind: "ack" }, { acks: [third.id] }))
    const missing = "ab".repeat(32)
    const incomplete = identify(coop.draft("bob", { kind: "ack" }, { acks: [third.id], deps: [missing] }))
    assert.deepStrictEqual(receive(stranger, incomplete), { ...nothing, pending: 2, missing: [missing] })
    assert.strictEqual(journal.version(), before)
    const ack = coop.write("bob", { kind: "ack" }, { acks: [third.id] })
    assert.strictEqual(receive(ack).added, 2)
  })

  it("takes a signature of its own for an entry that was only vouched for", () => {
    const coop = new Coop(["alice", "bob"])
    const { intake, journal, receive } = following(coop)
    const payment = coop.pay("alice", "bob", 1)
    intake.receive([{ ...sealedBytes(payment), proof: "vouched" }], 0)
    assert.deepStrictEqual(journal.creditsToAck(account("bob"), 10), [])
    assert.strictEqual(receive(payment).known, 1)
    assert.deepStrictEqual(journal.creditsToAck(account("bob"), 10), [payment.id])
    assert.deepStrictEqual(journal.vouched(10), [])
  })

  it("judges an entry of the quarantine anew when it is released", () => {
    const coop = new Coop(["alice", "bob"])
    const { intake, journal, receive } = following(coop)
    const payment = coop.pay("alice", "bob", 1)
    const ack = coop.ack("bob", payment)
    receive(ack)
    assert.deepStrictEqual(intake.release(ack.id, 8), { ...nothing, pending: 1, missing: [payment.id] })
    assert.strictEqual(journal.quarantined(ack.id)?.at, 8)
    assert.isUndefined(intake.release(payment.id, 8))
  })
})
