import { assert, describe, it } from "@effect/vitest"
import { recomputeBalances } from "../../src/domain/ledgerRecompute.ts"
import { bookedEntries } from "../../src/domain/ledgerBooking.ts"
import type { Balance } from "../../src/domain/ledgerBooks.ts"
import { availableOf } from "../../src/domain/ledgerChain.ts"
import { type Entry, referencesOf } from "../../src/domain/ledgerEntry.ts"
import type { HistoryEntry, LedgerHistory } from "../../src/domain/ledgerHistory.ts"
import { Replica } from "../fixtures/ledgerReplica.ts"
import { makeWorld, shuffled, type World } from "../fixtures/ledgerWorld.ts"
import { fuzzSeed, makeRandom } from "../fixtures/random.ts"

const worldsCount = 125
const ordersPerWorld = 8
const seed = fuzzSeed()
const worldSeeds = Array.from({ length: worldsCount }, (_, index) => (seed + index) >>> 0)
const worlds = new Map<number, World>()
const worldOf = (worldSeed: number): World => {
  const world = worlds.get(worldSeed) ?? makeWorld(worldSeed)
  worlds.set(worldSeed, world)
  return world
}
const hint = (worldSeed: number) => `world ${worldSeed} of FUZZ_SEED=${seed}`

// Assertions of the library cost more than what is checked here some million times.
const must = (holds: boolean, what: string, where: string): void => {
  if (!holds) assert.fail(`${what} in ${where}`)
}

/** What holds after every single entry, in whatever order they come. */
const checkVersion = ({ cuts, honest, limits }: World, { books, history }: Replica, where: string): void => {
  const sums = [0, 0]
  for (const { currency, held, posted, unacked } of books.balances()) {
    sums[currency] = (sums[currency] ?? 0) + posted
    must(held >= 0 && unacked >= 0, "something is negative", where)
  }
  must(sums.length === 2 && sums[0] === 0 && sums[1] === 0, `the sums are ${sums.join()}`, where)
  for (const account of honest) {
    must(!history.isForked(account), "an honest member forked", where)
    for (const currency of [0, 1]) {
      const { available, held, posted, unacked } = books.balance(account, currency)
      must(posted - unacked - held >= -(limits.get(account) ?? 0), "an honest member is over his limit", where)
      must(cuts || available >= 0, "an honest member has less than nothing", where)
      const state = history.tip(account)?.chain.accounts[currency]
      must(state === undefined || available === availableOf(state), "the next entry goes by another sum", where)
    }
  }
}

const same = (one: Balance, other: Balance | undefined): boolean =>
  other !== undefined &&
  one.account === other.account &&
  one.currency === other.currency &&
  one.posted === other.posted &&
  one.held === other.held &&
  one.unacked === other.unacked &&
  one.limit === other.limit &&
  one.available === other.available

const checkRecomputed = ({ books, history }: Replica, where: string): void => {
  const kept = books.balances()
  const anew = recomputeBalances(history)
  must(kept.length === anew.length && kept.every((one, index) => same(one, anew[index])), "other balances", where)
  const booked = bookedEntries(history)
  for (const entry of history.entries()) must(books.isBooked(entry) === booked.has(entry), "other bookings", where)
}

/** Everything that an entry refers to, directly or not, by plain search. */
const pastOf = (history: LedgerHistory, entry: Entry): ReadonlySet<HistoryEntry> => {
  const past = new Set<HistoryEntry>()
  const waiting = [...referencesOf(entry)]
  for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
    const found = history.find(id)
    if (found === undefined || past.has(found)) continue
    past.add(found)
    waiting.push(...referencesOf(found.entry))
  }
  return past
}

/** Whether the entry acks a credit of somebody who has two entries at one position in its past. */
const acksForked = (history: LedgerHistory, entry: Entry): boolean => {
  const payers = new Set(entry.acks.map((id) => history.find(id)?.entry.author))
  const places = new Set<string>()
  for (const one of pastOf(history, entry)) {
    const place = `${one.entry.author} ${one.entry.seq}`
    if (payers.has(one.entry.author) && places.has(place)) return true
    places.add(place)
  }
  return false
}

/** What an author can spend in currency 0 after an entry, added up from his chain alone. */
const availableAfter = (history: LedgerHistory, tip: HistoryEntry): number => {
  const chain: Array<Entry> = []
  for (let at: HistoryEntry | undefined = tip; at !== undefined; at = history.find(at.entry.prev ?? ""))
    chain.push(at.entry)
  const { author } = tip.entry
  const legsOf = (entry: Entry | undefined, sign: number) =>
    (entry?.legs ?? [])
      .filter(({ account, amount, currency }) => account === author && currency === 0 && amount * sign > 0)
      .reduce((sum, { amount }) => sum + amount, 0)
  const grants = chain
    .flatMap(({ deps }) => deps)
    .flatMap((id) => history.find(id) ?? [])
    .filter(({ entry }) => entry.kind === "grant" && entry.account === author && entry.currency === 0)
    .toSorted((a, b) => b.entry.lamport - a.entry.lamport || (a.id < b.id ? 1 : -1))
  let available = 100
  const [latest] = grants
  if (latest?.entry.kind === "grant") available = latest.entry.limit
  for (const entry of chain) {
    // The debit of a hold counts until it is resolved, and then that of the post in its place.
    if (entry.kind === "post" || entry.kind === "void") available -= legsOf(history.find(entry.hold)?.entry, -1)
    available += legsOf(entry, -1)
    for (const id of entry.acks) available += legsOf(history.find(id)?.entry, 1)
  }
  return available
}

const idsOf = (world: World): ReadonlyArray<string> => world.entries.map(({ id }) => id)

describe("made-up cooperatives", () => {
  it("come to the same books for 1,000 orders, with sum 0 and nobody honest over his limit at every entry", () => {
    let orders = 0
    for (const worldSeed of worldSeeds) {
      const world = worldOf(worldSeed)
      const where = hint(worldSeed)
      let expected: string | undefined
      for (let order = 0; order < ordersPerWorld; order++, orders++) {
        const replica: Replica = new Replica(world.coop, () => checkVersion(world, replica, where))
        for (const one of shuffled(world, makeRandom(worldSeed + order))) replica.deliver(one)
        const state = JSON.stringify(replica.state())
        expected ??= state
        must(state === expected, "another state for another order", where)
      }
    }
    assert.isAtLeast(orders, 1000)
  })

  it("have the same books when they are recomputed, at every version", () => {
    let versions = 0
    for (const worldSeed of worldSeeds) {
      const world = worldOf(worldSeed)
      const replica: Replica = new Replica(world.coop, () => {
        checkRecomputed(replica, hint(worldSeed))
        versions++
      })
      for (const one of shuffled(world, makeRandom(worldSeed))) replica.deliver(one)
    }
    assert.isAtLeast(versions, 3000)
  })

  it("are judged as by somebody who goes through the whole past of every entry", () => {
    let refused = 0
    for (const worldSeed of worldSeeds) {
      const { coop, entries } = worldOf(worldSeed)
      const replica = new Replica(coop)
      for (const one of entries) replica.deliver(one)
      const { history, rejected } = replica
      for (const one of history.entries()) {
        must(!acksForked(history, one.entry), "an ack of a forked payer was admitted", hint(worldSeed))
        const account = one.chain.accounts[0]
        const available = account === undefined ? undefined : availableOf(account)
        must(available === availableAfter(history, one), "another sum of the chain", hint(worldSeed))
      }
      for (const { entry, id } of entries) {
        if (rejected.get(id) !== "ackOfForked") continue
        refused++
        must(acksForked(history, entry), "an ack was refused without a fork in its past", hint(worldSeed))
      }
    }
    assert.isAtLeast(refused, 1)
  })

  it("are the same for the same seed, and others for another", () => {
    for (const worldSeed of worldSeeds.slice(0, 10)) {
      assert.deepStrictEqual(idsOf(makeWorld(worldSeed)), idsOf(worldOf(worldSeed)))
      assert.notDeepEqual(idsOf(makeWorld(worldSeed + worldsCount)), idsOf(worldOf(worldSeed)))
    }
  })

  it("have all that the properties are about", () => {
    const seen = new Map<string, number>()
    const see = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1)
    for (const worldSeed of worldSeeds) {
      const world = worldOf(worldSeed)
      const replica = new Replica(world.coop)
      for (const one of world.entries) replica.deliver(one)
      for (const reason of replica.rejected.values()) see(reason)
      for (const _ of replica.pending) see("pending")
      for (const entry of replica.history.entries()) {
        see(entry.entry.kind)
        const lowest = replica.history.author(entry.entry.author)?.lowestFork
        if (lowest !== undefined && entry.entry.seq >= lowest) {
          see(replica.books.isBooked(entry) ? "booked above a fork" : "not booked")
        }
      }
      for (const { lowestFork } of replica.history.authors()) if (lowestFork !== undefined) see("fork")
    }
    if (process.env["SHOW_WORLDS"] !== undefined) process.stdout.write(`${JSON.stringify([...seen])}\n`)
    const wanted =
      "member grant transfer hold post void reverse ack pending fork ackOfForked ackedBefore overLimit wrongLamport " +
      "brokenChain foreignDebit unbalanced foreignCoop notSteward notAHold notMember"
    for (const what of wanted.split(" ")) assert.isAtLeast(seen.get(what) ?? 0, 1, what)
    assert.isAtLeast(seen.get("booked above a fork") ?? 0, 50)
    assert.isAtLeast(seen.get("not booked") ?? 0, 50)
  })
})
