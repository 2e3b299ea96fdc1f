import { assert, describe, it } from "@effect/vitest"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach } from "vitest"
import { openJournal, type SqliteJournal } from "../../../../src/layers/ledger/sqlite/SqliteJournal.ts"
import { JournalPair } from "../../../fixtures/journalPair.ts"
import { account, Coop, identify, pays } from "../../../fixtures/ledgerCoop.ts"

const people = ["steward", "second steward", "ann", "ben", "cam", "dan"]

let directory = ""
let journal: SqliteJournal | undefined

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "icn-node-"))
})
afterEach(() => {
  journal?.close()
  rmSync(directory, { recursive: true, force: true })
})

/** The entries of a cooperative one by one, each compared with what the journal in memory says. */
const follow = ({ replica: { history } }: Coop): SqliteJournal => {
  const opened = openJournal(join(directory, "ledger.sqlite"), { coop: history.coop })
  journal = opened
  const pair = new JournalPair(opened)
  for (const { entry, id } of history.entries()) {
    opened.write(() => pair.deliver({ entry, id }))
    pair.compareAll(people.map(account))
  }
  return opened
}

describe("what is booked in the file", () => {
  it("is what an entry of one cheat covers of another", () => {
    const coop = new Coop(["ann", "ben", "cam"])
    const toAnn = coop.pay("ben", "ann", 5)
    coop.ack("ann", toAnn)
    coop.ack("cam", coop.pay("ann", "cam", 7))
    coop.pay("ann", "ben", 1, { prev: undefined })
    coop.pay("ben", "ann", 1, { prev: undefined })
    // Only by the ack of one who has forked himself, and on whom an honest member relied.
    assert.isTrue(follow(coop).entry(toAnn.id)?.booked)
  })

  it("is the beginning of a cooperative whose founder has two of them", () => {
    const coop = new Coop(["ann"])
    const first = coop.replica.history.tip(account("steward"))
    coop.write("steward", { kind: "member", account: account("ben") })
    coop.write("steward", { kind: "member", account: account("cam") }, { prev: first })
    coop.write("second steward", { kind: "grant", account: account("ann"), currency: 0, limit: 7 })
    coop.write("steward", { kind: "member", account: account("dan") }, { prev: undefined })
    const found = follow(coop)
    assert.strictEqual(found.lowestFork(account("steward")), 0)
    assert.isTrue(found.entry(found.coop)?.booked)
  })

  it("is a cheat's payment that an honest member gives back", () => {
    const coop = new Coop(["ann", "ben"])
    const first = coop.pay("ben", "ann", 1)
    coop.pay("ben", "ann", 2, { prev: first })
    const other = coop.pay("ben", "ann", 3, { prev: first })
    const reversal = coop.write("ann", { kind: "reverse", reversed: other.id }, { legs: pays("ann", "ben", 3) })
    const found = follow(coop)
    assert.isTrue(found.entry(other.id)?.booked)
    assert.isTrue(found.entry(reversal.id)?.booked)
  })

  it("decides on a cheat's limit by the latest grant of all his branches", () => {
    const coop = new Coop(["ann", "ben", "cam", "dan"])
    const grant = (limit: number) =>
      coop.write("steward", { kind: "grant", account: account("ann"), currency: 0, limit })
    grant(200)
    // Written before the second grant is known, and published last.
    const late = identify(coop.draft("ann", { kind: "transfer" }, { legs: pays("ann", "dan", 5), prev: undefined }))
    coop.ack("ben", coop.pay("ann", "ben", 6))
    grant(50)
    coop.ack("cam", coop.pay("ann", "cam", 7))
    coop.replica.deliver(late)
    const onBranch = coop.replica.history.find(late.id)
    if (onBranch === undefined) throw new Error("the branch is not valid")
    coop.ack("dan", onBranch)
    const found = follow(coop)
    assert.isTrue(found.entry(late.id)?.booked)
    assert.strictEqual(found.balance(account("ann"), 0).limit, 50)
  })
})
