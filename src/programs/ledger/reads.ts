/**
 * What people ask of the books, over what a running node's `Ledger` offers or what is read from a data directory on
 * which no node runs: amounts as decimal text, members as DIDs. Long answers are streams, read page by page.
 */
import { Effect, Option, Stream } from "effect"
import { formatAmount } from "../../domain/ledgerAmount.ts"
import type { Currency, EntryId } from "../../domain/ledgerEntry.ts"
import {
  accountDid,
  balanceView,
  currencyAt,
  didAccount,
  historyLines,
  isPaymentKind
} from "../../domain/ledgerView.ts"
import type { Did } from "../../domain/did.ts"
import type { BooksReport, CooperativeInfo, Ledger, LedgerEntry, QuarantinedEntry } from "../../services/Ledger.ts"
import type { LedgerSyncPeer } from "../../services/LedgerSync.ts"
import type {
  LedgerHistoryQuery,
  LedgerOverview,
  LedgerQuarantined,
  LedgerQuarantinedEntry,
  LedgerReport
} from "../rpc/ledgerApi.ts"
import { isoTime } from "../rpc/isoTime.ts"

type Service = Ledger["Service"]

/** The part of `Ledger` that only looks. Where no cooperative can be founded, `ensureCooperative` fails without one. */
export interface LedgerReads extends Pick<
  Service,
  | "account"
  | "balance"
  | "balances"
  | "cooperative"
  | "ensureCooperative"
  | "forks"
  | "history"
  | "journalVersion"
  | "members"
  | "progress"
  | "status"
  | "verify"
> {
  readonly quarantine: Pick<Service["quarantine"], "get" | "list">
}

/** Entries that are read at a time. */
const pageMax = 256
/** Lines that go into one answer of a stream: with the longest memos about 200 KB. */
const linesPerAnswer = 128
/** Rows that differ which a report names; `ok` is about all. */
const mismatchesNamedMax = 256

/** The balances of one member, this one unless said, or of every account with a row. */
export const balances = (
  reads: LedgerReads,
  { everyone, of }: { readonly of: Did | null; readonly everyone: boolean }
) =>
  Effect.gen(function* () {
    // A node without a cooperative founds its own when it is first asked what somebody has.
    const { currencies } = yield* reads.ensureCooperative
    const rows = yield* everyone ? reads.balances : reads.balance(of === null ? reads.account : didAccount(of))
    return Stream.fromIterable(rows).pipe(
      Stream.map((row) => balanceView(row, currencies)),
      Stream.rechunk(linesPerAnswer)
    )
  }).pipe(Stream.unwrap)

/** Entries newest first, from a version on, as far as they are asked for. */
export const entriesBackwards = (reads: LedgerReads, account: string | undefined, before: number | undefined) =>
  Stream.paginate(before, (before) =>
    reads
      .history({
        max: pageMax,
        ...(account === undefined ? {} : { account }),
        ...(before === undefined ? {} : { before })
      })
      .pipe(
        Effect.map((page) => {
          const last = page.length < pageMax ? undefined : page.at(-1)
          return [page, last === undefined ? Option.none<number>() : Option.some(last.version)] as const
        })
      )
  )

const isAsked =
  (query: LedgerHistoryQuery) =>
  (one: LedgerEntry): boolean =>
    (query.all || isPaymentKind(one.entry.kind)) && (query.sinceMillis === null || one.entry.at >= query.sinceMillis)

/** The lines of a history, newest first. */
export const history = (reads: LedgerReads, query: LedgerHistoryQuery) =>
  Effect.gen(function* () {
    const found = yield* reads.cooperative
    if (Option.isNone(found)) return Stream.empty
    const { currencies } = found.value
    const account = query.everyone ? undefined : query.of === null ? reads.account : didAccount(query.of)
    return entriesBackwards(reads, account, query.before ?? undefined).pipe(
      Stream.takeWhile(({ version }) => query.sinceVersion === null || version > query.sinceVersion),
      Stream.filter(isAsked(query)),
      Stream.take(query.limit),
      Stream.flatMap((one) => Stream.fromIterable(historyLines(one, account, currencies, isoTime))),
      Stream.rechunk(linesPerAnswer)
    )
  }).pipe(Stream.unwrap)

const cooperativeView = (info: CooperativeInfo): LedgerOverview["cooperative"] => ({
  id: info.id,
  name: info.name,
  currencies: info.currencies.map(({ decimals, startingLimit, symbol }) => ({
    symbol,
    decimals,
    startingLimit: formatAmount(startingLimit, decimals)
  })),
  stewards: info.stewards.map(accountDid),
  implicit: info.implicit
})

const peerView = (peer: LedgerSyncPeer): LedgerOverview["peers"][number] => ({
  did: peer.did.text,
  state: peer.state,
  exchangedAt: peer.exchangedAtMillis === undefined ? null : isoTime(peer.exchangedAtMillis),
  entries: peer.entries ?? null,
  lacking: peer.lacking,
  received: peer.received,
  sent: peer.sent,
  detail: peer.detail
})

/** Of which cooperative the books are, how far they are, and what stands in the way of writing. */
export const overview = Effect.fnUntraced(function* (reads: LedgerReads, peers: ReadonlyArray<LedgerSyncPeer> = []) {
  const found = yield* reads.cooperative
  const none = { accounts: 0, forks: 0, journalVersion: 0, ownSeq: -1, seenSeq: -1, vouched: 0 }
  const quarantine = { entries: 0, bytes: 0, pending: 0 }
  const status = Option.isNone(found) ? { ...none, quarantine } : yield* reads.status
  const forks = Option.isNone(found) ? [] : yield* reads.forks
  const answer: LedgerOverview = {
    did: accountDid(reads.account),
    cooperative: Option.match(found, { onNone: () => null, onSome: cooperativeView }),
    journalVersion: status.journalVersion,
    accounts: status.accounts,
    ownSeq: status.ownSeq,
    seenSeq: status.seenSeq,
    ownBehind: Math.max(0, status.seenSeq - status.ownSeq),
    vouched: status.vouched,
    quarantine: status.quarantine,
    peers: peers.map(peerView),
    forks: forks.slice(0, mismatchesNamedMax).map(({ author, seq }) => ({ did: accountDid(author), seq }))
  }
  return answer
})

type SumsOf = BooksReport["mismatches"][number]["stored"]

/** What comparing or recomputing the books has found. */
export const reportOf = (report: BooksReport, currencies: ReadonlyArray<Currency>): LedgerReport => {
  const sums = (row: SumsOf, currency: number) => {
    const { decimals } = currencyAt(currencies, currency)
    return {
      posted: formatAmount(row.posted, decimals),
      held: formatAmount(row.held, decimals),
      unacked: formatAmount(row.unacked, decimals)
    }
  }
  return {
    ok: report.mismatches.length === 0 && report.sums.every((sum) => sum === 0),
    journalVersion: report.journalVersion,
    entries: report.entries,
    sumByCurrency: Object.fromEntries(
      currencies.map(({ decimals, symbol }, index) => [symbol, formatAmount(report.sums[index] ?? 0, decimals)])
    ),
    mismatches: report.mismatches.slice(0, mismatchesNamedMax).map(({ account, currency, recomputed, stored }) => ({
      did: accountDid(account),
      currency: currencyAt(currencies, currency).symbol,
      stored: sums(stored, currency),
      recomputed: sums(recomputed, currency)
    }))
  }
}

const quarantinedOf = (one: QuarantinedEntry): LedgerQuarantined => ({
  entryId: one.id,
  author: accountDid(one.author),
  seq: one.seq,
  state: one.state,
  reason: one.reason,
  missing: one.missing,
  arrivedAt: isoTime(one.atMillis),
  bytes: one.bytes
})

export const quarantine = (reads: LedgerReads) =>
  Stream.unwrap(Effect.map(reads.quarantine.list, Stream.fromIterable)).pipe(
    Stream.map(quarantinedOf),
    // One may miss as many entries as it names.
    Stream.rechunk(8)
  )

/** An entry in quarantine as it is; null when there is none with this id. */
export const quarantined = Effect.fnUntraced(function* (reads: LedgerReads, id: EntryId) {
  const found = yield* reads.quarantine.get(id)
  const cooperative = yield* reads.cooperative
  if (Option.isNone(found)) return null
  const { entry } = found.value
  const currencies = Option.isNone(cooperative) ? [] : cooperative.value.currencies
  const answer: LedgerQuarantinedEntry = {
    ...quarantinedOf(found.value),
    kind: entry.kind,
    at: isoTime(Math.min(entry.at, 8.64e15)),
    memo: entry.memo,
    legs: entry.legs.map(({ account, amount, currency }) => {
      const { decimals, symbol } = currencyAt(currencies, currency)
      return { did: accountDid(account), currency: symbol, amount: formatAmount(amount, decimals) }
    }),
    acks: entry.acks,
    deps: entry.deps
  }
  return answer
})
