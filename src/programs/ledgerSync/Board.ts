/** What there is to see of the exchange with other members: kept here, told to `LedgerSync` and in metrics. */
import { Clock, Effect } from "effect"
import type { Did } from "../../domain/did.ts"
import type { EntryId } from "../../domain/ledgerEntry.ts"
import { plannedPeersMax } from "../../domain/ledgerSyncPlan.ts"
import * as Metric from "../../domain/metrics.ts"
import { LedgerSync, type LedgerSyncPeer, nothingSynced } from "../../services/LedgerSync.ts"
import { Metrics, type MetricsShape } from "../../services/Metrics.ts"

const millisPerSecond = 1000

export class Board {
  readonly #coop: EntryId
  readonly #shown: LedgerSync["Service"]
  readonly #metrics: MetricsShape
  readonly #peers = new Map<string, LedgerSyncPeer>()
  #ownChainChecked = false
  /** Since when something is lacking. */
  #lackingSinceMillis: number | undefined

  private constructor(coop: EntryId, shown: LedgerSync["Service"], metrics: MetricsShape) {
    this.#coop = coop
    this.#shown = shown
    this.#metrics = metrics
  }

  /** An empty one, told until the scope closes. */
  static readonly make = Effect.fnUntraced(function* (coop: EntryId) {
    const shown = yield* LedgerSync
    const metrics = yield* Metrics
    const cleared = Effect.andThen(
      shown.tell(nothingSynced),
      Effect.andThen(metrics.set(Metric.ledgerSyncLagEntries, {}, 0), metrics.set(Metric.ledgerSyncLagSeconds, {}, 0))
    )
    const board = new Board(coop, shown, metrics)
    yield* Effect.acquireRelease(board.#tell, () => cleared)
    return board
  })

  /** A member with a session; what was known of it is forgotten with the session. */
  readonly opened = (did: Did): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (this.#peers.has(did.text) || this.#peers.size >= plannedPeersMax) return Effect.void
      this.#peers.set(did.text, {
        did,
        state: "waiting",
        exchangedAtMillis: undefined,
        entries: undefined,
        lacking: 0,
        received: 0,
        sent: 0,
        detail: ""
      })
      return this.#tell
    })

  readonly closed = (peer: string): Effect.Effect<void> =>
    Effect.suspend(() => (this.#peers.delete(peer) ? this.#tell : Effect.void))

  readonly change = (peer: string, change: (before: LedgerSyncPeer) => Partial<LedgerSyncPeer>): Effect.Effect<void> =>
    Effect.suspend(() => {
      const before = this.#peers.get(peer)
      if (before === undefined) return Effect.void
      this.#peers.set(peer, { ...before, ...change(before) })
      return this.#tell
    })

  readonly checked = Effect.suspend(() => {
    this.#ownChainChecked = true
    return this.#tell
  })

  /** Figures of time, which change while nothing happens. */
  readonly measure = Effect.gen({ self: this }, function* () {
    const lacking = Math.max(0, ...[...this.#peers.values()].map((peer) => peer.lacking))
    const now = yield* Clock.currentTimeMillis
    this.#lackingSinceMillis = lacking === 0 ? undefined : (this.#lackingSinceMillis ?? now)
    const seconds = this.#lackingSinceMillis === undefined ? 0 : (now - this.#lackingSinceMillis) / millisPerSecond
    yield* this.#metrics.set(Metric.ledgerSyncLagEntries, {}, lacking)
    yield* this.#metrics.set(Metric.ledgerSyncLagSeconds, {}, seconds)
  })

  get #tell(): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const peers = [...this.#peers.values()]
      yield* this.#shown.tell({ coop: this.#coop, ownChainChecked: this.#ownChainChecked, peers })
      yield* this.measure
    })
  }
}
