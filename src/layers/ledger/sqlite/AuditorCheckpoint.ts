/**
 * Checkpoints: now and then a node signs the Merkle root of its books (domain/ledgerMerkle.ts), and keeps beside each
 * row what it was then. So a start need not work everything out anew: the rows of then have to give the signed root,
 * and what they have gained since has to be what the entries since then say.
 *
 * A checkpoint is drawn from a snapshot, off the writer's way, and written at any later version: only checkpoints
 * change the columns of then.
 */
import type { DatabaseSync } from "node:sqlite"
import { frame, type VerificationKey } from "../../../domain/ed25519.ts"
import { booksRoot, type BooksRow, type Checkpoint, checkpointMessage } from "../../../domain/ledgerMerkle.ts"
import { findUnbooked } from "./AuditorBooking.ts"
import { bookedIn, counted, figures, openIn } from "./AuditorMarks.ts"
import { generationOf } from "./AuditorRepair.ts"
import { inSnapshot } from "./AuditorSnapshot.ts"
import { bytesOf, hexOf, integerOf, type Row } from "./values.ts"

/** When the next checkpoint is due: a start goes through the entries since the last one, some 50 000 a second. */
export const checkpointEntriesMax = 10_000
export const checkpointMillisMax = 600_000

/** The purpose of a checkpoint's signature. */
export const checkpointTag = "icn-node/ledger-checkpoint/v1"

/** A checkpoint to be signed and written. It can be cloned to another thread. */
export interface CheckpointDraft {
  readonly checkpoint: Checkpoint
  /** What is to be signed, under `checkpointTag`. */
  readonly message: Uint8Array
  /** Rows that differ from the last one: account number, currency, posted, held, unacked, one after the other. */
  readonly rows: Float64Array
  /** Repairs of the books before it (AuditorRepair.ts). */
  readonly generation: number
}

/** Rows in the order of the root. */
function* rowsBy(database: DatabaseSync, suffix: "" | "_0"): Generator<BooksRow> {
  const [posted, held, unacked] = figures.map((figure) => `b.${figure}${suffix}`)
  const rows = database.prepare(
    `SELECT a.key, b.currency, ${posted} AS posted, ${held} AS held, ${unacked} AS unacked
     FROM account a JOIN balance b ON b.account = a.number ORDER BY a.key, b.currency`
  )
  for (const row of rows.iterate()) {
    yield { account: hexOf(row, "key"), currency: integerOf(row, "currency"), sums: sumsIn(row) }
  }
}

const sumsIn = (row: Row) => ({
  posted: integerOf(row, "posted"),
  held: integerOf(row, "held"),
  unacked: integerOf(row, "unacked")
})

const changedRows = `
SELECT account, currency, posted, held, unacked, posted_0, held_0, unacked_0 FROM balance
WHERE posted <> posted_0 OR held <> held_0 OR unacked <> unacked_0`

/** Draws a checkpoint of the latest version; `at` in milliseconds since the epoch. */
export const draftCheckpoint = (database: DatabaseSync, coop: string, at: number): CheckpointDraft =>
  inSnapshot(database, (version) => {
    const checkpoint = { version, at, root: booksRoot(rowsBy(database, "")) }
    const rows: Array<number> = []
    for (const row of database.prepare(changedRows).iterate()) {
      rows.push(integerOf(row, "account"), integerOf(row, "currency"))
      for (const figure of figures) rows.push(integerOf(row, figure))
    }
    return {
      checkpoint,
      message: checkpointMessage(coop, checkpoint),
      rows: Float64Array.from(rows),
      generation: generationOf(database)
    }
  })

const setRow = `
INSERT INTO balance (account, currency, posted, held, unacked, posted_0, held_0, unacked_0)
VALUES (?, ?, 0, 0, 0, ?, ?, ?)
ON CONFLICT DO UPDATE SET posted_0 = excluded.posted_0, held_0 = excluded.held_0, unacked_0 = excluded.unacked_0`

const dropEmptyRow = `
DELETE FROM balance WHERE account = ? AND currency = ?
AND posted = 0 AND held = 0 AND unacked = 0 AND posted_0 = 0 AND held_0 = 0 AND unacked_0 = 0`

const latestVersion = (database: DatabaseSync): number =>
  Number(database.prepare("SELECT coalesce(max(version), 0) AS version FROM checkpoint").get()?.["version"])

/**
 * Writes a signed checkpoint in place of the last one, within the writer's open transaction. Answers whether it did:
 * not when the books were repaired since it was drawn, or a later one is there.
 */
export const writeCheckpoint = (database: DatabaseSync, draft: CheckpointDraft, signature: Uint8Array): boolean => {
  const { checkpoint, generation, rows } = draft
  if (generation !== generationOf(database) || latestVersion(database) > checkpoint.version) return false
  const set = database.prepare(setRow)
  const drop = database.prepare(dropEmptyRow)
  for (let index = 0; index < rows.length; index += 5) {
    const [account = 0, currency = 0, posted = 0, held = 0, unacked = 0] = rows.subarray(index, index + 5)
    set.run(account, currency, posted, held, unacked)
    drop.run(account, currency)
  }
  database.exec("DELETE FROM checkpoint")
  database
    .prepare("INSERT INTO checkpoint (version, at, root, signature) VALUES (?, ?, ?, ?)")
    .run(checkpoint.version, checkpoint.at, checkpoint.root, signature)
  return true
}

/** What a start finds. After anything but `Matched` the books are recomputed. */
export type CheckpointCheck =
  | { readonly _tag: "Matched"; readonly version: number }
  | { readonly _tag: "Missing" }
  | {
      readonly _tag: "Mismatched"
      /** The journal lost entries, the checkpoint is not this node's, the rows of then or those of now are wrong. */
      readonly why: "version" | "signature" | "root" | "sums"
    }

/** Entries that are booked now and were not then, or the other way round, and what these and new ones say others of. */
const touched = `
CREATE TEMP TABLE IF NOT EXISTS audit_touched (version INTEGER PRIMARY KEY);
DELETE FROM temp.audit_touched;
INSERT INTO temp.audit_touched
SELECT version FROM (
  SELECT version FROM temp.audit_unbooked EXCEPT SELECT version FROM temp.audit_unbooked_before
) UNION SELECT version FROM (
  SELECT version FROM temp.audit_unbooked_before EXCEPT SELECT version FROM temp.audit_unbooked
);
INSERT OR IGNORE INTO temp.audit_touched
SELECT r.to_version FROM temp.audit_touched t JOIN reference r ON r.from_version = t.version WHERE r.role IN (0, 1)`

const touchedByNew = `
INSERT OR IGNORE INTO temp.audit_touched
SELECT to_version FROM reference WHERE from_version > ? AND role IN (0, 1)`

const now = counted("is_booked", "is_open")
const then = counted("was_booked", "was_open")
const gained = figures.map((figure) => `sum(${now[figure]} - ${then[figure]}) AS ${figure}`).join(", ")

/** What the entries since then have changed, by account and currency. */
const gains = `
SELECT account, currency, ${gained} FROM (
  SELECT l.*, ${bookedIn("audit_unbooked")} AS is_booked, ${openIn("audit_unbooked", ":until")} AS is_open,
    l.version <= :since AND ${bookedIn("audit_unbooked_before")} AS was_booked,
    l.version <= :since AND ${openIn("audit_unbooked_before", ":since")} AS was_open
  FROM leg l WHERE l.version > :since OR l.version IN (SELECT version FROM temp.audit_touched) LIMIT -1
) GROUP BY account, currency`

const keyOf = (row: Row): string => `${integerOf(row, "account")} ${integerOf(row, "currency")}`

/** Whether the stored rows have gained since then what the entries since then say. */
const gainsMatch = (database: DatabaseSync, before: number, until: number): boolean => {
  findUnbooked(database, "audit_unbooked", until)
  const forks = database.prepare("SELECT 1 FROM temp.audit_forked LIMIT 1").get() !== undefined
  // Who has not forked now had not then.
  findUnbooked(database, "audit_unbooked_before", forks ? before : 0)
  database.exec(touched)
  database.prepare(touchedByNew).run(before)
  const expected = new Map<string, Row>()
  for (const row of database.prepare(gains).iterate({ since: before, until })) {
    if (figures.some((figure) => row[figure] !== 0)) expected.set(keyOf(row), row)
  }
  for (const row of database.prepare(changedRows).iterate()) {
    const gain = expected.get(keyOf(row))
    const same = figures.every(
      (figure) =>
        integerOf(row, figure) - integerOf(row, `${figure}_0`) === (gain === undefined ? 0 : integerOf(gain, figure))
    )
    if (!same) return false
    expected.delete(keyOf(row))
  }
  return expected.size === 0
}

const hasOrphans = (database: DatabaseSync): boolean =>
  database.prepare("SELECT 1 FROM balance WHERE account NOT IN (SELECT number FROM account) LIMIT 1").get() !==
  undefined

/** Compares the stored books with the last checkpoint, which has to be signed with this node's key. */
export const checkCheckpoint = (database: DatabaseSync, coop: string, key: VerificationKey): CheckpointCheck =>
  inSnapshot(database, (version): CheckpointCheck => {
    const row = database.prepare("SELECT * FROM checkpoint ORDER BY version DESC LIMIT 1").get()
    if (row === undefined) return { _tag: "Missing" }
    const root = bytesOf(row, "root")
    const checkpoint = { version: integerOf(row, "version"), at: integerOf(row, "at"), root }
    if (checkpoint.version > version) return { _tag: "Mismatched", why: "version" }
    const message = frame(checkpointTag, checkpointMessage(coop, checkpoint))
    if (!key.verify(message, bytesOf(row, "signature"))) return { _tag: "Mismatched", why: "signature" }
    if (hasOrphans(database) || !Buffer.from(root).equals(booksRoot(rowsBy(database, "_0")))) {
      return { _tag: "Mismatched", why: "root" }
    }
    return gainsMatch(database, checkpoint.version, version)
      ? { _tag: "Matched", version: checkpoint.version }
      : { _tag: "Mismatched", why: "sums" }
  })
