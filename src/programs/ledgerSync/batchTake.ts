/**
 * Takes in what members gossip. A batch that cannot be opened, or comes from nobody who belongs here, is counted and
 * dropped; what it refers to and is missing is asked for.
 */
import { Cause, Clock, Effect, Option, Queue, Result, Stream } from "effect"
import type { Did } from "../../domain/did.ts"
import type { EntryId } from "../../domain/ledgerEntry.ts"
import * as Metric from "../../domain/metrics.ts"
import { decodeEntry } from "../../protocol/entry.ts"
import { type Batch, batchEntriesMax, batchKeyId, openBatch, type SealedBytes } from "../../protocol/ledgerBatch.ts"
import { Cooperative } from "../../services/Cooperative.ts"
import { Gossip, type GossipMessage } from "../../services/Gossip.ts"
import { Ledger, LedgerError } from "../../services/Ledger.ts"
import { Metrics, report } from "../../services/Metrics.ts"
import { accountOf } from "./ask.ts"
import { type GossipBatch, gossipTopicOf } from "./batchGossip.ts"
import type { Signals } from "./signals.ts"

/** How long it is remembered whether a member belongs here. */
const rememberedMillis = 5000
const rememberedMax = 1024
/** After the store failed. */
const storagePauseMillis = 1000

type Dropped = Metric.LabelsOf<typeof Metric.ledgerSyncDropped>["reason"]

/** Whether members belong here, asked no more than every few seconds for each. */
const makeDoorkeeper = Effect.gen(function* () {
  const cooperative = yield* Cooperative
  const known = new Map<string, { readonly admitted: boolean; readonly untilMillis: number }>()
  return Effect.fnUntraced(function* (did: Did) {
    const now = yield* Clock.currentTimeMillis
    const present = known.get(did.text)
    if (present !== undefined && present.untilMillis > now) return present.admitted
    const admitted = yield* cooperative.isAdmitted(did)
    if (known.size >= rememberedMax) known.clear()
    known.set(did.text, { admitted, untilMillis: now + rememberedMillis })
    return admitted
  })
})

/** A fork that came with its proof needs nobody to be told of it again. */
const noteFork = ({ toldForks }: Signals, { entries, kind }: Batch): void => {
  const first = kind === "fork" ? entries[0] : undefined
  const entry = first === undefined ? undefined : Result.getOrUndefined(decodeEntry(first.body))
  if (entry !== undefined) toldForks.add(entry.author, entry.seq)
}

const makeOpener = Effect.fnUntraced(function* (coop: EntryId) {
  const cooperative = yield* Cooperative
  const isAdmitted = yield* makeDoorkeeper
  const topic = gossipTopicOf(coop).name
  return Effect.fnUntraced(function* ({ author, message }: GossipMessage<GossipBatch>) {
    const sealed = Buffer.from(message.sealed, "base64")
    const keyId = batchKeyId(sealed)
    if (keyId === undefined) return "malformed" satisfies Dropped
    if (!(yield* isAdmitted(author))) return "foreign" satisfies Dropped
    const key = yield* cooperative.groupKeys.byId(keyId)
    if (Option.isNone(key)) return "no_key" satisfies Dropped
    const opened = openBatch(key.value.key, { topic, author: accountOf(author) }, sealed)
    if (Result.isSuccess(opened)) return opened.success
    return (opened.failure === "badSeal" ? "bad_seal" : "malformed") satisfies Dropped
  })
})

export const batchTake = Effect.fn("LedgerSync.batchTake")(function* (coop: EntryId, signals: Signals) {
  const ledger = yield* Ledger
  const metrics = yield* Metrics
  const open = yield* makeOpener(coop)
  const heard = yield* (yield* Gossip).subscribe(gossipTopicOf(coop))

  const receive = Effect.fnUntraced(function* (entries: ReadonlyArray<SealedBytes>, from: string) {
    if (entries.length === 0) return
    yield* metrics.inc(Metric.ledgerSyncEntries, { direction: "received", way: "gossip" }, entries.length)
    const received = yield* ledger.receive(entries, "each").pipe(
      // They come again by catching up; until the store is well, less is heard.
      Effect.catchReason("LedgerError", "LedgerStorageFailed", (reason) =>
        Effect.andThen(report("ledger_sync", Cause.fail(new LedgerError({ reason }))), Effect.sleep(storagePauseMillis))
      )
    )
    if (received === undefined) return
    if (received.missing.length + received.pending > 0) yield* Queue.offer(signals.gaps, from)
  })

  /** Messages that came together, so that they share a commit. */
  const takeAll = Effect.fnUntraced(function* (messages: ReadonlyArray<GossipMessage<GossipBatch>>) {
    let entries: ReadonlyArray<SealedBytes> = []
    let from = ""
    for (const message of messages) {
      const batch = yield* open(message)
      if (typeof batch === "string") {
        yield* metrics.inc(Metric.ledgerSyncDropped, { reason: batch })
        continue
      }
      noteFork(signals, batch)
      if (entries.length + batch.entries.length > batchEntriesMax) {
        yield* receive(entries, from)
        entries = []
      }
      entries = [...entries, ...batch.entries]
      from = message.author.text
    }
    yield* receive(entries, from)
  })

  yield* Stream.runForEachArray(heard, takeAll)
}, Effect.scoped)
