/**
 * The one decision about entries of the ledger, for our own appends, gossip, catch-up and restart: whether an entry is
 * valid. It is a pure function of the entry and of its past, that is of what it refers to, directly or not. Neither the
 * order of arrival, nor a clock, nor what else a node knows has a part in it, so all nodes say the same.
 *
 * The bytes have been read and the signature verified before (protocol/entry.ts).
 */
import { isAccount } from "./ledgerAccount.ts"
import {
  availableOf,
  type ChainState,
  debitsOf,
  emptyChain,
  withCredits,
  withDependency,
  withOwnLegs
} from "./ledgerChain.ts"
import {
  type AccountId,
  creditsTo,
  type Entry,
  type EntryId,
  type GenesisEntry,
  type IdentifiedEntry,
  referencesOf,
  subjectOf
} from "./ledgerEntry.ts"
import { type ShapeProblem, shapeProblem } from "./ledgerShape.ts"

/** Why an entry is invalid, for ever. */
export type Rejection =
  | ShapeProblem
  /** Of another cooperative. */
  | "foreignCoop"
  | "wrongLamport"
  /** An account that is nobody's key. */
  | "notAnAccount"
  | "unknownCurrency"
  /** The author has not named the entry that makes him a member. */
  | "notMember"
  | "notSteward"
  | "idempotencyKeyUsed"
  /** The acked entry gives the author nothing, or he gave it himself. */
  | "notACredit"
  | "ackedBefore"
  /** The payer of an acked credit has forked, and this entry's own past shows it. */
  | "ackOfForked"
  /** What a post or void names is no hold of this chain. */
  | "notAHold"
  | "resolvedBefore"
  /** A post that pays others, or more, than was held. */
  | "beyondHold"
  | "notReversible"
  | "reversedBefore"
  /** A reversal that gives back something else than what was received. */
  | "notWhatWasReceived"
  | "overLimit"
  | "amountTooLarge"

/** An entry that was admitted, with the state of its author's chain after it. */
export interface PastEntry extends IdentifiedEntry {
  readonly chain: ChainState
}

/** Things that a chain does once: by entry (`ack`, `resolve`, `reverse`) or by idempotency key. */
export type Use = "ack" | "resolve" | "reverse" | "key"

/** What admission asks of the entries that are there. All answers are about the past of the entry at hand. */
export interface LedgerPast {
  readonly coop: EntryId
  readonly find: (id: EntryId) => PastEntry | undefined
  /** Every entry of the author that uses this, on whichever branch. */
  readonly uses: (author: AccountId, use: Use, what: string) => ReadonlyArray<PastEntry>
  /** Whether `earlier` is `tip` or before it in the same chain. */
  readonly isOnChain: (tip: PastEntry, earlier: PastEntry) => boolean
  /** Whether these entries and their pasts contain two entries of the author at one position. */
  readonly seesFork: (author: AccountId, from: ReadonlyArray<PastEntry>) => boolean
}

export type Admission =
  | { readonly _tag: "Admitted"; readonly entry: PastEntry }
  /** Nothing can be said before these are there. */
  | { readonly _tag: "Pending"; readonly missing: ReadonlyArray<EntryId> }
  | { readonly _tag: "Rejected"; readonly reason: Rejection }

const rejected = (reason: Rejection): Admission => ({ _tag: "Rejected", reason })

/** An entry whose references are all there. */
interface Case {
  readonly own: IdentifiedEntry
  readonly entry: Entry
  readonly genesis: GenesisEntry
  readonly prev: PastEntry | undefined
  readonly references: ReadonlyArray<PastEntry>
  readonly find: (id: EntryId) => PastEntry | undefined
  readonly past: LedgerPast
}

const lamportMatches = ({ entry, references }: Case): boolean =>
  entry.lamport === 1 + references.reduce((latest, { entry: { lamport } }) => Math.max(latest, lamport), 0)

const follows = ({ entry, prev }: Case): boolean =>
  prev === undefined || (prev.entry.author === entry.author && prev.entry.seq + 1 === entry.seq)

/** Whether the author has done this before, on the branch that the entry continues. */
const usedBefore = ({ entry, past, prev }: Case, use: Use, what: string): boolean =>
  prev !== undefined && past.uses(entry.author, use, what).some((user) => past.isOnChain(prev, user))

const accountsProblem = ({ entry, genesis }: Case): Rejection | undefined => {
  const currencies = [
    ...entry.legs.map(({ currency }) => currency),
    ...(entry.kind === "grant" ? [entry.currency] : [])
  ]
  if (currencies.some((currency) => currency >= genesis.currencies.length)) return "unknownCurrency"
  const accounts = entry.legs.map(({ account }) => account)
  if (entry.kind === "member" || entry.kind === "grant") accounts.push(entry.account)
  return accounts.every(isAccount) ? undefined : "notAnAccount"
}

const acksProblem = (one: Case): Rejection | undefined => {
  const { entry, find, past, references } = one
  const payers = new Set<AccountId>()
  for (const id of entry.acks) {
    const credit = find(id)
    if (credit === undefined || creditsTo(credit.entry, entry.author).length === 0) return "notACredit"
    if (usedBefore(one, "ack", id)) return "ackedBefore"
    payers.add(credit.entry.author)
  }
  for (const payer of payers) if (past.seesFork(payer, references)) return "ackOfForked"
  return undefined
}

/** The payer alone resolves a hold, once, and pays at most what was held to those for whom it was held. */
const resolutionProblem = (one: Case, hold: PastEntry | undefined): Rejection | undefined => {
  const { entry, past, prev } = one
  if (hold?.entry.kind !== "hold" || prev === undefined || !past.isOnChain(prev, hold)) return "notAHold"
  if (usedBefore(one, "resolve", hold.id)) return "resolvedBefore"
  const within = entry.legs.every(({ account, amount, currency }) =>
    hold.entry.legs.some(
      (leg) => leg.account === account && leg.currency === currency && Math.abs(amount) <= Math.abs(leg.amount)
    )
  )
  return within ? undefined : "beyondHold"
}

/** A receiver gives back everything that he got from an entry, to him who gave it, once. */
const reversalProblem = (one: Case, reversed: PastEntry | undefined): Rejection | undefined => {
  const { entry } = one
  if (reversed === undefined || reversed.entry.kind === "reverse") return "notReversible"
  const received = creditsTo(reversed.entry, entry.author)
  if (received.length === 0) return "notReversible"
  if (usedBefore(one, "reverse", reversed.id)) return "reversedBefore"
  const debits = debitsOf(one.own)
  const same =
    entry.legs.length === 2 * received.length &&
    entry.legs.every(({ account }) => account === entry.author || account === reversed.entry.author) &&
    received.every((leg) => debits.some((debit) => debit.currency === leg.currency && debit.amount === leg.amount))
  return same ? undefined : "notWhatWasReceived"
}

const kindProblem = (one: Case): Rejection | undefined => {
  const { entry, find, genesis } = one
  const subject = find(subjectOf(entry) ?? "")
  switch (entry.kind) {
    case "member":
    case "grant":
      return genesis.stewards.includes(entry.author) ? undefined : "notSteward"
    case "post":
    case "void":
      return resolutionProblem(one, subject)
    case "reverse":
      return reversalProblem(one, subject)
    case "genesis":
    case "transfer":
    case "hold":
    case "ack":
      return undefined
  }
}

/** An entry may leave less than nothing (after a grant cut the limit), but none may take what is not there. */
const limitProblem = (before: ChainState, after: ChainState): Rejection | undefined => {
  for (const [currency, account] of after.accounts.entries()) {
    if (!Number.isSafeInteger(account.spendable) || !Number.isSafeInteger(account.held)) return "amountTooLarge"
    const was = before.accounts[currency]
    const available = availableOf(account)
    if (available < 0 && was !== undefined && available < availableOf(was)) return "overLimit"
  }
  return undefined
}

/** From here on everything that the entry names is known. */
const judge = (one: Case): Admission => {
  const { entry, find, genesis, own, prev } = one
  if (!lamportMatches(one)) return rejected("wrongLamport")
  if (!follows(one)) return rejected("brokenChain")
  const dependencies = entry.deps.flatMap((id) => find(id) ?? [])
  const relying = dependencies.reduce(
    (chain, dependency) => withDependency(chain, entry.author, dependency),
    prev?.chain ?? emptyChain(genesis, entry.author)
  )
  if (!relying.member) return rejected("notMember")
  if (entry.idempotencyKey !== "" && usedBefore(one, "key", entry.idempotencyKey)) return rejected("idempotencyKeyUsed")
  const problem = accountsProblem(one) ?? kindProblem(one) ?? acksProblem(one)
  if (problem !== undefined) return rejected(problem)
  const acked = entry.acks.flatMap((id) => find(id) ?? [])
  const before = acked.reduce((chain, credit) => withCredits(chain, entry.author, credit), relying)
  const hold = entry.kind === "post" || entry.kind === "void" ? find(entry.hold) : undefined
  const chain = withOwnLegs(before, own, hold)
  const over = limitProblem(before, chain)
  return over === undefined ? { _tag: "Admitted", entry: { ...own, chain } } : rejected(over)
}

const judgeGenesis = (own: IdentifiedEntry, genesis: GenesisEntry, coop: EntryId): Admission => {
  if (own.id !== coop) return rejected("foreignCoop")
  if (!genesis.stewards.every(isAccount)) return rejected("notAnAccount")
  return { _tag: "Admitted", entry: { ...own, chain: emptyChain(genesis, genesis.author) } }
}

/** Whether an entry is valid, given what is known of its past. */
export const admit = (own: IdentifiedEntry, past: LedgerPast): Admission => {
  const { entry } = own
  const shape = shapeProblem(entry)
  if (shape !== undefined) return rejected(shape)
  if (entry.kind === "genesis") return judgeGenesis(own, entry, past.coop)
  if (entry.coop !== past.coop) return rejected("foreignCoop")
  const genesis = past.find(past.coop)?.entry
  if (genesis?.kind !== "genesis") return { _tag: "Pending", missing: [past.coop] }
  const known = new Map<EntryId, PastEntry>()
  const missing: Array<EntryId> = []
  for (const id of referencesOf(entry)) {
    const found = past.find(id)
    if (found === undefined) missing.push(id)
    else known.set(id, found)
  }
  if (missing.length > 0) return { _tag: "Pending", missing }
  return judge({
    own,
    entry,
    genesis,
    prev: known.get(entry.prev ?? ""),
    references: [...known.values()],
    find: (id) => known.get(id),
    past
  })
}
