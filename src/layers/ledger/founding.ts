/** How a cooperative begins: its genesis made, read from others, and shown. */
import { Clock, Effect, Result } from "effect"
import type { Did } from "../../domain/did.ts"
import { VerificationKey } from "../../domain/ed25519.ts"
import { admit } from "../../domain/ledgerAdmit.ts"
import type { AccountId, Currency, EntryId, GenesisEntry } from "../../domain/ledgerEntry.ts"
import { LedgerHistory } from "../../domain/ledgerHistory.ts"
import { decodeEntry, encodeEntry, entryId, entryTag, isSignedBy } from "../../protocol/entry.ts"
import type { Identity } from "../../services/Identity.ts"
import { BadGenesis, type CooperativeInfo, type Founding, LedgerError } from "../../services/Ledger.ts"
import type { SealedBytes } from "./Journal.ts"

/** Of a cooperative that nobody gave currencies: hours in hundredths, and everybody may go down to -100 of them. */
export const defaultCurrencies: ReadonlyArray<Currency> = [{ symbol: "hours", decimals: 2, startingLimit: 10_000 }]

export const accountOf = (did: Did): AccountId => Buffer.from(did.publicKey).toString("hex")

/** Of the cooperative that a member founds without saying so; nobody else gives one such a name. */
export const implicitName = ({ text }: Did): string => {
  const key = text.slice(text.lastIndexOf(":") + 1)
  return `cooperative of ${key.slice(0, 8)}…${key.slice(-4)}`
}

const badGenesis = (detail: string): LedgerError => new LedgerError({ reason: new BadGenesis({ detail }) })

/** A genesis that was looked at, with its id. */
export interface Genesis extends SealedBytes {
  readonly id: EntryId
}

/** Signs the first entry of a cooperative with this member as its steward. */
export const foundGenesis = Effect.fnUntraced(function* (
  identity: Identity["Service"],
  { currencies, name }: Founding
): Effect.fn.Return<Genesis, LedgerError> {
  const account = accountOf(identity.did)
  const at = Math.round(yield* Clock.currentTimeMillis)
  const entry: GenesisEntry = {
    coop: null,
    author: account,
    seq: 0,
    prev: null,
    lamport: 0,
    at,
    legs: [],
    acks: [],
    deps: [],
    idempotencyKey: "",
    memo: "",
    kind: "genesis",
    name,
    currencies,
    stewards: [account],
    threshold: 1
  }
  const body = yield* Effect.try({
    try: () => encodeEntry(entry),
    catch: (error) => badGenesis(error instanceof Error ? error.message : String(error))
  })
  const id = entryId(body)
  return { id, body, signature: yield* identity.sign(entryTag, Buffer.from(id, "hex")) }
})

/** Whether bytes are the first entry of a cooperative, and its author's. */
export const readGenesis = ({ body, signature }: SealedBytes): Result.Result<Genesis, LedgerError> => {
  const decoded = decodeEntry(body)
  if (Result.isFailure(decoded)) return Result.fail(badGenesis(`no entry can be read (${decoded.failure})`))
  const entry = decoded.success
  if (entry.kind !== "genesis") return Result.fail(badGenesis(`it is a ${entry.kind}`))
  const id = entryId(body)
  const key = Result.getOrUndefined(VerificationKey.fromBytes(Buffer.from(entry.author, "hex")))
  if (key === undefined || !isSignedBy(key, id, signature))
    return Result.fail(badGenesis("it is not signed by its author"))
  const admission = admit({ id, entry }, new LedgerHistory(id))
  return admission._tag === "Admitted"
    ? Result.succeed({ id, body, signature })
    : Result.fail(badGenesis(admission._tag === "Rejected" ? admission.reason : "it refers to others"))
}

/** What people and programs are told of a cooperative. */
export const infoOf = (id: EntryId, entry: GenesisEntry, genesis: SealedBytes, own: Did): CooperativeInfo => ({
  id,
  name: entry.name,
  currencies: entry.currencies,
  stewards: entry.stewards,
  genesis: { body: genesis.body, signature: genesis.signature },
  implicit: entry.author === accountOf(own) && entry.name === implicitName(own)
})
