/**
 * Which entries are booked, from the definition (docs/ledger.md) and from nothing that is kept up to date entry by
 * entry: neither from `entry.booked` nor from `author.lowest_fork`. What is not booked, which is little or nothing,
 * goes to a table of the connection's own temporary database, so that SQL can ask for it and memory stays flat.
 */
import type { DatabaseSync } from "node:sqlite"
import { integerOf } from "./values.ts"

/** The entries that are not booked now, and those that were not at an earlier version. */
export type UnbookedTable = "audit_unbooked" | "audit_unbooked_before"

/** `audit_forked` and `audit_covered` stay after `findUnbooked`, for who compares them with what is stored. */
const temporary = `
CREATE TEMP TABLE IF NOT EXISTS audit_unbooked (version INTEGER PRIMARY KEY);
CREATE TEMP TABLE IF NOT EXISTS audit_unbooked_before (version INTEGER PRIMARY KEY);
CREATE TEMP TABLE IF NOT EXISTS audit_forked (author INTEGER PRIMARY KEY, lowest INTEGER NOT NULL);
CREATE TEMP TABLE IF NOT EXISTS audit_covered (version INTEGER PRIMARY KEY);
`

const findForks = `
INSERT INTO temp.audit_forked
SELECT author, min(seq) FROM (
  SELECT author, seq FROM entry INDEXED BY entry_chain WHERE version <= :until GROUP BY author, seq HAVING count(*) > 1
) GROUP BY author`

/** What refers to an entry has a later version, so it has been decided before. */
const entriesOfForked = `
SELECT e.version, e.seq < f.lowest AS below
FROM temp.audit_forked f JOIN entry e INDEXED BY entry_chain ON e.author = f.author
WHERE e.version <= :until ORDER BY e.version DESC`

/**
 * Whether an entry of a forked author is in the past of an entry of an unforked one: something refers to it, or goes on
 * from it, that is of an unforked author or covered itself. Every chain begins with the genesis.
 */
const isCovered = `
SELECT EXISTS (
  SELECT 1 FROM reference r WHERE r.to_version = :version AND r.from_version <= :until
  AND (
    r.author NOT IN (SELECT author FROM temp.audit_forked)
    OR r.from_version IN (SELECT version FROM temp.audit_covered)
  )
) OR EXISTS (
  SELECT 1 FROM entry e JOIN entry n ON n.author = e.author AND n.seq = e.seq + 1 AND n.prev = e.version
  WHERE e.version = :version AND n.version IN (SELECT version FROM temp.audit_covered)
) OR (:version = 1 AND EXISTS (
  SELECT 1 FROM entry u WHERE u.version <= :until AND u.author NOT IN (SELECT author FROM temp.audit_forked)
)) AS covered`

/** Fills a table with the entries up to a version that are not booked at that version; answers how many there are. */
export const findUnbooked = (database: DatabaseSync, table: UnbookedTable, until: number): number => {
  database.exec(temporary)
  database.exec(`DELETE FROM temp.${table}; DELETE FROM temp.audit_forked; DELETE FROM temp.audit_covered`)
  database.prepare(findForks).run({ until })
  const covers = database.prepare(isCovered)
  const cover = database.prepare("INSERT INTO temp.audit_covered VALUES (?)")
  const leaveOut = database.prepare(`INSERT INTO temp.${table} VALUES (?)`)
  let unbooked = 0
  for (const row of database.prepare(entriesOfForked).iterate({ until })) {
    const version = integerOf(row, "version")
    if (covers.get({ version, until })?.["covered"] === 1) cover.run(version)
    else if (row["below"] === 0) {
      leaveOut.run(version)
      unbooked++
    }
  }
  return unbooked
}
