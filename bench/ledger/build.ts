/**
 * `node --expose-gc build.ts FILE ENTRIES MARK…`: makes a journal with so many payments, and tells the memory of this
 * process when there are as many entries as a mark says, as a line of JSON each.
 */
import { writeSync } from "node:fs"
import { admit } from "../../src/domain/ledgerAdmit.ts"
import { openJournal } from "../../src/layers/ledger/sqlite/SqliteJournal.ts"
import type { SealedEntry } from "../../src/protocol/entry.ts"
import { People } from "./people.ts"
import { largeMembers, type Mark } from "./large.ts"

const commitEntries = 1000

const [path = "", entries = "0", ...marks] = process.argv.slice(2)
const people = new People({ members: largeMembers, signed: false })
const journal = openJournal(path, { coop: people.coop })
const startedAt = performance.now()

const add = ({ body, entry, id, signature }: SealedEntry): void => {
  const admission = admit({ id, entry }, journal)
  if (admission._tag !== "Admitted") throw new Error(JSON.stringify(admission))
  journal.add(admission.entry, { body, signature }, "signed")
}

const tell = (): void => {
  globalThis.gc?.()
  const { arrayBuffers, external, heapUsed, rss } = process.memoryUsage()
  const mark: Mark = {
    entries: journal.version(),
    rssBytes: rss,
    heapBytes: heapUsed + external + arrayBuffers,
    seconds: (performance.now() - startedAt) / 1000
  }
  writeSync(1, `${JSON.stringify(mark)}\n`)
}

journal.write(() => people.founding.forEach(add))
const waiting = marks.map(Number).toSorted((one, other) => one - other)
for (let left = Number(entries); left > 0; left -= commitEntries) {
  journal.write(() => people.take(Math.min(left, commitEntries)).forEach(add))
  while ((waiting[0] ?? Infinity) <= journal.version()) {
    waiting.shift()
    tell()
  }
}
journal.close()
