/**
 * How a member's node catches up with another's, on a stream of its own; domain/ledgerReconcile.ts is how they find
 * what is missing. Only the asker gets entries; the other side asks on a stream of its own.
 *
 *   asker                              answerer
 *   Hello {cooperative, entries} ->
 *                                   <- Welcome {entries, the asker's own latest entry}, or Refused {reason}
 *   Compare {marks of ranges}    ->
 *                                   <- Answers {one per mark}
 *   … until all is compared …
 *   Want {ranges, chains, last}  ->    in as many messages as it takes
 *                                   <- Window {entries, done}, after the last one
 *   Next                         ->    when the window is stored
 *                                   <- Window {entries, done}
 *   Fetch {ids, depth}           ->    for single entries, with as many before each in its chain
 *                                   <- Window {entries, done}
 *   end of the direction         ->
 *
 * Messages are frames with an array in deterministic CBOR (RFC 8949 section 4.2.1), a number for the kind in front, and
 * every other encoding is refused. Ids and authors are byte strings of 32 bytes, absent ones of none. Entries are
 * packed as in protocol/ledgerBatch.ts. The cooperative is named by a hash that only tells it to who knows it.
 */
import { createHash } from "node:crypto"
import { decode, encode } from "cborg"
import { Result } from "effect"
import type { EntryId } from "../domain/ledgerEntry.ts"
import {
  type AuthorRange,
  type Head,
  listedMax,
  type RangeAnswer,
  type RangeMark,
  type ShownChain,
  type Wants
} from "../domain/ledgerReconcile.ts"
import { hex, list, strictCbor } from "./cborParts.ts"
import { packEntries, type SealedBytes, unpackEntries } from "./ledgerBatch.ts"
import { frameBytesMax } from "./frames.ts"

export const ledgerSyncProtocol = "/icn/ledger/1"

const version = 1
/** Ranges in one message; answered with chains all of them, that is below 300 KiB. */
export const marksMax = 128
/** Ranges and chains in one `Want`. */
export const wantsMax = 4096
/** Ids in one `Fetch`, and the entries before each that may be asked for. */
export const fetchedMax = 128
export const fetchDepthMax = 64
/** Entries in one window, and bytes of their bodies and signatures; with the lengths it fits into a frame. */
export const windowEntriesMax = 2048
export const windowBytesMax = 786_432
/** Entries that prove a membership: that of the asker and its steward's first ones. */
export const membershipMax = 4

/** Why nothing is answered. `busy` passes by itself; so may `notMember`, when entries are on their way. */
export const syncRefusals = ["notMember", "otherCooperative", "busy", "unsupportedVersion", "unavailable"] as const
export type SyncRefusal = (typeof syncRefusals)[number]

export type AskerMessage =
  | {
      readonly _tag: "Hello"
      /** `coopHash` of the cooperative, 64 hex digits. */
      readonly coop: string
      /** How many entries the asker has. */
      readonly entries: number
      /** What makes the asker a member, for who has not heard of it. */
      readonly membership: ReadonlyArray<SealedBytes>
    }
  | { readonly _tag: "Compare"; readonly marks: ReadonlyArray<RangeMark> }
  | { readonly _tag: "Want"; readonly wants: Wants; readonly last: boolean }
  | { readonly _tag: "Next" }
  | { readonly _tag: "Fetch"; readonly ids: ReadonlyArray<EntryId>; readonly depth: number }

export type AnswererMessage =
  /** `own`: the last entry of the asker that is here, if there is one. */
  | { readonly _tag: "Welcome"; readonly entries: number; readonly own: ReadonlyArray<SealedBytes> }
  | { readonly _tag: "Refused"; readonly reason: SyncRefusal }
  | { readonly _tag: "Answers"; readonly answers: ReadonlyArray<RangeAnswer> }
  | { readonly _tag: "Window"; readonly entries: ReadonlyArray<SealedBytes>; readonly done: boolean }

const fromHex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"))

/** What a cooperative is called in a `Hello`. */
export const coopHash = (coop: EntryId): string =>
  createHash("sha256").update("icn-node/ledger-sync/v1").update(fromHex(coop)).digest("hex")

const encodeHead = (head: Head | null): ReadonlyArray<unknown> => (head === null ? [] : [head.seq, fromHex(head.id)])

const encodeRange = ({ from, to }: AuthorRange): ReadonlyArray<unknown> => [fromHex(from), fromHex(to)]

const encodeShown = (chain: ShownChain): ReadonlyArray<unknown> => [
  fromHex(chain.author),
  ...("head" in chain ? encodeHead(chain.head) : [chain.forkedAt])
]

const encodeAnswer = (answer: RangeAnswer): unknown => {
  switch (answer._tag) {
    case "Same":
      return 0
    case "Split":
      return 1
    case "Chains":
      return answer.chains.map(encodeShown)
  }
}

const flag = (value: boolean): number => (value ? 1 : 0)

export const encodeAsker = (message: AskerMessage): Uint8Array => {
  switch (message._tag) {
    case "Hello":
      return encode([0, version, fromHex(message.coop), message.entries, packEntries(message.membership)])
    case "Compare":
      return encode([1, message.marks.map((mark) => [...encodeRange(mark), fromHex(mark.fingerprint)])])
    case "Want":
      return encode([
        2,
        message.wants.ranges.map(encodeRange),
        message.wants.chains.map(({ author, behind }) => [fromHex(author), ...encodeHead(behind)]),
        flag(message.last)
      ])
    case "Next":
      return encode([3])
    case "Fetch":
      return encode([4, message.ids.map(fromHex), message.depth])
  }
}

export const encodeAnswerer = (message: AnswererMessage): Uint8Array => {
  switch (message._tag) {
    case "Welcome":
      return encode([16, message.entries, packEntries(message.own)])
    case "Refused":
      return encode([17, syncRefusals.indexOf(message.reason)])
    case "Answers":
      return encode([18, message.answers.map(encodeAnswer)])
    case "Window":
      return encode([19, packEntries(message.entries), flag(message.done)])
  }
}

/** Why a frame is no message: not CBOR of this form, of a kind that this side does not say, or not as it should be. */
export type SyncProblem = "tooLong" | "malformed" | "notCanonical" | "unknownMessage" | "unknownVersion" | "badContent"

// Readers of one value each; `undefined` is a value of another type or out of bounds.

const integer = (value: unknown, maximum: number): number | undefined =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= maximum ? value : undefined

const natural = (value: unknown): number | undefined => integer(value, Number.MAX_SAFE_INTEGER)

const boolean = (value: unknown): boolean | undefined => (value === 0 || value === 1 ? value === 1 : undefined)

const idBytes = 32
const fingerprintBytes = 16

const id = (value: unknown): string | undefined => hex(value, idBytes)
const bound = (value: unknown): string | undefined => hex(value, 0) ?? id(value)

const tuple = (value: unknown, ...lengths: ReadonlyArray<number>): ReadonlyArray<unknown> | undefined =>
  Array.isArray(value) && lengths.includes(value.length) ? value : undefined

const range = (value: unknown): AuthorRange | undefined => {
  const parts = tuple(value, 2)
  const from = bound(parts?.[0])
  const to = bound(parts?.[1])
  return from === undefined || to === undefined || (to !== "" && from >= to) ? undefined : { from, to }
}

const mark = (value: unknown): RangeMark | undefined => {
  const parts = tuple(value, 3)
  const bounds = range(parts?.slice(0, 2))
  const fingerprint = hex(parts?.[2], fingerprintBytes)
  return bounds === undefined || fingerprint === undefined ? undefined : { ...bounds, fingerprint }
}

const head = (seqPart: unknown, idPart: unknown): Head | undefined => {
  const seq = natural(seqPart)
  const headId = id(idPart)
  return seq === undefined || headId === undefined ? undefined : { seq, id: headId }
}

const shownChain = (value: unknown): ShownChain | undefined => {
  const parts = tuple(value, 2, 3)
  const author = id(parts?.[0])
  if (parts === undefined || author === undefined) return undefined
  if (parts.length === 2) {
    const forkedAt = natural(parts[1])
    return forkedAt === undefined ? undefined : { author, forkedAt }
  }
  const end = head(parts[1], parts[2])
  return end === undefined ? undefined : { author, head: end }
}

const wantedChain = (value: unknown): Wants["chains"][number] | undefined => {
  const parts = tuple(value, 1, 3)
  const author = id(parts?.[0])
  if (parts === undefined || author === undefined) return undefined
  if (parts.length === 1) return { author, behind: null }
  const behind = head(parts[1], parts[2])
  return behind === undefined ? undefined : { author, behind }
}

const answer = (value: unknown): RangeAnswer | undefined => {
  if (value === 0) return { _tag: "Same" }
  if (value === 1) return { _tag: "Split" }
  const chains = list(value, listedMax, shownChain)
  return chains === undefined ? undefined : { _tag: "Chains", chains }
}

const packed = (value: unknown, entriesMax: number): ReadonlyArray<SealedBytes> | undefined =>
  value instanceof Uint8Array ? Result.getOrUndefined(unpackEntries(value, entriesMax)) : undefined

type Parts = ReadonlyArray<unknown>

const hello = (parts: Parts): AskerMessage | SyncProblem => {
  // The version comes first: another one may have any length.
  if (parts[1] !== version) return "unknownVersion"
  const coop = id(parts[2])
  const entries = natural(parts[3])
  const membership = packed(parts[4], membershipMax)
  return parts.length !== 5 || coop === undefined || entries === undefined || membership === undefined
    ? "badContent"
    : { _tag: "Hello", coop, entries, membership }
}

const want = (parts: Parts): AskerMessage | SyncProblem => {
  const ranges = list(parts[1], wantsMax, range)
  const chains = list(parts[2], wantsMax, wantedChain)
  const last = boolean(parts[3])
  return parts.length !== 4 || ranges === undefined || chains === undefined || last === undefined
    ? "badContent"
    : { _tag: "Want", wants: { ranges, chains }, last }
}

const asker = (parts: Parts): AskerMessage | SyncProblem => {
  switch (parts[0]) {
    case 0:
      return hello(parts)
    case 1: {
      const marks = list(parts[1], marksMax, mark)
      return parts.length !== 2 || marks === undefined ? "badContent" : { _tag: "Compare", marks }
    }
    case 2:
      return want(parts)
    case 3:
      return parts.length === 1 ? { _tag: "Next" } : "badContent"
    case 4: {
      const ids = list(parts[1], fetchedMax, id)
      const depth = integer(parts[2], fetchDepthMax)
      return parts.length !== 3 || ids === undefined || depth === undefined
        ? "badContent"
        : { _tag: "Fetch", ids, depth }
    }
    default:
      return "unknownMessage"
  }
}

const answerer = (parts: Parts): AnswererMessage | SyncProblem => {
  switch (parts[0]) {
    case 16: {
      const entries = natural(parts[1])
      const own = packed(parts[2], 1)
      return parts.length !== 3 || entries === undefined || own === undefined
        ? "badContent"
        : { _tag: "Welcome", entries, own }
    }
    case 17: {
      const reason = syncRefusals[integer(parts[1], syncRefusals.length) ?? -1]
      return parts.length !== 2 || reason === undefined ? "badContent" : { _tag: "Refused", reason }
    }
    case 18: {
      const answers = list(parts[1], marksMax, answer)
      return parts.length !== 2 || answers === undefined ? "badContent" : { _tag: "Answers", answers }
    }
    case 19: {
      const entries = packed(parts[1], windowEntriesMax)
      const done = boolean(parts[2])
      return parts.length !== 3 || entries === undefined || done === undefined
        ? "badContent"
        : { _tag: "Window", entries, done }
    }
    default:
      return "unknownMessage"
  }
}

const reader =
  <A extends object>(read: (parts: Parts) => A | SyncProblem) =>
  (frame: Uint8Array): Result.Result<A, SyncProblem> => {
    if (frame.length > frameBytesMax) return Result.fail("tooLong")
    let value: unknown
    try {
      value = decode(frame, strictCbor)
      if (!Array.isArray(value)) return Result.fail("malformed")
      if (!Buffer.from(encode(value)).equals(frame)) return Result.fail("notCanonical")
    } catch {
      // The decoder throws at anything that is not CBOR of these types; there is nothing to learn from its words.
      return Result.fail("malformed")
    }
    const message = read(value)
    return typeof message === "string" ? Result.fail(message) : Result.succeed(message)
  }

/** Reads what an asker says, strictly. Entries are views of the frame. */
export const decodeAsker = reader(asker)
/** Reads what an answerer says, strictly. Entries are views of the frame. */
export const decodeAnswerer = reader(answerer)
