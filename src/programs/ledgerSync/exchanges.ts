/**
 * Catches up with the members who are there, one after the other (domain/ledgerSyncPlan.ts says with whom and when),
 * and answers those who catch up with this node.
 */
import { Cause, Clock, Effect, Exit, Option, Queue, Random, Stream } from "effect"
import type { Did } from "../../domain/did.ts"
import type { EntryId } from "../../domain/ledgerEntry.ts"
import { type ExchangeEnd, LedgerSyncPlan } from "../../domain/ledgerSyncPlan.ts"
import * as Metric from "../../domain/metrics.ts"
import { ledgerSyncProtocol } from "../../protocol/ledgerSync.ts"
import { Cooperative } from "../../services/Cooperative.ts"
import { LedgerError } from "../../services/Ledger.ts"
import { Metrics, report } from "../../services/Metrics.ts"
import { SessionError, SessionManager } from "../../services/SessionManager.ts"
import { answer } from "./answer.ts"
import { type Exchange, exchange } from "./ask.ts"
import type { Board } from "./Board.ts"
import { Callers } from "./Callers.ts"
import { LedgerSyncError, SyncSilent } from "./errors.ts"
import type { Signals } from "./signals.ts"

/** A whole exchange; whoever is slower loses the rest of its turn. */
const exchangeMillisMax = 300_000
/** How often it looks who is there, apart from what sessions tell. */
const lookMillis = 1000
/** Whoever has a session and does not belong here is asked about again after this time. */
const strangerMillis = 5000
const millisPerSecond = 1000

const resultOf = (exit: Exit.Exit<Exchange, unknown>): Metric.LedgerSyncResult => {
  if (Exit.isSuccess(exit)) return exit.value.isComplete ? "complete" : "interrupted"
  const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  return error instanceof LedgerSyncError ? error.result : "failed"
}

const problemOf = (exit: Exit.Exit<Exchange, unknown>): string => {
  if (Exit.isSuccess(exit)) return ""
  const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  if (error instanceof LedgerSyncError || error instanceof SessionError) return error.problem
  return error instanceof LedgerError ? error.message : "this node failed"
}

const endOf = (exit: Exit.Exit<Exchange, unknown>): ExchangeEnd => {
  if (Exit.isFailure(exit)) return "failed"
  return exit.value.isComplete ? "complete" : "more"
}

class Exchanges {
  readonly #coop: EntryId
  readonly #plan: LedgerSyncPlan
  readonly #board: Board
  readonly #presented: Signals["presented"]
  /** Members who may be asked, by their DID, as long as they have sessions. */
  readonly #there = new Map<string, Did>()
  /** When others with sessions are looked at again. */
  readonly #strangers = new Map<string, number>()

  constructor(coop: EntryId, plan: LedgerSyncPlan, board: Board, presented: Signals["presented"]) {
    this.#coop = coop
    this.#plan = plan
    this.#board = board
    this.#presented = presented
  }

  /** Whoever belongs here as far as the books show, or has shown it himself. */
  readonly #mayAsk = Effect.fnUntraced({ self: this }, function* (did: Did) {
    return this.#presented.has(did.text) || (yield* (yield* Cooperative).isAdmitted(did))
  })

  /** Takes note of who came and who went. */
  readonly look = Effect.fnUntraced({ self: this }, function* () {
    const sessions = yield* (yield* SessionManager).sessions
    const now = yield* Clock.currentTimeMillis
    const present = new Set(sessions.map(({ did }) => did.text))
    for (const peer of [...this.#there.keys(), ...this.#strangers.keys()]) {
      if (present.has(peer)) continue
      this.#strangers.delete(peer)
      yield* this.#gone(peer)
    }
    for (const { did } of sessions) {
      const isQuiet = (this.#strangers.get(did.text) ?? 0) > now && !this.#presented.has(did.text)
      if (this.#there.has(did.text) || isQuiet) continue
      if (yield* this.#mayAsk(did)) {
        this.#strangers.delete(did.text)
        this.#there.set(did.text, did)
        this.#plan.opened(did.text, now, yield* Random.next)
        yield* this.#board.opened(did)
      } else this.#strangers.set(did.text, now + strangerMillis)
    }
  })

  /** The session has ended, or the member was excluded. */
  #gone(peer: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#presented.delete(peer)
      if (!this.#there.delete(peer)) return Effect.void
      this.#plan.closed(peer)
      return this.#board.closed(peer)
    })
  }

  readonly isThere = (peer: string): boolean => this.#there.has(peer)

  readonly gap = Effect.fnUntraced({ self: this }, function* (peer: string | undefined) {
    this.#plan.gap(peer, yield* Clock.currentTimeMillis, yield* Random.next)
  })

  /** Catches up with whoever's turn it is; says how long there will be none otherwise. */
  readonly turn = Effect.fnUntraced({ self: this }, function* () {
    const now = yield* Clock.currentTimeMillis
    const peer = this.#plan.next(now, yield* Random.next, yield* Random.next)
    const did = this.#there.get(peer ?? "")
    if (did === undefined) return Math.ceil(this.#plan.wait(now))
    if (!(yield* this.#mayAsk(did))) {
      yield* this.#gone(did.text)
      return 0
    }
    const exit = yield* Effect.exit(this.#exchange(did))
    if (Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)) return yield* Effect.interrupt
    yield* this.#ended(did, exit)
    yield* (yield* Metrics).observe(
      Metric.ledgerSyncSeconds,
      {},
      ((yield* Clock.currentTimeMillis) - now) / millisPerSecond
    )
    return 0
  })

  #exchange(did: Did) {
    const silent = new SyncSilent({ millis: exchangeMillisMax })
    let told = 0
    return Effect.andThen(
      this.#board.change(did.text, () => ({ state: "exchanging" })),
      exchange(this.#coop, did, ({ entries, lacking, received }) => {
        const came = received - told
        told = received
        return this.#board.change(did.text, (peer) => ({
          entries,
          lacking: Math.max(0, lacking - received),
          received: peer.received + came
        }))
      })
    ).pipe(
      Effect.timeoutOrElse({
        duration: exchangeMillisMax,
        orElse: () => Effect.fail(new LedgerSyncError({ peer: did.text, reason: silent }))
      })
    )
  }

  readonly #ended = Effect.fnUntraced({ self: this }, function* (did: Did, exit: Exit.Exit<Exchange, unknown>) {
    const now = yield* Clock.currentTimeMillis
    const end = endOf(exit)
    this.#plan.ended(did.text, end, now)
    // Now the books tell who he is.
    if (end !== "more") this.#presented.delete(did.text)
    // What came may have told of other members.
    if (end !== "failed") this.#strangers.clear()
    yield* (yield* Metrics).inc(Metric.ledgerSyncExchanges, { role: "asker", result: resultOf(exit) })
    yield* this.#board.change(did.text, (peer) => ({
      state: end === "complete" ? "current" : end === "more" ? "behind" : "failed",
      exchangedAtMillis: now,
      lacking: end === "complete" ? 0 : peer.lacking,
      detail: problemOf(exit)
    }))
    if (Exit.isFailure(exit)) yield* this.#explain(did, exit.cause)
  })

  #explain(did: Did, cause: Cause.Cause<unknown>): Effect.Effect<void> {
    const error = Option.getOrUndefined(Cause.findErrorOption(cause))
    // What others do wrong is theirs, and shown with the status; what this node does is an error.
    if (error instanceof LedgerSyncError || error instanceof SessionError) {
      return Effect.logDebug(`no exchange of ledgers with ${did.text}: ${error.problem}`)
    }
    return report("ledger_sync", cause)
  }
}

/** Serves and asks, for ever; `serving` once it answers. */
export const exchanges = Effect.fn("LedgerSync.exchanges")(function* (
  coop: EntryId,
  board: Board,
  signals: Signals,
  serving: Effect.Effect<void>
) {
  const sessions = yield* SessionManager
  const came = yield* Queue.sliding<void>(1)
  const plan = new LedgerSyncPlan(yield* Clock.currentTimeMillis, yield* Random.next)
  const all = new Exchanges(coop, plan, board, signals.presented)
  const answering = {
    callers: new Callers(),
    isKnown: all.isThere,
    presented: (peer: string) => {
      signals.presented.add(peer)
      Queue.offerUnsafe(came, undefined)
    },
    // Whoever asks may do so before this side has noticed that there is a session.
    sent: (peer: Did, entries: number) =>
      Effect.andThen(
        board.opened(peer),
        board.change(peer.text, ({ sent }) => ({ sent: sent + entries }))
      )
  }
  yield* sessions.handle(ledgerSyncProtocol, answer(coop, answering))
  yield* serving
  yield* Stream.runForEach(sessions.events, () => Queue.offer(came, undefined)).pipe(
    Effect.forkScoped({ startImmediately: true })
  )
  const waitFor = (millis: number) =>
    Effect.raceFirst(Queue.take(came), Effect.flatMap(Queue.take(signals.gaps), all.gap)).pipe(
      Effect.timeoutOption(Math.min(lookMillis, millis))
    )
  for (;;) {
    yield* all.look()
    const millis = yield* all.turn()
    yield* board.measure
    if (millis > 0) yield* waitFor(millis)
  }
}, Effect.scoped)
