/** Ledgers in directories on the disk, as the member who founded the cooperative of people.ts. */
import { Effect, type Scope } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as DataDirectoryMemory from "../../src/layers/DataDirectoryMemory.ts"
import * as IdentityMemory from "../../src/layers/IdentityMemory.ts"
import * as Files from "../../src/layers/ledger/sqlite/files.ts"
import * as LedgerSqlite from "../../src/layers/LedgerSqlite.ts"
import { DataDirectory } from "../../src/services/DataDirectory.ts"
import { Identity } from "../../src/services/Identity.ts"
import type { Ledger, LedgerError } from "../../src/services/Ledger.ts"
import { ownSeed, type People } from "./people.ts"

/** A new directory, removed with the scope. `TMPDIR` says where; a file system in memory measures no disk. */
export const temporaryDirectory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "icn-bench-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** The ledger of a directory; other members are not asked for its member's chain. */
export const openLedger: (
  path: string,
  options?: LedgerSqlite.LedgerSqliteOptions
) => Effect.Effect<Ledger["Service"], LedgerError, Scope.Scope> = Effect.fnUntraced(function* (
  path: string,
  options?: LedgerSqlite.LedgerSqliteOptions
) {
  return yield* LedgerSqlite.make({ awaitOwnChain: false, ...options }).pipe(
    Effect.provideService(Identity, yield* IdentityMemory.make(ownSeed)),
    Effect.provideService(DataDirectory, DataDirectoryMemory.make(path))
  )
})

/** Serves the cooperative of these people and takes in its founding. */
export const found = Effect.fnUntraced(function* (ledger: Ledger["Service"], { founding }: People) {
  const [genesis, ...memberships] = founding
  if (genesis === undefined) return
  yield* ledger.serve(genesis)
  yield* ledger.receive(memberships, "each")
})

/** Makes the place of the books of these people in a data directory, and says that they are served. */
export const preparePlace = Effect.fnUntraced(function* (path: string, { coop, founding }: People) {
  const books = yield* Files.makePlace(path, coop)
  const [genesis] = founding
  if (genesis !== undefined) yield* Files.writeServing(path, coop, genesis)
  return books
})
