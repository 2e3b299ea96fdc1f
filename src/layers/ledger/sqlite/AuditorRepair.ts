/**
 * Puts right what an audit found wrong (Auditor.ts), in one transaction of the writer, at the version of the audit or
 * any later one. That is exact, because of how the writer changes stored sums: by what a leg counts for under its new
 * marks less what it counted for under its old ones. So
 *
 *     stored sum − sum of the legs as they are marked
 *
 * stays the same, whatever is written, forks that take entries out of the books or into them again included. The audit
 * says how far it is from 0, and adding the opposite makes it 0 at every later version.
 *
 * Marks are not put to what the audit saw, which may be no longer so: whether an entry is booked is worked out anew
 * here, and each leg that was found wrong is marked by what holds now, moving its sums as the writer would have. What
 * was written between the audit and this, by what wrong marks said, may be wrong as well; so where marks were wrong,
 * another audit follows (AuditorRecompute.ts). It finds next to nothing, and the one after it nothing.
 */
import type { DatabaseSync } from "node:sqlite"
import * as Result from "effect/Result"
import { decodeEntry } from "../../../protocol/entry.ts"
import type { SumCorrection } from "../Journal.ts"
import { findUnbooked } from "./AuditorBooking.ts"
import { bookedIn, counted, openIn } from "./AuditorMarks.ts"
import { versionOf } from "./AuditorSnapshot.ts"
import { bytesOf } from "./values.ts"

/** What an audit found wrong, to be mended in one step. It can be cloned to another thread. */
export interface BooksRepair {
  /** The journal's version of the snapshot. */
  readonly version: number
  /** Repairs before the snapshot: one that was made since then may have mended the same. */
  readonly generation: number
  /** By how much stored sums differ from those of the legs as they are marked. */
  readonly sums: ReadonlyArray<SumCorrection>
  /** Legs that are marked wrongly: account number, currency and version, one after the other. */
  readonly legs: Float64Array
  /** Whether anything is marked wrongly, legs or entries, or belongs to no account. */
  readonly marks: boolean
}

const generationName = "booksRepairs"

/** How many repairs the books have had. */
export const generationOf = (database: DatabaseSync): number =>
  Number(database.prepare("SELECT value FROM setting WHERE name = ?").get(generationName)?.["value"] ?? 0)

/** What became of a repair. */
export interface RepairOutcome {
  /** Not when the journal was to be at the audit's version and is not, or another repair came between. */
  readonly applied: boolean
  readonly version: number
}

const before = counted("booked", "open")
const after = counted("is_booked", "is_open")

const legNow = `
SELECT is_booked, is_open, ${after.posted} - ${before.posted} AS posted, ${after.held} - ${before.held} AS held,
  ${after.unacked} - ${before.unacked} AS unacked
FROM (
  SELECT l.*, ${bookedIn("audit_unbooked")} AS is_booked, ${openIn("audit_unbooked", ":until")} AS is_open
  FROM leg l WHERE l.account = :account AND l.currency = :currency AND l.version = :version
)`

const addToSums = `
INSERT INTO balance (account, currency, posted, held, unacked) VALUES (:account, :currency, :posted, :held, :unacked)
ON CONFLICT DO UPDATE SET posted = posted + excluded.posted, held = held + excluded.held,
  unacked = unacked + excluded.unacked`

const dropEmptyRows = `
DELETE FROM balance WHERE account = ? AND currency = ?
AND posted = 0 AND held = 0 AND unacked = 0 AND posted_0 = 0 AND held_0 = 0 AND unacked_0 = 0`

const add = (database: DatabaseSync) => {
  const change = database.prepare(addToSums)
  const drop = database.prepare(dropEmptyRows)
  return (account: number, currency: number, posted: number, held: number, unacked: number): void => {
    change.run({ account, currency, posted, held, unacked })
    drop.run(account, currency)
  }
}

/** Everything that follows from which entries are booked, but the legs. */
const markEntries = (database: DatabaseSync): void => {
  database.exec(`
    DELETE FROM sight WHERE author IN (
      SELECT a.account FROM author a LEFT JOIN temp.audit_forked f ON f.author = a.account
      WHERE a.lowest_fork IS NOT f.lowest
    );
    UPDATE author SET lowest_fork = f.lowest, sight_from = f.lowest, sight_to = NULL FROM temp.audit_forked f
    WHERE f.author = author.account AND lowest_fork IS NOT f.lowest;
    UPDATE author SET lowest_fork = NULL, sight_from = NULL, sight_to = NULL
    WHERE lowest_fork IS NOT NULL AND account NOT IN (SELECT author FROM temp.audit_forked);
    DELETE FROM main.covered;
    INSERT INTO main.covered SELECT version FROM temp.audit_covered;
    UPDATE entry SET booked = 0 WHERE version IN (SELECT version FROM temp.audit_unbooked) AND booked <> 0;
    UPDATE entry SET booked = 1 WHERE booked = 0 AND version NOT IN (SELECT version FROM temp.audit_unbooked);
  `)
}

const markLegs = (database: DatabaseSync, { legs }: BooksRepair, until: number): void => {
  const look = database.prepare(legNow)
  const mark = database.prepare(
    "UPDATE leg SET booked = ?, open = ? WHERE account = ? AND currency = ? AND version = ?"
  )
  const change = add(database)
  for (let index = 0; index < legs.length; index += 3) {
    const [account = 0, currency = 0, version = 0] = legs.subarray(index, index + 3)
    const now = look.get({ account, currency, version, until })
    if (now === undefined) continue
    mark.run(Number(now["is_booked"]), Number(now["is_open"]), account, currency, version)
    change(account, currency, Number(now["posted"]), Number(now["held"]), Number(now["unacked"]))
  }
}

/** The list of open holds follows the marks of their legs. */
const listHolds = (database: DatabaseSync, { legs }: BooksRepair): void => {
  database.exec(`DELETE FROM open_hold WHERE NOT EXISTS (
    SELECT 1 FROM leg l
    WHERE l.account = open_hold.account AND l.version = open_hold.version AND l.open = 1 AND l.posting = 0
  )`)
  const look = database.prepare(
    `SELECT e.body FROM leg l JOIN entry e ON e.version = l.version
     WHERE l.account = ? AND l.currency = ? AND l.version = ? AND l.open = 1 AND l.posting = 0`
  )
  const list = database.prepare("INSERT OR IGNORE INTO open_hold (account, expires_at, version) VALUES (?, ?, ?)")
  for (let index = 0; index < legs.length; index += 3) {
    const [account = 0, currency = 0, version = 0] = legs.subarray(index, index + 3)
    const row = look.get(account, currency, version)
    const hold = row === undefined ? undefined : Result.getOrUndefined(decodeEntry(bytesOf(row, "body")))
    if (hold?.kind === "hold") list.run(account, hold.expiresAt, version)
  }
}

/** Makes a repair within the writer's open transaction; `onlyAt` is the version that the journal has to be at. */
export const repairBooks = (database: DatabaseSync, repair: BooksRepair, onlyAt?: number): RepairOutcome => {
  const version = versionOf(database)
  const generation = generationOf(database)
  if (generation !== repair.generation || (onlyAt !== undefined && onlyAt !== version)) {
    return { applied: false, version }
  }
  if (repair.sums.length === 0 && !repair.marks) return { applied: true, version }
  const numberOf = database.prepare("SELECT number FROM account WHERE key = ?")
  const change = add(database)
  for (const { account, currency, held, posted, unacked } of repair.sums) {
    const number = numberOf.get(Buffer.from(account, "hex"))?.["number"]
    if (typeof number === "number") change(number, currency, posted, held, unacked)
  }
  if (repair.marks) {
    findUnbooked(database, "audit_unbooked", version)
    markEntries(database)
    markLegs(database, repair, version)
    listHolds(database, repair)
    database.exec("DELETE FROM balance WHERE account NOT IN (SELECT number FROM account)")
  }
  // It was drawn from the books as they were.
  database.exec("DELETE FROM checkpoint")
  database
    .prepare("INSERT INTO setting VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value")
    .run(generationName, String(generation + 1))
  return { applied: true, version }
}
