/**
 * The bytes of a ledger entry: RFC 8949 in its deterministic form (section 4.2.1), made of arrays, integers, byte
 * strings and text only. There is one encoding per entry, and decoding refuses every other one. The body is
 *
 *     [1, kind, coop, author, seq, prev, lamport, at, legs, acks, deps, idempotencyKey, memo, content]
 *
 * with absent ids and keys as empty byte strings; docs/ledger.md has the table. What is signed and stored are these
 * bytes as received: id = SHA-256(tag ‖ body), and Ed25519 over the id, framed as every signature here
 * (domain/ed25519.ts). Nothing that is decoded shares memory with the bytes it came from.
 */
import { hash } from "node:crypto"
import * as Result from "effect/Result"
import { type DomainTag, frame, type VerificationKey } from "../domain/ed25519.ts"
import type { Entry, EntryId } from "../domain/ledgerEntry.ts"
import { entryBytesMax } from "../domain/ledgerLimits.ts"
import { readEntry, writeEntry } from "./entryBytes.ts"
import { decodeWhole, encodeWhole, type EntryProblem } from "./entryCbor.ts"

/** The purpose of an entry's signature. */
export const entryTag = "icn-node/ledger-entry/v1" satisfies DomainTag

const fromHex = (text: string): Uint8Array => Buffer.from(text, "hex")

/** The body of an entry. What could not be read again is a mistake of the caller and throws. */
export const encodeEntry = (entry: Entry): Uint8Array => {
  // Half of a surrogate pair has no UTF-8, and would be replaced by another character.
  const texts = entry.kind === "genesis" ? entry.memo + entry.name : entry.memo
  if (!texts.isWellFormed()) throw new RangeError("an entry with text that has no UTF-8")
  const body = writeEntry(entry) ?? encodeWhole(entry)
  const read = decodeEntry(body)
  if (Result.isFailure(read)) throw new RangeError(`an entry that cannot be written: ${read.failure}`)
  return body
}

/** Reads a body, strictly: what it returns, encoded again, gives these bytes. */
export const decodeEntry = (bytes: Uint8Array): Result.Result<Entry, EntryProblem> => {
  if (bytes.length > entryBytesMax) return Result.fail("tooLong")
  const entry = readEntry(bytes)
  return entry === undefined ? decodeWhole(bytes) : Result.succeed(entry)
}

const idPrefix = Buffer.from(entryTag, "ascii")

/** The id of the entry with this body. */
export const entryId = (body: Uint8Array): EntryId => hash("sha256", Buffer.concat([idPrefix, body]), "hex")

/** An entry with everything that proves it. */
export interface SealedEntry {
  readonly id: EntryId
  readonly entry: Entry
  readonly body: Uint8Array
  readonly signature: Uint8Array
}

/** Encodes and signs an entry; `sign` frames the message with the tag and signs with the author's key. */
export const sealEntry = (entry: Entry, sign: (tag: DomainTag, message: Uint8Array) => Uint8Array): SealedEntry => {
  const body = encodeEntry(entry)
  const id = entryId(body)
  return { id, entry, body, signature: sign(entryTag, fromHex(id)) }
}

/** Whether this is the signature of the entry with this id; the key has to be that of the entry's author. */
export const isSignedBy = (key: VerificationKey, id: EntryId, signature: Uint8Array): boolean =>
  key.verify(frame(entryTag, fromHex(id)), signature)
