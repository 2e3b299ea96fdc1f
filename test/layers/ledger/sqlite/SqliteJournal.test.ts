import { assert, describe, it } from "@effect/vitest"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach } from "vitest"
import { openJournal, type SqliteJournal } from "../../../../src/layers/ledger/sqlite/SqliteJournal.ts"
import { JournalPair } from "../../../fixtures/journalPair.ts"
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

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "icn-node-"))
})
afterEach(() => {
  for (const journal of opened.splice(0)) journal.close()
  rmSync(directory, { recursive: true, force: true })
})

class Undone extends Error {}

const undo = (body: () => void, journal: SqliteJournal): void => {
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
const feed = (world: World, random: Random, pair: JournalPair, journal: SqliteJournal): void => {
  const accounts = accountsOf(world)
  const order = [...shuffled(world, random)]
  while (order.length > 0) {
    const batch = order.splice(0, 1 + random.below(12))
    if (random.below(6) === 0) {
      undo(() => {
        for (const one of batch) pair.deliverHere(one)
        pair.journal.balances(undefined, 100)
      }, journal)
    }
    journal.write(() => {
      for (const one of batch) if (pair.deliver(one) > 0 && random.below(3) === 0) pair.compareBooks()
      if (random.below(8) === 0) pair.compareAll(accounts)
    })
    pair.compareBooks()
  }
  pair.compareAll(accounts)
}

describe("SqliteJournal", () => {
  it("answers as the journal in memory does, entry by entry, for 200 made-up cooperatives", () => {
    let versions = 0
    for (let index = 0; index < 200; index++) {
      const worldSeed = (seed + index) >>> 0
      const world = makeWorld(worldSeed, index % 20 === 0 ? 300 : 60)
      const random = makeRandom(worldSeed)
      const path = nextPath()
      const journal = open(path, world.coop)
      try {
        const pair = new JournalPair(journal, () => (random.below(4) === 0 ? "vouched" : "signed"))
        feed(world, random, pair, journal)
        versions += journal.version()
      } catch (cause) {
        throw new Error(hint(worldSeed), { cause })
      }
      journal.close()
    }
    assert.isAtLeast(versions, 5_000)
  }, 300_000)
})
