/**
 * What a member shows to who does not know him: the entry with which a steward made him one. Books that lack what comes
 * before it cannot take it in yet, but who the stewards are is known from the first entry on, and their signature is
 * all that it takes to ask the member for the rest.
 */
import { Effect, Option, Result } from "effect"
import type { Did } from "../../domain/did.ts"
import { VerificationKey } from "../../domain/ed25519.ts"
import { decodeEntry, entryId, isSignedBy } from "../../protocol/entry.ts"
import type { SealedBytes } from "../../protocol/ledgerBatch.ts"
import { Cooperative } from "../../services/Cooperative.ts"
import { type CooperativeInfo, Ledger } from "../../services/Ledger.ts"
import { accountOf } from "./ask.ts"

type Stewarded = Pick<CooperativeInfo, "id" | "stewards">

/** Entries of stewards; whoever is unknown has nothing else to bring. */
const ofStewards = ({ id, stewards }: Stewarded, entries: ReadonlyArray<SealedBytes>) =>
  entries.filter(({ body }) => {
    const entry = Result.getOrUndefined(decodeEntry(body))
    return entry !== undefined && entry.coop === id && stewards.includes(entry.author)
  })

/** Whether a steward's entry makes somebody a member. */
export const makesMember = (did: Did, { body, signature }: SealedBytes): boolean => {
  const entry = Result.getOrUndefined(decodeEntry(body))
  if (entry?.kind !== "member" || entry.account !== accountOf(did)) return false
  const key = Result.getOrUndefined(VerificationKey.fromBytes(Buffer.from(entry.author, "hex")))
  return key !== undefined && isSignedBy(key, entryId(body), signature)
}

/** `member`: by the books; `presented`: by what he shows, while the books here lack what comes before. */
export type Standing = "member" | "presented" | "nobody"

/** Who somebody is; what he presents is taken in first. */
export const standingOf = Effect.fnUntraced(function* (did: Did, presented: ReadonlyArray<SealedBytes>) {
  const cooperative = yield* Cooperative
  const ledger = yield* Ledger
  if (yield* cooperative.isAdmitted(did)) return "member" satisfies Standing
  const info = yield* ledger.cooperative
  const entries = Option.isNone(info) ? [] : ofStewards(info.value, presented)
  if (entries.length === 0) return "nobody" satisfies Standing
  yield* ledger.receive(entries, "each")
  if (yield* cooperative.isAdmitted(did)) return "member" satisfies Standing
  const word = entries.find((entry) => makesMember(did, entry))
  // Where the entry is in the books and he is still no member, he has been one.
  const isNews = word !== undefined && (yield* ledger.sealed([entryId(word.body)])).length === 0
  return (isNews ? "presented" : "nobody") satisfies Standing
})
