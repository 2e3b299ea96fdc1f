/**
 * Credit limits that a policy would give (domain/ledgerLimitPolicy.ts), from everything that is booked. One pass over
 * the journal; nobody's limit changes by it.
 */
import { Clock, Effect, Stream } from "effect"
import type { Did } from "../../domain/did.ts"
import { formatAmount } from "../../domain/ledgerAmount.ts"
import type { AccountId } from "../../domain/ledgerEntry.ts"
import { type CreditPolicyName, LedgerActivity, suggestLimit } from "../../domain/ledgerLimitPolicy.ts"
import { accountDid, currencyAt, didAccount } from "../../domain/ledgerView.ts"
import type { CooperativeInfo } from "../../services/Ledger.ts"
import type { LedgerSuggestEvent } from "../rpc/ledgerApi.ts"
import { entriesBackwards, type LedgerReads } from "./reads.ts"
import { positionOf } from "./writes.ts"

const dayMillis = 86_400_000
/** Entries between two reports of progress. */
const progressEvery = 10_000

interface SuggestRequest {
  readonly policy: CreditPolicyName
  /** All members when null. */
  readonly of: Did | null
  /** The first one when null. */
  readonly currency: string | null
}

const suggestion = Effect.fnUntraced(function* (
  reads: LedgerReads,
  { currencies }: CooperativeInfo,
  {
    activity,
    policy,
    position
  }: { readonly activity: LedgerActivity; readonly policy: CreditPolicyName; readonly position: number },
  account: AccountId
) {
  const now = yield* Clock.currentTimeMillis
  const { decimals, symbol } = currencyAt(currencies, position)
  const record = activity.of(account, position, now)
  const limit = (yield* reads.balance(account)).find(({ currency }) => currency === position)?.limit ?? 0
  const event: LedgerSuggestEvent = {
    _tag: "Suggestion",
    suggestion: {
      did: accountDid(account),
      currency: symbol,
      cleared: formatAmount(record.cleared, decimals),
      payers: record.payers,
      memberDays: Math.floor(record.tenureMillis / dayMillis),
      limit: formatAmount(limit, decimals),
      suggested: formatAmount(suggestLimit(policy, decimals, record), decimals)
    }
  }
  return event
})

/** Takes in the whole journal; tells how far it is. */
const observing = (reads: LedgerReads, activity: LedgerActivity, total: number) => {
  let done = 0
  return entriesBackwards(reads, undefined, undefined).pipe(
    Stream.map(({ booked, entry }) => {
      if (booked) activity.observe(entry)
      return ++done
    }),
    Stream.filter((done) => done % progressEvery === 0),
    Stream.map((done): LedgerSuggestEvent => ({ _tag: "Progress", done, total: Math.max(done, total) }))
  )
}

/** What a policy would give to one member, or to all of them. */
export const suggestLimits = (reads: LedgerReads, { currency, of, policy }: SuggestRequest) =>
  Effect.gen(function* () {
    const info = yield* reads.ensureCooperative
    const position = yield* positionOf(info, currency)
    const total = yield* reads.journalVersion
    const activity = new LedgerActivity()
    const accounts = of === null ? (yield* reads.members).map(({ account }) => account) : [didAccount(of)]
    return observing(reads, activity, total).pipe(
      Stream.concat(
        Stream.fromIterable(accounts).pipe(
          Stream.mapEffect((account) => suggestion(reads, info, { activity, policy, position }, account))
        )
      )
    )
  }).pipe(Stream.unwrap)
