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
import { decode, encode } from "cborg"
import * as Result from "effect/Result"
import { type DomainTag, frame, type VerificationKey } from "../domain/ed25519.ts"
import {
  compareLegs,
  type Entry,
  type EntryAct,
  type EntryId,
  type EntryKind,
  type Leg
} from "../domain/ledgerEntry.ts"
import {
  acksMax,
  amountMax,
  currenciesMax,
  decimalsMax,
  depsMax,
  entryBytesMax,
  idempotencyKeyBytes,
  legsMax,
  memoBytesMax,
  nameBytesMax,
  stewardsMax
} from "../domain/ledgerLimits.ts"
import { hex, list, strictCbor } from "./cborParts.ts"
import { type CborValue, decodeCbor, encodeCbor } from "./entryCbor.ts"

/** The purpose of an entry's signature. */
export const entryTag = "icn-node/ledger-entry/v1" satisfies DomainTag
/** Bytes of ids and accounts. */
const idBytes = 32

/** The only version there is. */
const version = 1
/** Kinds by their number in the bytes. */
const kinds = [
  "genesis",
  "member",
  "grant",
  "transfer",
  "hold",
  "post",
  "void",
  "reverse",
  "ack"
] as const satisfies ReadonlyArray<EntryKind>
/** Kinds that have a number and no rules yet; the first follows the last of `kinds`. */
export const reservedKinds = ["keyrotate", "receipt", "checkpoint", "certificate"] as const

/** Why bytes are not an entry; `bad…` names the part that is out of its bounds, its order or its type. */
export type EntryProblem =
  | "tooLong"
  | "malformed"
  | "notCanonical"
  | "wrongLength"
  | "unknownVersion"
  | "unknownKind"
  | "unsupportedKind"
  | "badCoop"
  | "badAuthor"
  | "badSeq"
  | "badPrev"
  | "badLamport"
  | "badTime"
  | "badLegs"
  | "badAcks"
  | "badDeps"
  | "badIdempotencyKey"
  | "badMemo"
  | "badContent"

const fromHex = (text: string): Uint8Array => Buffer.from(text, "hex")

const contentOf = (entry: Entry): ReadonlyArray<CborValue> => {
  switch (entry.kind) {
    case "genesis":
      return [
        entry.name,
        entry.currencies.map(({ decimals, startingLimit, symbol }) => [symbol, decimals, startingLimit]),
        entry.stewards.map(fromHex),
        entry.threshold
      ]
    case "member":
      return [fromHex(entry.account)]
    case "grant":
      return [fromHex(entry.account), entry.currency, entry.limit]
    case "hold":
      return [entry.expiresAt]
    case "post":
    case "void":
      return [fromHex(entry.hold)]
    case "reverse":
      return [fromHex(entry.reversed)]
    case "transfer":
    case "ack":
      return []
  }
}

/** The body of an entry. What could not be read again is a mistake of the caller and throws. */
export const encodeEntry = (entry: Entry): Uint8Array => {
  // Half of a surrogate pair has no UTF-8, and would be replaced by another character.
  const texts = entry.kind === "genesis" ? entry.memo + entry.name : entry.memo
  if (!texts.isWellFormed()) throw new RangeError("an entry with text that has no UTF-8")
  const parts = [
    version,
    kinds.indexOf(entry.kind),
    fromHex(entry.coop ?? ""),
    fromHex(entry.author),
    entry.seq,
    fromHex(entry.prev ?? ""),
    entry.lamport,
    entry.at,
    entry.legs.map(({ account, amount, currency }) => [fromHex(account), currency, amount]),
    entry.acks.map(fromHex),
    entry.deps.map(fromHex),
    fromHex(entry.idempotencyKey),
    entry.memo,
    contentOf(entry)
  ]
  const body = encodeCbor(parts) ?? encode(parts)
  const read = decodeEntry(body)
  if (Result.isFailure(read)) throw new RangeError(`an entry that cannot be written: ${read.failure}`)
  return body
}

// Readers of one value each; `undefined` is a value of another type or out of bounds.

const integer = (value: unknown, minimum: number, maximum: number): number | undefined =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= minimum && value <= maximum ? value : undefined

const natural = (value: unknown): number | undefined => integer(value, 0, Number.MAX_SAFE_INTEGER)

const id = (value: unknown): string | undefined => hex(value, idBytes)

/** An id, or null for an empty byte string. */
const optionalId = (value: unknown): string | null | undefined => (hex(value, 0) === "" ? null : id(value))

/** Text for people: no controls, so that it can be shown on a terminal. */
const text = (value: unknown, bytesMin: number, bytesMax: number): string | undefined => {
  if (typeof value !== "string" || /\p{Cc}/u.test(value)) return undefined
  const { length } = Buffer.from(value, "utf8")
  return length >= bytesMin && length <= bytesMax ? value : undefined
}

const tuple = (value: unknown, length: number): ReadonlyArray<unknown> | undefined =>
  Array.isArray(value) && value.length === length ? value : undefined

const ascending = <A>(
  items: ReadonlyArray<A> | undefined,
  compare: (a: A, b: A) => number
): ReadonlyArray<A> | undefined =>
  items?.every((item, index) => {
    const before = items[index - 1]
    return index === 0 || before === undefined || compare(before, item) < 0
  }) === true
    ? items
    : undefined

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

const ids = (value: unknown, maximum: number): ReadonlyArray<string> | undefined =>
  ascending(list(value, maximum, id), compareText)

const currencyIndex = (value: unknown): number | undefined => integer(value, 0, currenciesMax - 1)

const leg = (value: unknown): Leg | undefined => {
  const parts = tuple(value, 3)
  const account = id(parts?.[0])
  const currency = currencyIndex(parts?.[1])
  const amount = integer(parts?.[2], -amountMax, amountMax)
  return account === undefined || currency === undefined || amount === undefined || amount === 0
    ? undefined
    : { account, currency, amount }
}

const currency = (value: unknown) => {
  const parts = tuple(value, 3)
  const symbol = parts?.[0]
  const decimals = integer(parts?.[1], 0, decimalsMax)
  const startingLimit = integer(parts?.[2], 0, amountMax)
  if (typeof symbol !== "string" || !/^[A-Za-z][A-Za-z0-9-]{0,15}$/.test(symbol)) return undefined
  return decimals === undefined || startingLimit === undefined ? undefined : { symbol, decimals, startingLimit }
}

const genesis = (value: unknown): EntryAct | undefined => {
  const parts = tuple(value, 4)
  const name = text(parts?.[0], 1, nameBytesMax)
  const currencies = list(parts?.[1], currenciesMax, currency)
  const stewards = ids(parts?.[2], stewardsMax)
  const threshold = integer(parts?.[3], 1, stewardsMax)
  if (name === undefined || currencies === undefined || stewards === undefined || threshold === undefined)
    return undefined
  if (currencies.length === 0 || stewards.length === 0) return undefined
  if (new Set(currencies.map(({ symbol }) => symbol)).size < currencies.length) return undefined
  return { kind: "genesis", name, currencies, stewards, threshold }
}

const grant = (value: unknown): EntryAct | undefined => {
  const parts = tuple(value, 3)
  const account = id(parts?.[0])
  const currency = currencyIndex(parts?.[1])
  const limit = integer(parts?.[2], 0, amountMax)
  return account === undefined || currency === undefined || limit === undefined
    ? undefined
    : { kind: "grant", account, currency, limit }
}

const act = (kind: EntryKind, content: unknown): EntryAct | undefined => {
  const only = id(tuple(content, 1)?.[0])
  switch (kind) {
    case "genesis":
      return genesis(content)
    case "member":
      return only === undefined ? undefined : { kind, account: only }
    case "grant":
      return grant(content)
    case "hold": {
      const expiresAt = natural(tuple(content, 1)?.[0])
      return expiresAt === undefined ? undefined : { kind, expiresAt }
    }
    case "post":
    case "void":
      return only === undefined ? undefined : { kind, hold: only }
    case "reverse":
      return only === undefined ? undefined : { kind, reversed: only }
    case "transfer":
    case "ack":
      return tuple(content, 0) === undefined ? undefined : { kind }
  }
}

const kindOf = (value: unknown): EntryKind | "unknownKind" | "unsupportedKind" => {
  if (typeof value !== "number") return "unknownKind"
  return kinds[value] ?? (reservedKinds[value - kinds.length] === undefined ? "unknownKind" : "unsupportedKind")
}

const read = (parts: ReadonlyArray<unknown>): Entry | EntryProblem => {
  // The version comes first: another one may have any length.
  if (parts[0] !== version) return "unknownVersion"
  const kind = kindOf(parts[1])
  if (kind === "unknownKind" || kind === "unsupportedKind") return kind
  if (parts.length !== 14) return "wrongLength"
  const coop = optionalId(parts[2])
  if (coop === undefined) return "badCoop"
  const author = id(parts[3])
  if (author === undefined) return "badAuthor"
  const seq = natural(parts[4])
  if (seq === undefined) return "badSeq"
  const prev = optionalId(parts[5])
  if (prev === undefined) return "badPrev"
  const lamport = natural(parts[6])
  if (lamport === undefined) return "badLamport"
  const at = natural(parts[7])
  if (at === undefined) return "badTime"
  const legs = ascending(list(parts[8], legsMax, leg), compareLegs)
  if (legs === undefined) return "badLegs"
  const acks = ids(parts[9], acksMax)
  if (acks === undefined) return "badAcks"
  const deps = ids(parts[10], depsMax)
  if (deps === undefined) return "badDeps"
  const idempotencyKey = hex(parts[11], 0) ?? hex(parts[11], idempotencyKeyBytes)
  if (idempotencyKey === undefined) return "badIdempotencyKey"
  const memo = text(parts[12], 0, memoBytesMax)
  if (memo === undefined) return "badMemo"
  const content = act(kind, parts[13])
  if (content === undefined) return "badContent"
  return { coop, author, seq, prev, lamport, at, legs, acks, deps, idempotencyKey, memo, ...content }
}

const resultOf = (value: unknown): Result.Result<Entry, EntryProblem> => {
  const entry = Array.isArray(value) ? read(value) : "malformed"
  return typeof entry === "string" ? Result.fail(entry) : Result.succeed(entry)
}

/** For bytes that are no entry, why they are none. */
const decodeOther = (bytes: Uint8Array): Result.Result<Entry, EntryProblem> => {
  try {
    const value: unknown = decode(bytes, strictCbor)
    if (!Array.isArray(value)) return Result.fail("malformed")
    return Buffer.from(encode(value)).equals(bytes) ? resultOf(value) : Result.fail("notCanonical")
  } catch {
    // The decoder throws at anything that is not CBOR of these types; there is nothing to learn from its words.
    return Result.fail("malformed")
  }
}

/** Reads a body, strictly: what it returns, encoded again, gives these bytes. */
export const decodeEntry = (bytes: Uint8Array): Result.Result<Entry, EntryProblem> => {
  if (bytes.length > entryBytesMax) return Result.fail("tooLong")
  const value = decodeCbor(bytes)
  return value === undefined ? decodeOther(bytes) : resultOf(value)
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
