/** Entries as the `Ledger` service shows them, from what the journal keeps. */
import { Option, Result } from "effect"
import type { Entry } from "../../domain/ledgerEntry.ts"
import { decodeEntry } from "../../protocol/entry.ts"
import type { LedgerEntry, QuarantinedEntry } from "../../services/Ledger.ts"
import type { Quarantined, StoredEntry } from "./Journal.ts"

export const viewOf = ({ booked, entry, id, version }: StoredEntry): LedgerEntry => ({ id, entry, version, booked })

type Summary = Omit<Quarantined, "sealed"> & { readonly bytes: number }

/** One of a list of entries in quarantine. */
export const asideOf = ({ at, author, bytes, id, missing, reason, seq, state }: Summary): QuarantinedEntry => ({
  id,
  author,
  seq,
  state,
  reason,
  missing,
  atMillis: at,
  bytes
})

/** The same with what it says. */
export const asideWithEntry = (
  found: Quarantined | undefined
): Option.Option<QuarantinedEntry & { readonly entry: Entry }> => {
  if (found === undefined) return Option.none()
  const { body, signature } = found.sealed
  return Option.map(Result.getSuccess(decodeEntry(body)), (entry) => ({
    ...asideOf({ ...found, bytes: body.length + signature.length }),
    entry
  }))
}
