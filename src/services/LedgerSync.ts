/**
 * How far this node and the other members are with each other's ledgers. programs/ledgerSync.ts says it, and whoever
 * shows it to people asks. Implemented by layers/LedgerSyncMemory.ts.
 */
import { Context, type Effect } from "effect"
import type { Did } from "../domain/did.ts"
import type { EntryId } from "../domain/ledgerEntry.ts"

/** One member with a session now. */
export interface LedgerSyncPeer {
  readonly did: Did
  /**
   * `waiting`: not asked yet; `exchanging`: this node catches up with it; `current`: this node had all that it has when
   * asked last; `behind`: there was more, to be gone on with; `failed`: it refused, or the exchange broke off.
   */
  readonly state: "waiting" | "exchanging" | "current" | "behind" | "failed"
  /** Milliseconds since the epoch at which the last exchange ended; `undefined` before that. */
  readonly exchangedAtMillis: number | undefined
  /** Entries that it said it has; `undefined` before it said. */
  readonly entries: number | undefined
  /** Entries that it has shown and this node has not, as far as the ends of chains tell. */
  readonly lacking: number
  /** Entries that came from it by catching up, and that it got so, since the session began. */
  readonly received: number
  readonly sent: number
  /** For people: why the last exchange failed; empty otherwise. */
  readonly detail: string
}

export interface LedgerSyncStatus {
  /** The cooperative whose entries are exchanged; none before there is one. */
  readonly coop: EntryId | undefined
  /** Whether the members who are there have been asked for this member's chain; nothing is written before. */
  readonly ownChainChecked: boolean
  readonly peers: ReadonlyArray<LedgerSyncPeer>
}

export const nothingSynced: LedgerSyncStatus = { coop: undefined, ownChainChecked: false, peers: [] }

export class LedgerSync extends Context.Service<
  LedgerSync,
  {
    readonly status: Effect.Effect<LedgerSyncStatus>
    /** Says how it is from now on. */
    readonly tell: (status: LedgerSyncStatus) => Effect.Effect<void>
  }
>()("icn-node/services/LedgerSync") {}
