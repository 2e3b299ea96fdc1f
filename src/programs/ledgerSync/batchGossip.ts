/** Sealed batches of entries as gossip: the topic of a cooperative, and sending on it. */
import { Effect, Option, Schema } from "effect"
import { randomBytes } from "node:crypto"
import type { EntryId } from "../../domain/ledgerEntry.ts"
import * as Metric from "../../domain/metrics.ts"
import {
  type BatchKind,
  batchBytesMax,
  batchEntriesMax,
  batchOverhead,
  batchSaltBytes,
  batchTopic,
  packedLength,
  sealBatch,
  type SealedBytes
} from "../../protocol/ledgerBatch.ts"
import { Cooperative } from "../../services/Cooperative.ts"
import { Gossip, type GossipTopic } from "../../services/Gossip.ts"
import { Ledger } from "../../services/Ledger.ts"
import { Metrics } from "../../services/Metrics.ts"

/** Characters of base64 of the longest batch. */
const textLengthMax = Math.ceil((batchBytesMax + batchOverhead) / 3) * 4

const GossipBatch = Schema.Struct({
  /** protocol/ledgerBatch.ts in base64. */
  sealed: Schema.String.check(Schema.isMaxLength(textLengthMax), Schema.isPattern(/^[A-Za-z0-9+/]*={0,2}$/))
})
export type GossipBatch = typeof GossipBatch.Type

export const gossipTopicOf = (coop: EntryId): GossipTopic<GossipBatch> => ({
  name: batchTopic(coop),
  schema: GossipBatch
})

/** Cuts entries into batches, in order. */
export const batchesOf = (entries: ReadonlyArray<SealedBytes>): ReadonlyArray<ReadonlyArray<SealedBytes>> => {
  const batches: Array<Array<SealedBytes>> = []
  let bytes = Infinity
  for (const entry of entries) {
    bytes += packedLength(entry)
    const last = batches.at(-1)
    if (last === undefined || bytes > batchBytesMax || last.length >= batchEntriesMax) {
      batches.push([entry])
      bytes = packedLength(entry)
    } else last.push(entry)
  }
  return batches
}

/** Sends entries to all members within reach; nobody gets them from a node without a key. */
export const publishBatches = Effect.fn("LedgerSync.publish")(function* (
  coop: EntryId,
  kind: BatchKind,
  entries: ReadonlyArray<SealedBytes>
) {
  const gossip = yield* Gossip
  const metrics = yield* Metrics
  const { account } = yield* Ledger
  const topic = gossipTopicOf(coop)
  const key = yield* (yield* Cooperative).groupKeys.current
  if (Option.isNone(key)) return
  for (const batch of batchesOf(entries)) {
    const place = { topic: topic.name, author: account }
    const sealed = sealBatch(key.value, randomBytes(batchSaltBytes), place, { kind, entries: batch })
    const publish: ReturnType<typeof gossip.publish> = Effect.catchReason(
      gossip.publish(topic, { sealed: Buffer.from(sealed).toString("base64") }),
      "GossipError",
      "GossipRateLimited",
      ({ retryAfterMillis }) =>
        Effect.andThen(
          Effect.sleep(Math.ceil(retryAfterMillis)),
          Effect.suspend(() => publish)
        )
    )
    yield* publish
    yield* metrics.inc(Metric.ledgerSyncEntries, { direction: "sent", way: "gossip" }, batch.length)
  }
})
