/** Entries from outside on their way into the books, and what people do with those that were set aside. */
import { Clock, Effect, Latch, Option } from "effect"
import type { EntryId } from "../../domain/ledgerEntry.ts"
import * as Metric from "../../domain/metrics.ts"
import type { LedgerError, Received, SealedEntries } from "../../services/Ledger.ts"
import { Metrics } from "../../services/Metrics.ts"
import type { CommitUnknown, LedgerEngine, ProvenBytes, SignatureVerdict } from "./Engine.ts"
import { nothingReceived } from "./Intake.ts"
import { type Served, type Serving, storageFailed } from "./Serving.ts"

type Entries = SealedEntries["entries"]

/** Something that changes the books and can be asked for again if it is not known whether it did. */
export const change = <A>(
  serving: Serving,
  body: (engine: LedgerEngine) => Effect.Effect<A, LedgerError | CommitUnknown>
): Effect.Effect<A, LedgerError> =>
  serving.writing(({ engine }) =>
    Effect.catchTag(body(engine), "CommitUnknown", (unknown) => Effect.fail(storageFailed(engine.coop, unknown)))
  )

const count = Effect.fnUntraced(function* (received: Received) {
  const metrics = yield* Metrics
  for (const reason of ["pending", "rejected", "parked"] as const) {
    if (received[reason] > 0) yield* metrics.inc(Metric.ledgerEntriesQuarantined, { reason }, received[reason])
  }
  const { badSignature, evicted, known, malformed } = received
  const discarded = { known, malformed, bad_signature: badSignature, evicted }
  for (const reason of ["known", "malformed", "bad_signature", "evicted"] as const) {
    if (discarded[reason] > 0) yield* metrics.inc(Metric.ledgerEntriesDiscarded, { reason }, discarded[reason])
  }
})

const countVerdicts = Effect.fnUntraced(function* (verdicts: ReadonlyArray<SignatureVerdict>) {
  const metrics = yield* Metrics
  const good = verdicts.filter((verdict) => verdict === "signed").length
  const bad = verdicts.filter((verdict) => verdict === "badSignature").length
  if (good > 0) yield* metrics.inc(Metric.ledgerSignaturesVerified, { result: "good" }, good)
  if (bad > 0) yield* metrics.inc(Metric.ledgerSignaturesVerified, { result: "bad" }, bad)
})

/** Entries with what is known of their signatures; without those that are nobody's. */
const provenOf = (entries: Entries, verdicts: ReadonlyArray<SignatureVerdict>): ReadonlyArray<ProvenBytes> =>
  entries.flatMap(({ body, signature }, index) => {
    const proof = verdicts[index]
    return proof === "signed" || proof === "vouched" ? [{ body, signature, proof }] : []
  })

const numberOf = (verdicts: ReadonlyArray<SignatureVerdict>, wanted: SignatureVerdict): number =>
  verdicts.filter((verdict) => verdict === wanted).length

/**
 * Windows of runs are judged in the order in which they come. One whose signatures take less time than those of the one
 * before would otherwise be judged before what it refers to, and wait for it in quarantine; so does one that comes
 * behind one that goes away.
 */
const inTurn = <A, E>({ windows }: Served, body: (turn: Effect.Effect<void>) => Effect.Effect<A, E>) =>
  Effect.suspend(() => {
    const [before, own] = [windows.judged, Latch.makeUnsafe()]
    windows.judged = own
    return Effect.ensuring(body(before.await), own.open)
  })

export const receive = (
  serving: Serving,
  entries: Entries,
  verify: "each" | "runs"
): Effect.Effect<Received, LedgerError> =>
  serving.writing((served) =>
    verify === "runs"
      ? inTurn(served, (turn) => take(served, { entries, verify, turn }))
      : take(served, { entries, verify, turn: Effect.void })
  )

interface Taken {
  readonly entries: Entries
  readonly verify: "each" | "runs"
  /** When it may be judged. */
  readonly turn: Effect.Effect<void>
}

const take: (served: Served, taken: Taken) => Effect.Effect<Received, LedgerError> = Effect.fnUntraced(function* (
  { engine, prover, wakes }: Served,
  { entries, turn, verify }: Taken
) {
  // What came with bad signatures is proved by good ones, so these are looked at.
  const verdicts = yield* engine.verifySignatures(entries, prover.isStuck ? "each" : verify)
  yield* countVerdicts(verdicts)
  const proven = provenOf(entries, verdicts)
  yield* turn
  const at = Math.round(yield* Clock.currentTimeMillis)
  const judged =
    proven.length === 0
      ? nothingReceived
      : yield* Effect.catchTag(engine.write("receive", proven, at), "CommitUnknown", (unknown) =>
          Effect.fail(storageFailed(engine.coop, unknown))
        )
  if (judged.added > 0) wakes.wake()
  if (verify === "runs" && judged.added > 0) yield* prover.coming
  if (proven.some(({ proof }) => proof === "vouched")) prover.wake()
  else if (judged.known > 0) yield* prover.known
  const received = {
    ...judged,
    malformed: judged.malformed + numberOf(verdicts, "malformed"),
    badSignature: numberOf(verdicts, "badSignature")
  }
  yield* count(received)
  return received
})

/** Judges an entry of the quarantine anew. */
export const release = (serving: Serving, id: EntryId): Effect.Effect<Option.Option<Received>, LedgerError> =>
  serving.writing(
    Effect.fnUntraced(function* ({ engine, wakes }) {
      const at = Math.round(yield* Clock.currentTimeMillis)
      const received = yield* Effect.catchTag(engine.write("release", id, at), "CommitUnknown", (unknown) =>
        Effect.fail(storageFailed(engine.coop, unknown))
      )
      if (received !== undefined && received.added > 0) wakes.wake()
      return Option.fromUndefinedOr(received)
    })
  )
