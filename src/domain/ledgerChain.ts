/**
 * What follows from an author's own chain up to some entry: what he can spend, what he has set aside, and the limit
 * that he has shown. Two branches of a forked author have two different states; none of them depends on the other.
 */
import { creditsTo, type EntryId, type GenesisEntry, type IdentifiedEntry } from "./ledgerEntry.ts"

/** A grant by what decides which one is the latest: lamport, then id. */
export interface GrantRank {
  readonly lamport: number
  readonly id: EntryId
}

/** One currency of the author, in minor units. */
export interface ChainAccount {
  /** Own debits and acked credits together. */
  readonly spendable: number
  /** Sum of the open holds. */
  readonly held: number
  readonly limit: number
  /** The grant that the limit comes from; without one it is the starting limit. */
  readonly grant: GrantRank | undefined
}

export interface ChainState {
  /** Whether the author is a steward or has named the entry that makes him a member. */
  readonly member: boolean
  /** By position of the currency. */
  readonly accounts: ReadonlyArray<ChainAccount>
}

/** What the author may give away at most. */
export const availableOf = ({ held, limit, spendable }: ChainAccount): number => spendable - held + limit

/** An author who has done nothing yet. */
export const emptyChain = (genesis: GenesisEntry, author: string): ChainState => ({
  member: genesis.stewards.includes(author),
  accounts: genesis.currencies.map(({ startingLimit }) => ({
    spendable: 0,
    held: 0,
    limit: startingLimit,
    grant: undefined
  }))
})

/** Whether `a` is later than `b`; the same on every node, whichever came first. */
export const isLaterGrant = (a: GrantRank, b: GrantRank | undefined): boolean =>
  b === undefined || a.lamport > b.lamport || (a.lamport === b.lamport && a.id > b.id)

const change = (
  chain: ChainState,
  currency: number,
  by: (account: ChainAccount) => Partial<ChainAccount>
): ChainState => ({
  ...chain,
  accounts: chain.accounts.map((account, index) => (index === currency ? { ...account, ...by(account) } : account))
})

/** The author relies on another entry from now on: his membership or a grant to him; others change nothing. */
export const withDependency = (chain: ChainState, author: string, { entry, id }: IdentifiedEntry): ChainState => {
  if (entry.kind === "member" && entry.account === author) return { ...chain, member: true }
  if (entry.kind !== "grant" || entry.account !== author) return chain
  const grant = { lamport: entry.lamport, id }
  return change(chain, entry.currency, (account) =>
    isLaterGrant(grant, account.grant) ? { grant, limit: entry.limit } : {}
  )
}

/** What the author received from another entry becomes spendable. */
export const withCredits = (chain: ChainState, author: string, { entry }: IdentifiedEntry): ChainState =>
  creditsTo(entry, author).reduce(
    (chain, { amount, currency }) => change(chain, currency, ({ spendable }) => ({ spendable: spendable + amount })),
    chain
  )

/** The author's own debits in an entry, as positive amounts by currency. */
export const debitsOf = ({ entry }: IdentifiedEntry): ReadonlyArray<{ currency: number; amount: number }> =>
  entry.legs.flatMap(({ account, amount, currency }) =>
    account === entry.author && amount < 0 ? [{ currency, amount: -amount }] : []
  )

/** The author's own legs count; `hold` is the one that a post or void is about. */
export const withOwnLegs = (chain: ChainState, own: IdentifiedEntry, hold: IdentifiedEntry | undefined): ChainState => {
  const isHold = own.entry.kind === "hold"
  const debited = debitsOf(own).reduce(
    (chain, { amount, currency }) =>
      change(chain, currency, ({ held, spendable }) =>
        isHold ? { held: held + amount } : { spendable: spendable - amount }
      ),
    chain
  )
  return hold === undefined
    ? debited
    : debitsOf(hold).reduce(
        (chain, { amount, currency }) => change(chain, currency, ({ held }) => ({ held: held - amount })),
        debited
      )
}
