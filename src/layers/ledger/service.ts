/**
 * The `Ledger` service over a `LedgerShelf`: requests become calls of the engine that is open, and what the engine
 * answers becomes what the service promises. Used by LedgerMemory.ts and LedgerSqlite.ts.
 */
import { Effect, Option, type Scope, Stream } from "effect"
import type { Payment } from "../../domain/ledgerIntent.ts"
import { Identity } from "../../services/Identity.ts"
import {
  type CooperativeInfo,
  Ledger,
  type LedgerError,
  type LedgerMember,
  type PaymentRequest
} from "../../services/Ledger.ts"
import * as Auditing from "./auditing.ts"
import { changesOf } from "./changes.ts"
import type { Call, LedgerShelf, ReaderCalls } from "./Engine.ts"
import { readGenesis } from "./founding.ts"
import * as Receiving from "./receiving.ts"
import { type Served, Serving } from "./Serving.ts"
import { asideOf, asideWithEntry, viewOf } from "./views.ts"
import { Writing } from "./Writing.ts"

export interface LedgerServiceOptions {
  /**
   * Whether writing waits until the other members have been asked for this member's chain (`ownChainChecked`), which a
   * node with other members has to do, lest an old copy of its data forks the chain.
   */
  readonly awaitOwnChain?: boolean
}

/** Open holds and credits told in one answer; more are told when these are dealt with. */
const waitingMax = 1000

const paymentOf = ({ amount, currency = 0, to }: PaymentRequest): Payment => ({ to, currency, amount })

/** The parts that only look. */
const reading = (serving: Serving) => {
  const read: Call<ReaderCalls, LedgerError> = (name, ...args) =>
    Effect.flatMap(serving.served, ({ engine }) => engine.read(name, ...args))
  const account = serving.account
  return {
    journalVersion: read("version"),
    status: Effect.flatMap(serving.served, ({ engine, ownSeq }) =>
      Effect.map(engine.read("status", account), (status) => ({ ...status, seenSeq: ownSeq.seen }))
    ),
    entry: (id) => Effect.map(read("entry", id), (found) => Option.map(Option.fromUndefinedOr(found), viewOf)),
    balance: (account) => read("balance", account),
    balances: read("balances"),
    history: (query) => Effect.map(read("history", query), (page) => page.map(viewOf)),
    changes: (since) => Stream.unwrap(Effect.map(serving.served, (served) => changesOf(served, since))),
    members: Effect.map(read("members"), (members): ReadonlyArray<LedgerMember> =>
      members.map(({ account, by, steward }) => ({ account, steward, by }))
    ),
    forks: read("forks"),
    openHolds: Effect.map(read("openHolds", account, waitingMax), (holds) =>
      holds.map(({ expiresAt, id }) => ({ id, expiresAtMillis: expiresAt }))
    ),
    creditsToAck: read("creditsToAck", account, waitingMax),
    heads: read("chains"),
    missing: (have, from) => read("missing", have, from),
    reconcile: {
      opening: read("openingMarks"),
      refine: (ranges) => read("refined", ranges),
      answer: (marks) => read("answered", marks),
      lacks: (shown) => read("lacks", shown),
      branches: read("branches"),
      head: (account) => Effect.map(read("provenHead", account), Option.fromUndefinedOr),
      wanted: (wants, from) => read("wanted", wants, from)
    },
    sealed: (ids) => read("sealed", ids)
  } satisfies Partial<Ledger["Service"]>
}

const quarantine = (serving: Serving): Ledger["Service"]["quarantine"] => ({
  list: Effect.flatMap(serving.served, ({ engine }) =>
    Effect.map(engine.read("quarantine"), (entries) => entries.map(asideOf))
  ),
  get: (id) =>
    Effect.map(
      Effect.flatMap(serving.served, ({ engine }) => engine.read("quarantined", id)),
      asideWithEntry
    ),
  release: (id) => Receiving.release(serving, id),
  drop: (id) => Receiving.change(serving, (engine) => engine.write("drop", id)),
  purge: Receiving.change(serving, (engine) => engine.write("purge"))
})

const auditing = (serving: Serving) =>
  ({
    recomputeBalances: Auditing.recompute(serving, "once"),
    recomputeBalancesWithRetry: Auditing.recompute(serving, "retry"),
    verify: Auditing.verify(serving),
    progress: Stream.suspend(() => serving.present?.engine.progress ?? Stream.empty)
  }) satisfies Partial<Ledger["Service"]>

/** The parts that write entries of this member. */
const paying = (append: Writing["append"]) =>
  ({
    append,
    transfer: (request) => append({ kind: "transfer", payments: [paymentOf(request)] }, request),
    hold: (request) =>
      append({ kind: "hold", payments: [paymentOf(request)], expiresAt: request.expiresAtMillis }, request),
    post: (hold, options = {}) => {
      const { amount } = options
      return append(amount === undefined ? { kind: "post", hold } : { kind: "post", hold, amount }, options)
    },
    void: (hold, options) => append({ kind: "void", hold }, options),
    reverse: (entry, options) => append({ kind: "reverse", entry }, options)
  }) satisfies Partial<Ledger["Service"]>

const infoOf = ({ info }: Served): CooperativeInfo => info

/** A ledger whose cooperatives are on this shelf; the one that was served last is open when it is made. */
export const make = Effect.fnUntraced(function* (
  shelf: LedgerShelf,
  { awaitOwnChain = false }: LedgerServiceOptions = {}
): Effect.fn.Return<Ledger["Service"], LedgerError, Identity | Scope.Scope> {
  const serving = new Serving(yield* Identity, shelf, yield* Effect.scope, awaitOwnChain)
  yield* serving.start
  const writing = new Writing(serving)
  return Ledger.of({
    account: serving.account,
    cooperative: Effect.sync(() => Option.map(Option.fromUndefinedOr(serving.present), infoOf)),
    ensureCooperative: Effect.map(serving.ensure, infoOf),
    found: (founding) => Effect.map(serving.found(founding), infoOf),
    serve: (genesis) =>
      Effect.flatMap(Effect.fromResult(readGenesis(genesis)), (read) => Effect.map(serving.serve(read), infoOf)),
    ...paying(writing.append),
    outcome: writing.outcome,
    ...reading(serving),
    receive: (entries, verify) => Receiving.receive(serving, entries, verify),
    seenOwn: (seq) => Effect.sync(() => serving.seenOwn(seq)),
    ownChainChecked: Effect.suspend(() => serving.present?.ownChainChecked.open ?? Effect.void),
    ...auditing(serving),
    quarantine: quarantine(serving)
  })
})
