import { assert, describe, it } from "@effect/vitest"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach } from "vitest"
import { admit } from "../../../../src/domain/ledgerAdmit.ts"
import type { HistoryEntry } from "../../../../src/domain/ledgerHistory.ts"
import { type Journal, type JournalReads, type Quarantined, strangers } from "../../../../src/layers/ledger/Journal.ts"
import { MemoryJournal } from "../../../../src/layers/ledger/MemoryJournal.ts"
import { openJournal, type SqliteJournal } from "../../../../src/layers/ledger/sqlite/SqliteJournal.ts"
import { StorageError } from "../../../../src/layers/ledger/sqlite/storageError.ts"
import { account, Coop, pays } from "../../../fixtures/ledgerCoop.ts"
import { JournalPair, sealedOf } from "../../../fixtures/journalPair.ts"
import { makeWorld, shuffled, type World } from "../../../fixtures/ledgerWorld.ts"
import { fuzzSeed, makeRandom, type Random } from "../../../fixtures/random.ts"

const seed = fuzzSeed()
const hint = (worldSeed: number) => `world ${worldSeed} of FUZZ_SEED=${seed}`

let directory = ""
let files = 0
const opened: Array<SqliteJournal> = []
const nextPath = () => join(directory, `${files++}.sqlite`)
const open = (path: string, coop: string, readOnly = false): SqliteJournal => {
  const journal = openJournal(path, { coop, readOnly })
  opened.push(journal)
  return journal
}
/** Does not wait for the disk, where nothing is said about it. */
const openQuick = (path: string, coop: string): SqliteJournal => {
  const journal = open(path, coop)
  journal.database.exec("PRAGMA synchronous = OFF")
  return journal
}
const closeAll = (): void => {
  for (const journal of opened.splice(0)) journal.close()
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "icn-node-"))
})
afterEach(() => {
  closeAll()
  rmSync(directory, { recursive: true, force: true })
})

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")

const answersOf = (journal: JournalReads, { honest }: World) => ({
  version: journal.version(),
  entries: journal.entriesAfter(0, 1_000).map(({ booked, id }) => `${id} ${booked}`),
  balances: journal.balances(undefined, 1_000),
  heads: journal.heads(undefined, 1_000),
  forks: journal.forks(undefined, 1_000),
  holds: honest.map((account) => journal.openHolds(account, 100)),
  credits: honest.map((account) => journal.creditsToAck(account, 100))
})

class Undone extends Error {}

const undo = (journal: Journal, body: () => void): void => {
  const undone = () =>
    journal.write(() => {
      body()
      throw new Undone()
    })
  assert.throws(undone, Undone)
}

/** Everybody who is named anywhere, and somebody who is not. */
const accountsOf = ({ entries }: World): ReadonlyArray<string> => {
  const accounts = new Set<string>([`${"0".repeat(63)}1`])
  for (const { entry } of entries) {
    accounts.add(entry.author)
    for (const { account } of entry.legs) accounts.add(account)
  }
  return [...accounts]
}

/** Feeds a world in a random order, some entries in one write, and some in a write that is undone first. */
const feed = (world: World, random: Random, pair: JournalPair, reopen: () => Journal): void => {
  const accounts = accountsOf(world)
  const order = [...shuffled(world, random)]
  while (order.length > 0) {
    const batch = order.splice(0, 1 + random.below(12))
    if (random.below(6) === 0) {
      undo(pair.journal, () => {
        for (const one of batch) pair.deliverHere(one)
        pair.journal.balances(undefined, 100)
        pair.journal.setAside(quarantined(random))
        pair.journal.refuse("00".repeat(16), "digest", "overLimit")
      })
      pair.compareAll(accounts)
    }
    pair.journal.write(() => {
      for (const one of batch) if (pair.deliver(one) > 0 && random.below(3) === 0) pair.compareBooks()
      if (random.below(4) === 0) pair.prove(random.below(3))
      if (random.below(12) === 0) pair.compareAll(accounts)
    })
    pair.compareBooks()
    if (random.below(8) === 0) pair.journal = reopen()
  }
  pair.compareAll(accounts)
}

const keyNumber = (index: number) => index.toString(16).padStart(32, "0")

/** Takes in valid entries, in one write. */
const deliverTo = (journal: SqliteJournal, entries: Iterable<HistoryEntry>): void =>
  journal.write(() => {
    for (const { entry, id } of entries) {
      const admission = admit({ entry, id }, journal)
      if (admission._tag !== "Admitted") throw new Error(`${id} is ${admission._tag}`)
      journal.add(admission.entry, sealedOf({ entry, id }), "signed")
    }
  })

/** All entries of a cooperative, in one write. */
const deliverAll = ({ replica: { history } }: Coop): { readonly journal: SqliteJournal } => {
  const journal = openQuick(nextPath(), history.coop)
  deliverTo(journal, history.entries())
  return { journal }
}

const states = ["pending", "rejected", "parked"] as const

const quarantined = (random: Random): Quarantined => ({
  id: hex(random.bytes(1)).repeat(32),
  author: `0${random.below(3)}`.repeat(32),
  owner: random.below(4) === 0 ? strangers : `0${random.below(3)}`.repeat(32),
  seq: random.below(1000),
  state: random.pick(states),
  reason: random.pick(["missing", "overLimit", "forkedAuthor"]),
  missing: ["aa", "bb", "cc"].slice(random.below(3)).map((byte) => byte.repeat(32)),
  proof: random.pick(["signed", "vouched"] as const),
  sealed: { body: random.bytes(1 + random.below(200)), signature: random.bytes(64) },
  at: random.below(2 ** 40)
})

describe("SqliteJournal", () => {
  it("answers as the journal in memory does, entry by entry, for 40 made-up cooperatives", () => {
    let versions = 0
    for (let index = 0; index < 40; index++) {
      const worldSeed = (seed + index) >>> 0
      const world = makeWorld(worldSeed, index % 12 === 0 ? 250 : 60)
      const random = makeRandom(worldSeed)
      const path = nextPath()
      const reopen = () => {
        closeAll()
        return openQuick(path, world.coop)
      }
      try {
        const pair = new JournalPair(reopen(), () => (random.below(4) === 0 ? "vouched" : "signed"))
        feed(world, random, pair, reopen)
        versions += pair.journal.version()
      } catch (cause) {
        throw new Error(hint(worldSeed), { cause })
      }
    }
    assert.isAtLeast(versions, 1_200)
  }, 300_000)

  it("is there as it was when it is opened again, for another reader as well", () => {
    const world = makeWorld(seed, 100)
    const path = nextPath()
    const pair = new JournalPair(open(path, world.coop))
    pair.journal.write(() => {
      for (const one of world.entries) pair.deliver(one)
    })
    closeAll()
    for (const readOnly of [false, true]) {
      pair.journal = open(path, world.coop, readOnly)
      pair.compareAll(accountsOf(world))
      assert.isAbove(pair.journal.version(), 0)
      closeAll()
    }
  })

  it("shows a reader beside the writer what is committed and nothing else", () => {
    const world = makeWorld(seed, 100)
    const path = nextPath()
    const pair = new JournalPair(open(path, world.coop))
    const reader = open(path, world.coop, true)
    for (const one of world.entries) {
      const before = answersOf(reader, world)
      reader.read(() => {
        const version = reader.version()
        pair.journal.write(() => {
          pair.deliver(one)
          assert.strictEqual(reader.version(), version)
        })
        // Of one version throughout, although there is another by now.
        assert.deepStrictEqual(answersOf(reader, world), before)
      })
      assert.deepStrictEqual(answersOf(reader, world), answersOf(pair.journal, world))
    }
    assert.throws(
      () => reader.write(() => reader.refuse("00".repeat(16), "digest", "overLimit")),
      StorageError,
      "readonly"
    )
  })

  it("says that the file is corrupt when it finds what it never wrote", () => {
    const coop = new Coop(["ann", "ben"])
    const { id } = coop.pay("ann", "ben", 1)
    const { path } = deliverAll(coop).journal
    closeAll()
    for (const [damage, said] of [
      ["UPDATE balance SET posted = 9007199254740993", /too large/],
      ["UPDATE entry SET chain = '[1,[null]]'", /the state of a chain/],
      ["UPDATE entry SET body = x'80'", /an entry that was stored/]
    ] as const) {
      const journal = openQuick(path, coop.replica.history.coop)
      journal.database.exec(damage)
      const ask = () => journal.read(() => [journal.balance(account("ann"), 0), journal.find(id)])
      assert.throws(ask, StorageError, said)
      if (said.source === "too large") journal.database.exec("UPDATE balance SET posted = 0")
    }
  })

  it("makes a write within a write a part of it", () => {
    const world = makeWorld(seed)
    const [genesis] = world.entries
    const pair = new JournalPair(openQuick(nextPath(), world.coop))
    const { journal } = pair
    if (genesis === undefined) throw new Error("a world without a genesis")
    undo(journal, () => journal.write(() => pair.deliverHere(genesis)))
    assert.strictEqual(journal.version(), 0)
    journal.write(() => journal.write(() => pair.deliver(genesis)))
    pair.compareAll(accountsOf(world))
  })

  it("undoes a write whose commit fails", () => {
    const world = makeWorld(seed)
    const pair = new JournalPair(openQuick(nextPath(), world.coop))
    const { database } = opened[0] ?? openQuick(nextPath(), world.coop)
    database.exec("PRAGMA foreign_keys = ON; CREATE TABLE parent (id INTEGER PRIMARY KEY)")
    database.exec("CREATE TABLE child (of INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED)")
    const fails = () =>
      pair.journal.write(() => {
        database.exec("PRAGMA defer_foreign_keys = ON")
        for (const one of world.entries) pair.deliverHere(one)
        database.exec("INSERT INTO child VALUES (1)")
        assert.isAbove(pair.journal.version(), 10)
      })
    assert.throws(fails, /FOREIGN KEY/)
    assert.isFalse(database.isTransaction)
    database.exec("PRAGMA foreign_keys = OFF")
    pair.compareAll(accountsOf(world))
    pair.journal.write(() => {
      for (const one of world.entries) pair.deliver(one)
    })
    pair.compareAll(accountsOf(world))
    assert.isAbove(pair.journal.version(), 10)
  })

  it("keeps the quarantine as the one in memory does", () => {
    const random = makeRandom(seed)
    const journal = openQuick(nextPath(), "00".repeat(32))
    const memory = new MemoryJournal(journal.coop)
    const known = new Set<string>()
    for (let step = 0; step < 600; step++) {
      const one = quarantined(random)
      known.add(one.id)
      const id = random.pick([...known])
      for (const each of [journal, memory]) {
        each.write(() => (step % 3 === 0 ? each.takeOut(id) : each.setAside(one)))
      }
      assert.deepStrictEqual(journal.quarantineSize(), memory.quarantineSize())
      assert.deepStrictEqual(journal.quarantined(id), memory.quarantined(id))
      assert.strictEqual(journal.quarantinedAs(id), memory.quarantinedAs(id))
      if (step % 50 !== 0) continue
      const newest = journal.quarantine(undefined, 1_000)
      assert.deepStrictEqual(newest, memory.quarantine(undefined, 1_000))
      const after = newest[random.below(newest.length)]?.id
      assert.deepStrictEqual(journal.quarantine(after, 5), memory.quarantine(after, 5))
      for (const missing of ["aa", "bb", "cc", "dd"].map((byte) => byte.repeat(32))) {
        assert.sameMembers([...journal.waitingFor(missing)], [...memory.waitingFor(missing)])
      }
      const [mine, theirs] = [journal.biggestOffender(), memory.biggestOffender()]
      assert.deepStrictEqual(mine, theirs)
      const arrived = random
        .pick(["aa", "bb", ...known])
        .slice(0, 2)
        .repeat(32)
      const ready = [journal, memory].map((each) => each.write(() => each.arrived(arrived)))
      assert.sameMembers([...(ready[0] ?? [])], [...(ready[1] ?? [])])
      assert.deepStrictEqual(journal.quarantine(undefined, 1_000), memory.quarantine(undefined, 1_000))
    }
    assert.isAtLeast(journal.quarantineSize().entries, 20)
  })

  it("remembers the last 100,000 refusals", () => {
    const journal = openQuick(nextPath(), "00".repeat(32))
    journal.write(() => {
      for (let index = 0; index < 100_010; index++) journal.refuse(keyNumber(index), `digest ${index}`, "overLimit")
    })
    assert.isUndefined(journal.refusal(keyNumber(9)))
    for (const index of [10, 50_000, 100_009]) {
      assert.deepStrictEqual(journal.refusal(keyNumber(index)), { digest: `digest ${index}`, reason: "overLimit" })
    }
    journal.write(() => journal.refuse(keyNumber(500), "other", "tooLarge"))
    assert.deepStrictEqual(journal.refusal(keyNumber(500)), { digest: "other", reason: "tooLarge" })
  })

  it("corrects stored sums, and has no row for nothing", () => {
    const world = makeWorld(seed)
    const journal = openQuick(nextPath(), world.coop)
    const account = world.honest[0] ?? ""
    const sums = () => journal.balances(undefined, 10).map(({ held, posted, unacked }) => [posted, held, unacked])
    const correct = (posted: number, held: number, unacked: number) =>
      journal.write(() => journal.correct([{ account, currency: 1, posted, held, unacked }]))
    correct(5, 2, 1)
    correct(-3, 0, 1)
    assert.deepStrictEqual(sums(), [[2, 2, 2]])
    correct(-2, -2, -2)
    assert.deepStrictEqual(sums(), [])
    assert.strictEqual(journal.balance(account, 1).posted, 0)
    assert.throws(() => correct(Number.MAX_SAFE_INTEGER + 1, 0, 0), RangeError)
    assert.deepStrictEqual(sums(), [])
  })

  it("sees forks through a past of some thousand entries", () => {
    const coop = new Coop(["ann", "ben", "cam"])
    const toBen = coop.pay("ann", "ben", 1)
    const toCam = coop.pay("ann", "cam", 1, { prev: undefined })
    let last = coop.ack("cam", toCam)
    for (let count = 0; count < 1_000; count++) {
      last = coop.write("cam", { kind: "hold", expiresAt: 0 }, { legs: pays("cam", "ben", 1) })
      last = coop.write("cam", { kind: "void", hold: last.id })
    }
    const { journal } = deliverAll(coop)
    const refs = (...entries: ReadonlyArray<HistoryEntry>) => entries.map(({ id }) => journal.find(id) ?? toBen)
    const ann = account("ann")
    const ask = () => {
      assert.isTrue(journal.seesFork(ann, refs(toBen, last)))
      assert.isFalse(journal.seesFork(ann, refs(last)))
      assert.isFalse(journal.seesFork(ann, refs(toBen)))
      assert.isFalse(journal.seesFork(account("ben"), refs(toBen, last)))
    }
    journal.read(ask)
    journal.write(ask)
    journal.write(ask)
    // It is known from now on.
    const known = journal.database.prepare("SELECT count(*) AS sights FROM sight").get()
    assert.isAbove(Number(known?.["sights"]), 2_000)
  })

  it("does not go through the past again for each fork below the one before", () => {
    const coop = new Coop(["cheat", "ben"])
    const chain = Array.from({ length: 65 }, () => coop.pay("cheat", "ben", 1))
    coop.write("ben", { kind: "ack" }, { acks: chain.slice(0, 1).map(({ id }) => id) })
    const { journal } = deliverAll(coop)
    const cheat = account("cheat")
    const sights = journal.database.prepare("SELECT sight_from, sight_to FROM author WHERE lowest_fork IS NOT NULL")
    let anew = 0
    for (let seq = 60; seq > 0; seq--) {
      const prev = coop.replica.history.find(chain[seq - 1]?.id ?? "")
      const other = coop.pay("cheat", "ben", 2, { prev })
      const before = sights.get()?.["sight_from"]
      deliverTo(journal, [other])
      if (sights.get()?.["sight_from"] !== before) anew++
      const found = [chain.at(-1), other].flatMap((one) => journal.find(one?.id ?? "") ?? [])
      journal.write(() => {
        assert.isTrue(journal.seesFork(cheat, found))
        for (const one of found) assert.isFalse(journal.seesFork(cheat, [one]))
      })
    }
    assert.isAtMost(anew, 7)
  })

  it("takes more authors and accounts in one write than it keeps at hand", () => {
    const many = 1_100
    const names = Array.from({ length: many }, (_, index) => `author ${index}`)
    const coop = new Coop(names)
    for (const name of names) coop.pay(name, `payee of ${name}`, 3)
    for (const name of names) coop.pay(name, names[0] === name ? "author 1" : "author 0", 2)
    const { journal } = deliverAll(coop)
    const rows = journal.balances(undefined, 3 * many)
    assert.isAtLeast(rows.length, 2 * many)
    assert.deepStrictEqual(rows, coop.replica.books.balances())
    assert.strictEqual(journal.heads(undefined, 3 * many).length, many + 1)
    assert.isTrue(
      journal.heads(undefined, 3 * many).every(({ author, seq }) => seq === 1 || author === account("steward"))
    )
  })
})
