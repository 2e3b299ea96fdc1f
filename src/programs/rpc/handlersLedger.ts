/**
 * The answers of the local socket about the ledger. What may wait for a disk is forked, so that it never keeps
 * `status` and `stop` waiting.
 */
import { Effect, Option, Stream } from "effect"
import { Rpc } from "effect/rpc"
import type { Did } from "../../domain/did.ts"
import type { CreditPolicyName } from "../../domain/ledgerLimitPolicy.ts"
import { Ledger } from "../../services/Ledger.ts"
import { LedgerSync } from "../../services/LedgerSync.ts"
import * as Audit from "../ledger/audit.ts"
import * as Limits from "../ledger/limits.ts"
import * as Reads from "../ledger/reads.ts"
import * as Writes from "../ledger/writes.ts"
import type { LedgerHistoryQuery, LedgerWriteRequest } from "./ledgerApi.ts"

interface Named {
  readonly id: string
}

const release = (ledger: Ledger["Service"], { id }: Named) =>
  Effect.map(ledger.quarantine.release(id), (found) =>
    Option.match(found, {
      onNone: () => null,
      onSome: ({ added, missing, parked, pending, rejected }) => ({ added, missing, parked, pending, rejected })
    })
  )

/** What `LedgerRpcs` answers, for the ledger of this node. */
export const ledgerHandlers = Effect.gen(function* () {
  const context = yield* Effect.context<Ledger>()
  const sync = yield* LedgerSync
  const call = <A, E>(body: (ledger: Ledger["Service"]) => Effect.Effect<A, E>) =>
    Rpc.fork(Ledger.use(body).pipe(Effect.provideContext(context)))
  const stream = <A, E>(body: (ledger: Ledger["Service"]) => Stream.Stream<A, E>) =>
    Rpc.fork(Stream.unwrap(Effect.map(Ledger, body)).pipe(Stream.provideContext(context)))
  return {
    LedgerOverview: () =>
      call(
        Effect.fnUntraced(function* (ledger) {
          // How far others are is known where the ledger is replicated.
          const { peers } = yield* sync.status
          return yield* Reads.overview(ledger, peers)
        })
      ),
    LedgerBalance: (request: { readonly of: Did | null; readonly everyone: boolean }) =>
      stream((ledger) => Reads.balances(ledger, request)),
    LedgerHistory: (query: LedgerHistoryQuery) => stream((ledger) => Reads.history(ledger, query)),
    LedgerWrite: (request: LedgerWriteRequest) => call((ledger) => Writes.write(ledger, request)),
    LedgerOutcome: ({ idempotencyKey }: { readonly idempotencyKey: string }) =>
      call((ledger) => Writes.outcome(ledger, idempotencyKey)),
    LedgerLimitsSuggest: (request: {
      readonly policy: CreditPolicyName
      readonly of: Did | null
      readonly currency: string | null
    }) => stream((ledger) => Limits.suggestLimits(ledger, request)),
    LedgerVerify: () => stream(Audit.verify),
    LedgerRecompute: ({ once }: { readonly once: boolean }) => stream((ledger) => Audit.recompute(ledger, once)),
    LedgerQuarantineList: () => stream(Reads.quarantine),
    LedgerQuarantineGet: ({ id }: Named) => call((ledger) => Reads.quarantined(ledger, id)),
    LedgerQuarantineRelease: (named: Named) => call((ledger) => release(ledger, named)),
    LedgerQuarantineDrop: ({ id }: Named) => call(({ quarantine }) => quarantine.drop(id)),
    LedgerQuarantinePurge: () => call(({ quarantine }) => quarantine.purge)
  }
})
