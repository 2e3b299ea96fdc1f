/**
 * What the marks of a leg, and what it counts for, have to be: as SQL over a row `l` of `leg` and the temporary tables
 * of AuditorBooking.ts.
 */
import type { UnbookedTable } from "./AuditorBooking.ts"

/** Whether the leg's entry is booked: 1 or 0. */
export const bookedIn = (table: UnbookedTable): string =>
  `(NOT EXISTS (SELECT 1 FROM temp.${table} u WHERE u.version = l.version))`

/** Nobody who is booked says this about the leg's entry. */
const unsaid = (table: UnbookedTable, who: string, until: string): string => `NOT EXISTS (
  SELECT 1 FROM reference r WHERE r.to_version = l.version AND ${who} AND r.from_version <= ${until}
  AND r.from_version NOT IN (SELECT version FROM temp.${table})
)`

/** 1 for a booked hold's debit without post or void, and for a booked credit without its owner's ack; 0 for others. */
export const openIn = (table: UnbookedTable, until: string): string => `(CASE
  WHEN (l.posting = 1) <> (l.amount > 0) OR NOT ${bookedIn(table)} THEN 0
  WHEN l.posting = 1 THEN ${unsaid(table, "r.role = 0 AND r.author = l.account", until)}
  ELSE ${unsaid(table, "r.role = 1", until)}
END)`

/** The figures of a row of the books, in this order everywhere. */
export const figures = ["posted", "held", "unacked"] as const

/** What a leg with these marks counts for in each figure. */
export const counted = (booked: string, open: string): Readonly<Record<(typeof figures)[number], string>> => ({
  posted: `(posting * ${booked} * amount)`,
  held: `((1 - posting) * ${open} * -amount)`,
  unacked: `(posting * ${open} * amount)`
})
