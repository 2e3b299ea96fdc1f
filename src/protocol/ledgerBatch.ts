/**
 * Entries of the ledger on their way between members. Packed, each is a 2-byte big-endian length, the body and the
 * 64 bytes of the signature (protocol/entry.ts). As gossip, packed entries are sealed with the key that the members
 * share, so that strangers who pass them on, or listen in, learn no more than their size:
 *
 *     version (1) ‖ id of the group key (16) ‖ salt (24) ‖ ciphertext of [kind (1) ‖ packed entries] ‖ tag (16)
 *
 * Each batch has a key and nonce of its own, HKDF-SHA256 (RFC 5869) of the group key and the salt, bound to the author
 * of the message; so salts that are chosen at random never come close to using a nonce of AES-256-GCM twice, however
 * many members seal with one key. The topic and the header are authenticated too.
 *
 * Unpacked entries are views of the bytes that they came from.
 */
import { createCipheriv, createDecipheriv, createHash, hkdfSync } from "node:crypto"
import { Result } from "effect"
import type { GroupKey } from "../domain/coopGroupKey.ts"
import { groupKeyIdBytes } from "../domain/coopGroupKey.ts"
import { signatureLength } from "../domain/ed25519.ts"
import type { AccountId, EntryId } from "../domain/ledgerEntry.ts"
import { entryBytesMax } from "../domain/ledgerLimits.ts"

/** An entry as it travels and is stored. */
export interface SealedBytes {
  readonly body: Uint8Array
  readonly signature: Uint8Array
}

const lengthBytes = 2
/** What packing adds to the bodies, for each of them. */
export const packedOverhead = lengthBytes + signatureLength

export const packedLength = ({ body }: SealedBytes): number => body.length + packedOverhead

export const packEntries = (entries: ReadonlyArray<SealedBytes>): Uint8Array => {
  const packed = new Uint8Array(entries.reduce((sum, entry) => sum + packedLength(entry), 0))
  const view = new DataView(packed.buffer)
  let at = 0
  for (const { body, signature } of entries) {
    view.setUint16(at, body.length)
    packed.set(body, at + lengthBytes)
    packed.set(signature, at + lengthBytes + body.length)
    at += body.length + packedOverhead
  }
  return packed
}

/** Why bytes are no batch of entries. */
export type BatchProblem = "tooMany" | "cut" | "tooLong"

export const unpackEntries = (
  packed: Uint8Array,
  entriesMax: number
): Result.Result<ReadonlyArray<SealedBytes>, BatchProblem> => {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength)
  const entries: Array<SealedBytes> = []
  let at = 0
  while (at < packed.length) {
    if (entries.length >= entriesMax) return Result.fail("tooMany")
    if (packed.length - at < packedOverhead) return Result.fail("cut")
    const length = view.getUint16(at)
    if (length > entryBytesMax) return Result.fail("tooLong")
    if (packed.length - at < packedOverhead + length) return Result.fail("cut")
    const body = at + lengthBytes
    entries.push({
      body: packed.subarray(body, body + length),
      signature: packed.subarray(body + length, body + length + signatureLength)
    })
    at += packedOverhead + length
  }
  return Result.succeed(entries)
}

/** `entries`: an author's own, in order; `fork`: two of an author at one position, from whoever found them. */
export type BatchKind = "entries" | "fork"
const batchKinds: ReadonlyArray<BatchKind> = ["entries", "fork"]

export interface Batch {
  readonly kind: BatchKind
  readonly entries: ReadonlyArray<SealedBytes>
}

const version = 1
/** Bytes that are new for each batch. */
export const batchSaltBytes = 24
const tagBytes = 16
const nonceBytes = 12
const cipherKeyBytes = 32
const headerBytes = 1 + groupKeyIdBytes + batchSaltBytes
/** What sealing adds to packed entries. */
export const batchOverhead = headerBytes + 1 + tagBytes
/** Entries in one batch: more than fit, since each has some 150 bytes at least. */
export const batchEntriesMax = 512
/** Packed entries in one batch, in bytes: in base64 and JSON they stay below the longest message of gossip. */
export const batchBytesMax = 45_000

const hashOf = (purpose: string, coop: EntryId): string =>
  createHash("sha256")
    .update(`icn-node/${purpose}/v1`)
    .update(Uint8Array.from(Buffer.from(coop, "hex")))
    .digest("hex")

/** Where a cooperative's batches are gossiped: members know where, and nobody learns from it which one it is. */
export const batchTopic = (coop: EntryId): string => `ledger:${hashOf("ledger-topic", coop).slice(0, 32)}`

/** The author of the message and where it is published: a batch is opened only as this member's, on this topic. */
export interface BatchPlace {
  readonly topic: string
  readonly author: AccountId
}

const keyAndNonce = (groupKey: Uint8Array, salt: Uint8Array, { author, topic }: BatchPlace) => {
  const bytes = new Uint8Array(
    hkdfSync("sha256", groupKey, salt, `icn-node/ledger-batch/v1 ${topic} ${author}`, cipherKeyBytes + nonceBytes)
  )
  return { key: bytes.subarray(0, cipherKeyBytes), nonce: bytes.subarray(cipherKeyBytes) }
}

const associated = (header: Uint8Array, topic: string): Uint8Array =>
  Buffer.concat([header, Buffer.from(topic, "ascii")])

/** Seals a batch; the salt has `batchSaltBytes` random bytes that were never used before. */
export const sealBatch = (
  { id, key: groupKey }: Pick<GroupKey, "id" | "key">,
  salt: Uint8Array,
  place: BatchPlace,
  { entries, kind }: Batch
): Uint8Array => {
  const header = Buffer.concat([Uint8Array.of(version), Buffer.from(id, "hex"), salt])
  const { key, nonce } = keyAndNonce(groupKey, salt, place)
  const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: tagBytes })
  cipher.setAAD(associated(header, place.topic))
  const content = Buffer.concat([Uint8Array.of(batchKinds.indexOf(kind)), packEntries(entries)])
  return Buffer.concat([header, cipher.update(content), cipher.final(), cipher.getAuthTag()])
}

/** The id of the group key that a batch is sealed with, if it is one. */
export const batchKeyId = (sealed: Uint8Array): string | undefined =>
  sealed.length < batchOverhead || sealed[0] !== version
    ? undefined
    : Buffer.from(sealed.subarray(1, 1 + groupKeyIdBytes)).toString("hex")

/** Opens a batch with the key that it names. `badSeal`: not sealed with this key, by this member, for this topic. */
export const openBatch = (
  groupKey: Uint8Array,
  place: BatchPlace,
  sealed: Uint8Array
): Result.Result<Batch, "badSeal" | "malformed"> => {
  if (batchKeyId(sealed) === undefined) return Result.fail("malformed")
  const header = sealed.subarray(0, headerBytes)
  const { key, nonce } = keyAndNonce(groupKey, header.subarray(1 + groupKeyIdBytes), place)
  const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: tagBytes })
  decipher.setAAD(associated(header, place.topic))
  decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes))
  let content: Uint8Array
  try {
    content = Buffer.concat([decipher.update(sealed.subarray(headerBytes, sealed.length - tagBytes)), decipher.final()])
  } catch {
    // A tag that does not match is all that can be wrong here.
    return Result.fail("badSeal")
  }
  const kind = batchKinds[content[0] ?? -1]
  if (kind === undefined) return Result.fail("malformed")
  return Result.mapBoth(unpackEntries(content.subarray(1), batchEntriesMax), {
    onFailure: () => "malformed" as const,
    onSuccess: (entries) => ({ kind, entries })
  })
}
