import { assert, describe, it } from "@effect/vitest"
import type { DatabaseSync } from "node:sqlite"
import { recomputeBalances } from "../../../../src/domain/ledgerRecompute.ts"
import { Auditor } from "../../../../src/layers/ledger/sqlite/Auditor.ts"
import { repairBooks } from "../../../../src/layers/ledger/sqlite/AuditorRepair.ts"
import { Replica } from "../../../fixtures/ledgerReplica.ts"
import { rowsOf } from "../../../fixtures/ledgerRows.ts"
import { makeWorld, shuffled } from "../../../fixtures/ledgerWorld.ts"
import { fuzzSeed, makeRandom, type Random } from "../../../fixtures/random.ts"

const worldsCount = 40
const seed = fuzzSeed()

/** A replica that has taken in a world in a random order, up to a random version. */
const someReplica = (random: Random, number: number): Replica => {
  const world = makeWorld(seed + number, 60)
  const replica = new Replica(world.coop)
  const all = shuffled(world, random)
  for (const one of all.slice(0, random.below(all.length))) replica.deliver(one)
  return replica
}

const storedRows = (database: DatabaseSync) =>
  database
    .prepare(
      `SELECT lower(hex(key)) AS account, currency, posted, held, unacked FROM balance JOIN account ON number = account
      WHERE posted <> 0 OR held <> 0 OR unacked <> 0 ORDER BY 1, 2`
    )
    .all()
    .map((row) => ({ ...row }))

const marksIn = (database: DatabaseSync) =>
  [
    "SELECT version, booked FROM entry ORDER BY 1",
    "SELECT * FROM leg",
    "SELECT * FROM open_hold",
    "SELECT * FROM covered",
    "SELECT account, lowest_fork FROM author"
  ].map((sql) => database.prepare(sql).all())

const rightRows = (replica: Replica) =>
  recomputeBalances(replica.history).map(({ account, currency, held, posted, unacked }) => ({
    account,
    currency,
    posted,
    held,
    unacked
  }))

describe("Auditor", () => {
  it(`finds nothing wrong in right books (seed ${seed})`, () => {
    const random = makeRandom(seed)
    for (let number = 0; number < worldsCount; number++) {
      const replica = someReplica(random, number)
      const { report, sound } = new Auditor(rowsOf(replica)).audit()
      assert.isTrue(sound, `world ${seed + number}`)
      assert.strictEqual(report.journalVersion, replica.history.size)
      assert.strictEqual(report.entries, replica.history.size)
      assert.deepStrictEqual(report.mismatches, [])
      assert.isTrue(report.sums.every((sum) => sum === 0))
    }
  })

  it(`works out every row that is stored wrongly, whatever the marks say (seed ${seed})`, () => {
    const random = makeRandom(seed)
    for (let number = 0; number < worldsCount; number++) {
      const replica = someReplica(random, number)
      const database = rowsOf(replica)
      const right = marksIn(database)
      database.exec("DELETE FROM balance")
      if (random.below(2) === 0) database.exec("UPDATE leg SET booked = abs(random() % 2), open = abs(random() % 2)")
      if (random.below(2) === 0) database.exec("UPDATE entry SET booked = abs(random() % 2)")
      if (random.below(2) === 0) database.exec("DELETE FROM covered")
      if (random.below(2) === 0) database.exec("UPDATE author SET lowest_fork = abs(random() % 20)")
      if (random.below(2) === 0) database.exec("DELETE FROM open_hold")
      if (random.below(2) === 0) database.exec("INSERT OR IGNORE INTO open_hold VALUES (1, 77, 5)")
      // Of accounts that nothing was ever booked for, and that are not even known.
      if (random.below(2) === 0) {
        database.exec(`INSERT INTO account VALUES (500, x'${"00".repeat(32)}');
          INSERT INTO balance (account, currency, posted, held, unacked) VALUES (500, 0, 7, 0, 0), (999, 1, 0, 8, 0)`)
      }
      const { repair, report } = new Auditor(database).audit()
      assert.deepStrictEqual(
        report.mismatches
          .map(({ account, currency, recomputed }) => ({ account, currency, ...recomputed }))
          .filter(({ held, posted, unacked }) => posted !== 0 || held !== 0 || unacked !== 0)
          .toSorted((a, b) => (a.account + a.currency < b.account + b.currency ? -1 : 1)),
        rightRows(replica),
        `world ${seed + number}`
      )
      repairBooks(database, repair)
      assert.deepStrictEqual(storedRows(database), rightRows(replica))
      assert.deepStrictEqual(marksIn(database), right)
    }
  })

  it(`lists an open hold that is listed as somebody else's (seed ${seed})`, () => {
    const random = makeRandom(seed)
    let listed = 0
    for (let number = 0; number < worldsCount; number++) {
      const replica = someReplica(random, number)
      const database = rowsOf(replica)
      const right = marksIn(database)
      listed += Number(database.prepare("UPDATE open_hold SET account = account + 1000").run().changes)
      repairBooks(database, new Auditor(database).audit().repair)
      assert.deepStrictEqual(marksIn(database), right, `world ${seed + number}`)
    }
    assert.isAbove(listed, 0)
  })
})
