/**
 * `Ledger` in the data directory, a file of SQLite per cooperative (ledger/sqlite/). Entries are committed before they
 * are answered, and everything that takes time is done in threads (ledger/thread/). The data directory has to be locked
 * by this process: two writers would fork the member's chain.
 */
import { Effect, Layer, type Scope } from "effect"
import type { EntryId } from "../domain/ledgerEntry.ts"
import { DataDirectory } from "../services/DataDirectory.ts"
import { Identity } from "../services/Identity.ts"
import { Ledger, type LedgerError } from "../services/Ledger.ts"
import type { LedgerShelf } from "./ledger/Engine.ts"
import { accountOf } from "./ledger/founding.ts"
import * as Service from "./ledger/service.ts"
import * as Files from "./ledger/sqlite/files.ts"
import * as Offline from "./ledger/sqlite/offline.ts"
import * as SqliteEngine from "./ledger/sqlite/SqliteEngine.ts"

export interface LedgerSqliteOptions
  extends Service.LedgerServiceOptions, Pick<SqliteEngine.SqliteEngineOptions, "callsMax" | "checkpoints"> {
  /** Which cooperative of the data directory to serve at the start; the one that was served last unless given. */
  readonly coop?: EntryId | undefined
}

/** The cooperatives in a data directory. */
const makeShelf = (
  dataDirectory: string,
  identity: Identity["Service"],
  options: LedgerSqliteOptions
): LedgerShelf => ({
  serving: options.coop === undefined ? Files.readServing(dataDirectory) : Files.chosen(dataDirectory, options.coop),
  serve: (coop, genesis) => Files.writeServing(dataDirectory, coop, genesis),
  genesis: (coop) => Files.readGenesis(dataDirectory, coop),
  open: (coop) =>
    Effect.flatMap(Files.makePlace(dataDirectory, coop), (path) =>
      SqliteEngine.make({ ...options, path, coop, account: accountOf(identity.did), identity })
    ),
  remove: (coop) => Files.removePlace(dataDirectory, coop)
})

export const make: (
  options?: LedgerSqliteOptions
) => Effect.Effect<Ledger["Service"], LedgerError, DataDirectory | Identity | Scope.Scope> = Effect.fnUntraced(
  function* (options: LedgerSqliteOptions = {}) {
    const { path } = yield* DataDirectory
    return yield* Service.make(makeShelf(path, yield* Identity, options), options)
  }
)

export const layerWith = (options: LedgerSqliteOptions): Layer.Layer<Ledger, LedgerError, DataDirectory | Identity> =>
  Layer.effect(Ledger, make(options))

export const layer: Layer.Layer<Ledger, LedgerError, DataDirectory | Identity> = layerWith({})

/** The books of a data directory for who only looks, beside a running node or not; `undefined` without any. */
export const readOffline = Offline.open
export type { OfflineBooks } from "./ledger/sqlite/offline.ts"
