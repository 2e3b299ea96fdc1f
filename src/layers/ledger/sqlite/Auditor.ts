/**
 * Works the books of a `ledger.sqlite` out anew, from the entries' legs and references and the definitions of
 * docs/ledger.md, and compares them with what is stored. It is plain synchronous code over a read-only connection of
 * its own, for a thread of its own: what it reads is one snapshot, however long it takes and whatever is written
 * meanwhile, and SQL sums in pages, so that memory does not grow with the entries.
 *
 * What it finds is put right by AuditorRepair.ts, on the writer's connection.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite"
import * as Result from "effect/Result"
import { decodeEntry } from "../../../protocol/entry.ts"
import type { BooksReport, LedgerProgress } from "../../../services/Ledger.ts"
import type { SumCorrection } from "../Journal.ts"
import { damageOfBodies } from "./AuditorBodies.ts"
import { findUnbooked } from "./AuditorBooking.ts"
import { bookedIn, counted, openIn } from "./AuditorMarks.ts"
import { type BooksRepair, generationOf } from "./AuditorRepair.ts"
import { inSnapshot } from "./AuditorSnapshot.ts"

/** Legs summed at a time, between two reports of progress: some 20 ms. */
const pageLegs = 20_000
/** Wrong rows that a report lists; all of them are corrected. */
const mismatchesMax = 10_000
/** Wrongly marked legs that one repair mends, 24 bytes each; a further pass finds the rest. */
const legsMax = 200_000

export interface Audit {
  /** The file. */
  readonly path: string
  readonly report: BooksReport
  /** Whether the books are right, so that the repair changes nothing. */
  readonly sound: boolean
  /** What shows that the entries themselves are not as they were written, so that no books follow from them. */
  readonly damage: string | undefined
  readonly repair: BooksRepair
}

interface Row {
  readonly account: number
  readonly currency: number
  readonly posted: number
  readonly held: number
  readonly unacked: number
}

/** What the legs of an account in a currency come to, by the definitions and by how they are marked. */
interface Group extends Row {
  readonly marked: Row
  /** Legs whose marks are wrong. */
  readonly wrong: number
}

const trueCounts = counted("is_booked", "is_open")
const markedCounts = counted("booked", "open")

const page = `
SELECT l.account, l.currency, l.version, l.amount, l.posting, l.booked, l.open,
  ${bookedIn("audit_unbooked")} AS is_booked, ${openIn("audit_unbooked", ":until")} AS is_open,
  (l.posting = 0 AND l.open = 1 AND l.version NOT IN (SELECT version FROM temp.audit_hold)) AS unlisted
FROM leg l WHERE (l.account, l.currency, l.version) > (:account, :currency, :version)
ORDER BY l.account, l.currency, l.version LIMIT :max`

const isWrong = "(booked <> is_booked OR open <> is_open OR unlisted)"

const groups = `
SELECT account, currency, count(*) AS legs, max(version) AS version, sum${isWrong} AS wrong,
  sum${trueCounts.posted} AS posted, sum${trueCounts.held} AS held, sum${trueCounts.unacked} AS unacked,
  sum${markedCounts.posted} AS marked_posted, sum${markedCounts.held} AS marked_held,
  sum${markedCounts.unacked} AS marked_unacked
FROM (${page}) GROUP BY account, currency ORDER BY account, currency`

const wrongLegs = `SELECT account, currency, version FROM (${page}) WHERE ${isWrong}`

/** Everything else that is kept of who is booked, as the account of what is wrong about it. */
const wrongMarks = `
SELECT e.author AS account FROM temp.audit_unbooked u JOIN entry e ON e.version = u.version WHERE e.booked <> 0
UNION ALL
SELECT author FROM entry WHERE booked = 0 AND version NOT IN (SELECT version FROM temp.audit_unbooked)
UNION ALL
SELECT e.author FROM (
  SELECT version FROM temp.audit_covered EXCEPT SELECT version FROM main.covered
) c JOIN entry e ON e.version = c.version
UNION ALL
SELECT coalesce(e.author, 0) FROM (
  SELECT version FROM main.covered EXCEPT SELECT version FROM temp.audit_covered
) c LEFT JOIN entry e ON e.version = c.version
UNION ALL
SELECT a.account FROM author a LEFT JOIN temp.audit_forked f ON f.author = a.account WHERE a.lowest_fork IS NOT f.lowest
UNION ALL
SELECT h.account FROM open_hold h WHERE NOT EXISTS (
  SELECT 1 FROM leg l WHERE l.account = h.account AND l.version = h.version AND l.open = 1 AND l.posting = 0
)`

/** Open holds have a list of their own; by version, it can be asked quickly. A row of somebody else lists no hold. */
const copyHolds = `
CREATE TEMP TABLE IF NOT EXISTS audit_hold (version INTEGER PRIMARY KEY);
DELETE FROM temp.audit_hold;
INSERT OR IGNORE INTO temp.audit_hold
SELECT h.version FROM open_hold h JOIN entry e ON e.version = h.version AND e.author = h.account`

const number = (value: unknown): number => Number(value)

const rowOf = (row: Record<string, unknown>, prefix = ""): Row => ({
  account: number(row["account"]),
  currency: number(row["currency"]),
  posted: number(row[`${prefix}posted`]),
  held: number(row[`${prefix}held`]),
  unacked: number(row[`${prefix}unacked`])
})

function* rowsOf(statement: StatementSync): Generator<Row> {
  for (const row of statement.iterate()) yield rowOf(row)
}

const compareRows = (a: Row, b: Row): number => a.account - b.account || a.currency - b.currency
const sameSums = (a: Row, b: Row): boolean => a.posted === b.posted && a.held === b.held && a.unacked === b.unacked
const nothing = { posted: 0, held: 0, unacked: 0 }

const plus = (a: Row, b: Row): Row => ({
  ...a,
  posted: a.posted + b.posted,
  held: a.held + b.held,
  unacked: a.unacked + b.unacked
})

/** Rows of both sides by account and currency; one side is missing where it has none. */
function* merge<A extends Row, B extends Row>(
  left: Iterator<A>,
  right: Iterator<B>
): Iterable<readonly [A | undefined, B | undefined]> {
  let a = left.next()
  let b = right.next()
  while (a.done !== true || b.done !== true) {
    const order = a.done === true ? 1 : b.done === true ? -1 : compareRows(a.value, b.value)
    yield [order <= 0 && a.done !== true ? a.value : undefined, order >= 0 && b.done !== true ? b.value : undefined]
    if (order <= 0) a = left.next()
    if (order >= 0) b = right.next()
  }
}

/** What one audit has found so far. */
class Findings {
  readonly mismatches: Array<BooksReport["mismatches"][number]> = []
  readonly sums: Array<SumCorrection> = []
  readonly legs: Array<number> = []
  /** Sums of `posted` by currency, as stored and as worked out; the latter can only be 0. */
  readonly totals: Array<number>
  readonly trueTotals: Array<number>
  /** Accounts of listed mismatches, by number. */
  readonly listed = new Set<number>()
  marks = false
  readonly #keyOf: StatementSync

  constructor(database: DatabaseSync, currencies: number) {
    this.totals = Array.from({ length: currencies }, () => 0)
    this.trueTotals = Array.from({ length: currencies }, () => 0)
    this.#keyOf = database.prepare("SELECT lower(hex(key)) AS key FROM account WHERE number = ?")
  }

  compare(group: Group | undefined, stored: Row | undefined): void {
    const at = group ?? stored
    if (at === undefined) return
    const { account, currency } = at
    const row = stored ?? { account, currency, ...nothing }
    const recomputed = group ?? { account, currency, ...nothing }
    const marked = group?.marked ?? recomputed
    this.totals[currency] = (this.totals[currency] ?? 0) + row.posted
    this.trueTotals[currency] = (this.trueTotals[currency] ?? 0) + recomputed.posted
    if (group !== undefined && group.wrong > 0) this.marks = true
    if (sameSums(row, marked) && sameSums(row, recomputed) && (group?.wrong ?? 0) === 0) return
    const key = this.#keyOf.get(account)?.["key"]
    this.list(account, row, recomputed)
    // A row of an account that is not there has no key to be corrected by; it goes with the marks.
    if (typeof key !== "string") this.marks = true
    else if (!sameSums(row, marked)) {
      const { held, posted, unacked } = plus(marked, {
        ...row,
        posted: -row.posted,
        held: -row.held,
        unacked: -row.unacked
      })
      this.sums.push({ account: key, currency, posted, held, unacked })
    }
  }

  list(account: number, stored: Row, recomputed: Row): void {
    if (this.mismatches.length >= mismatchesMax) return
    this.listed.add(account)
    this.mismatches.push({
      account: String(this.#keyOf.get(account)?.["key"] ?? `unknown account ${account}`),
      currency: stored.currency,
      stored: { posted: stored.posted, held: stored.held, unacked: stored.unacked },
      recomputed: { posted: recomputed.posted, held: recomputed.held, unacked: recomputed.unacked }
    })
  }
}

/** The number of currencies that a journal's genesis says; 0 without one. */
const currenciesOf = (database: DatabaseSync): number => {
  const body = database.prepare("SELECT body FROM entry WHERE version = 1").get()?.["body"]
  if (!(body instanceof Uint8Array)) return 0
  const genesis = Result.getOrUndefined(decodeEntry(body))
  return genesis?.kind === "genesis" ? genesis.currencies.length : 0
}

export class Auditor {
  readonly #database: DatabaseSync

  /** The connection is the auditor's alone, and may be read-only. */
  constructor(database: DatabaseSync) {
    this.#database = database
  }

  /** Works out the books of the latest version and compares; `onProgress` hears of legs. */
  audit(onProgress: (progress: LedgerProgress) => void = () => undefined): Audit {
    return inSnapshot(this.#database, (version) => this.#audit(version, onProgress))
  }

  /** The same, and looks whether legs and references are those in the bytes of entries; each has its progress. */
  verify(onProgress: (progress: LedgerProgress) => void = () => undefined): Audit {
    return inSnapshot(this.#database, (version) => {
      const damage = damageOfBodies(this.#database, (done) => onProgress({ done, total: version }))
      const audit = this.#audit(version, onProgress)
      return { ...audit, damage: damage ?? audit.damage }
    })
  }

  #count(sql: string): number {
    return number(this.#database.prepare(sql).get()?.["n"])
  }

  #audit(version: number, onProgress: (progress: LedgerProgress) => void): Audit {
    const database = this.#database
    findUnbooked(database, "audit_unbooked", version)
    database.exec(copyHolds)
    const findings = new Findings(database, currenciesOf(database))
    const stored = database.prepare("SELECT account, currency, posted, held, unacked FROM balance ORDER BY 1, 2")
    for (const [group, row] of merge(this.#groups(version, findings, onProgress), rowsOf(stored))) {
      findings.compare(group, row)
    }
    this.#compareMarks(findings)
    const report: BooksReport = {
      journalVersion: version,
      entries: this.#count("SELECT count(*) AS n FROM entry"),
      sums: findings.totals,
      mismatches: findings.mismatches
    }
    const { legs, marks, sums } = findings
    return {
      path: database.location() ?? "",
      report,
      damage: damageOf(report, findings.trueTotals),
      sound: sums.length === 0 && !marks,
      repair: { version, generation: generationOf(database), sums, legs: Float64Array.from(legs), marks }
    }
  }

  /** The sums of all legs by account and currency, ascending, in pages. */
  *#groups(until: number, findings: Findings, onProgress: (progress: LedgerProgress) => void): Generator<Group> {
    const total = this.#count("SELECT count(*) AS n FROM leg")
    const sum = this.#database.prepare(groups)
    const list = this.#database.prepare(wrongLegs)
    let from = { account: -1, currency: -1, version: -1 }
    let open: Group | undefined
    let done = 0
    for (;;) {
      const range = { ...from, until, max: pageLegs }
      const found = sum.all(range)
      let legs = 0
      let wrong = 0
      for (const row of found) {
        const group: Group = { ...rowOf(row), marked: rowOf(row, "marked_"), wrong: number(row["wrong"]) }
        legs += number(row["legs"])
        wrong += group.wrong
        from = { account: group.account, currency: group.currency, version: number(row["version"]) }
        // The last group of a page may go on with the next one.
        const continued = open !== undefined && compareRows(open, group) === 0
        if (open !== undefined && !continued) yield open
        open = open !== undefined && continued ? join(open, group) : group
      }
      if (wrong > 0 && findings.legs.length < 3 * legsMax) {
        for (const row of list.all(range)) findings.legs.push(...legOf(row))
      }
      done += legs
      onProgress({ done, total })
      if (legs < pageLegs) break
    }
    if (open !== undefined) yield open
  }

  /** What is marked wrongly and may be in no sum, such as an entry without legs. */
  #compareMarks(findings: Findings): void {
    const stored = this.#database.prepare("SELECT * FROM balance WHERE account = ? AND currency = 0")
    for (const row of this.#database.prepare(wrongMarks).iterate()) {
      const account = number(row["account"])
      findings.marks = true
      if (findings.listed.has(account)) continue
      const sums = stored.get(account)
      const same = sums === undefined ? { account, currency: 0, ...nothing } : rowOf(sums)
      findings.list(account, same, same)
    }
  }
}

const damageOf = ({ entries, journalVersion }: BooksReport, totals: ReadonlyArray<number>): string | undefined => {
  if (entries !== journalVersion) return `${journalVersion - entries} of ${journalVersion} entries are missing`
  return totals.every((total) => total === 0) ? undefined : "the payments of a currency do not sum to 0"
}

const join = (a: Group, b: Group): Group => ({
  ...a,
  ...plus(a, b),
  marked: plus(a.marked, b.marked),
  wrong: a.wrong + b.wrong
})

const legOf = (row: Record<string, unknown>): ReadonlyArray<number> => [
  number(row["account"]),
  number(row["currency"]),
  number(row["version"])
]
