/**
 * The bytes of an entry (entry.ts) by a whole codec of CBOR: what entryBytes.ts does not write, and why bytes are no
 * entry. It reads what entryBytes.ts reads but for text that begins with U+FEFF, which its library takes away. Pure.
 */
import { decode, encode } from "cborg"
import * as Result from "effect/Result"
import { compareLegs, type Entry, type EntryAct, type EntryKind, type Leg } from "../domain/ledgerEntry.ts"
import {
  acksMax,
  amountMax,
  currenciesMax,
  decimalsMax,
  depsMax,
  idempotencyKeyBytes,
  legsMax,
  memoBytesMax,
  nameBytesMax,
  stewardsMax
} from "../domain/ledgerLimits.ts"
import { hex, list, strictCbor } from "./cborParts.ts"
import { isSymbol, kinds } from "./entryBytes.ts"

/** Bytes of ids and accounts. */
const idBytes = 32

/** The only version there is. */
const version = 1
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

const contentOf = (entry: Entry): ReadonlyArray<unknown> => {
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

/** The body of an entry; whether it can be read again is not looked at. */
export const encodeWhole = (entry: Entry): Uint8Array =>
  encode([
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
  ])

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
  if (typeof symbol !== "string" || !isSymbol(symbol)) return undefined
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

/** The entry with this body, or why there is none. */
export const decodeWhole = (bytes: Uint8Array): Result.Result<Entry, EntryProblem> => {
  try {
    const value: unknown = decode(bytes, strictCbor)
    if (!Array.isArray(value)) return Result.fail("malformed")
    if (!Buffer.from(encode(value)).equals(bytes)) return Result.fail("notCanonical")
    const entry = read(value)
    return typeof entry === "string" ? Result.fail(entry) : Result.succeed(entry)
  } catch {
    // The decoder throws at anything that is not CBOR of these types; there is nothing to learn from its words.
    return Result.fail("malformed")
  }
}
