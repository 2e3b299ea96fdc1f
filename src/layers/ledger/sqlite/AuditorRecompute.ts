/**
 * Recomputation of the books while the ledger goes on: an audit of a snapshot off the writer's way, and a repair that
 * the writer makes in one step, so that readers see the books before or after it and nothing between. Who asks for it
 * counts it (`retries`, `mismatches`).
 */
import { Effect } from "effect"
import {
  type BooksReport,
  LedgerError,
  LedgerStorageFailed,
  type Recomputed,
  StaleSnapshot
} from "../../../services/Ledger.ts"
import type { Audit } from "./Auditor.ts"
import type { BooksRepair, RepairOutcome } from "./AuditorRepair.ts"

/** Where the books are audited and repaired; each in a thread of its own. */
export interface AuditedBooks {
  readonly audit: Effect.Effect<Audit, LedgerError>
  /** Makes a repair in a transaction, only at this version if one is given. */
  readonly repair: (repair: BooksRepair, onlyAt: number | undefined) => Effect.Effect<RepairOutcome, LedgerError>
}

/**
 * Audits of one recomputation. One is enough unless entries or legs were marked wrongly; two or three then, and more
 * only for a file of which nearly nothing is right, since a repair mends so many legs at most.
 */
const auditsMax = 100

/** A snapshot that the journal has left behind. */
const stale = (expected: number, actual: number): LedgerError =>
  new LedgerError({ reason: new StaleSnapshot({ expected, actual }) })

/** The entries are damaged: what would be worked out from them is no better than what is stored. */
const damaged = (path: string, detail: string): LedgerError =>
  new LedgerError({ reason: new LedgerStorageFailed({ path, reason: "corrupt", detail }) })

/** Works the books out anew and only compares; fails where the entries are damaged. */
export const compareBooks = (verify: Effect.Effect<Audit, LedgerError>): Effect.Effect<BooksReport, LedgerError> =>
  Effect.flatMap(verify, ({ damage, path, report }) =>
    damage === undefined ? Effect.succeed(report) : Effect.fail(damaged(path, damage))
  )

/**
 * Works the books out anew and puts them right. `once` does so only where nothing was written since its snapshot, and
 * fails with `StaleSnapshot` else. `retry` does not begin anew: a repair is as right at any later version
 * (AuditorRepair.ts), so it succeeds whatever is written meanwhile.
 */
export const recomputeBooks: (books: AuditedBooks, mode: "once" | "retry") => Effect.Effect<Recomputed, LedgerError> =
  Effect.fnUntraced(function* (books, mode) {
    let retries = 0
    let found: Audit["report"] | undefined
    for (let audits = 1; ; audits++) {
      const { damage, path, repair, report, sound } = yield* books.audit
      if (damage !== undefined) return yield* damaged(path, damage)
      if (found === undefined || found.mismatches.length === 0) found = report
      if (sound && mode === "retry") break
      const { applied, version } = yield* books.repair(repair, mode === "once" ? report.journalVersion : undefined)
      if (version !== report.journalVersion) {
        retries++
        if (!applied && mode === "once") return yield* stale(report.journalVersion, version)
      }
      found = { ...found, journalVersion: version }
      if (applied && !repair.marks) break
      if (audits === auditsMax) {
        yield* Effect.logWarning(`the books are still not right after ${auditsMax} recomputations`)
        break
      }
    }
    return { ...found, retries }
  })
