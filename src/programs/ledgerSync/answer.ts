/**
 * Answers members who catch up with this node. Whoever is no member, as the ledger says, or no longer one, is told no
 * more than that; the session proves who it is.
 */
import { Cause, Clock, Effect, Fiber, Option, Result } from "effect"
import type { Did } from "../../domain/did.ts"
import type { EntryId } from "../../domain/ledgerEntry.ts"
import { areApart, nothingWanted, type RangeMark, type Wants } from "../../domain/ledgerReconcile.ts"
import * as Metric from "../../domain/metrics.ts"
import { decodeEntry, entryId } from "../../protocol/entry.ts"
import { packedLength, type SealedBytes } from "../../protocol/ledgerBatch.ts"
import {
  type AnswererMessage,
  type AskerMessage,
  coopHash,
  type SyncRefusal,
  windowBytesMax,
  windowEntriesMax
} from "../../protocol/ledgerSync.ts"
import { Cooperative, type CooperativeError } from "../../services/Cooperative.ts"
import { Ledger, type LedgerError, type SealedEntries } from "../../services/Ledger.ts"
import { Metrics, report } from "../../services/Metrics.ts"
import type { SessionStream } from "../../services/SessionManager.ts"
import { accountOf } from "./ask.ts"
import { asAnswerer, type Conversation } from "./conversation.ts"
import { standingOf } from "./membership.ts"
import { LedgerSyncError, SyncMalformed, SyncSilent, SyncTooMuch } from "./errors.ts"
import type { Callers } from "./Callers.ts"

/** The first word follows the stream's opening at once; the next ones when a window is stored on the other side. */
const helloMillisMax = 10_000
const pauseMillisMax = 60_000
/** A whole exchange; whoever is not done by then begins another. */
const exchangeMillisMax = 300_000
/** Ranges and chains that one member wants in one exchange. */
const wantedMax = 131_072
/** Looking for what is wanted stops here and says so, before the other side thinks that nobody answers. */
const lookMillisMax = 5000
/** Questions of one exchange about ranges, and for single entries; whoever asks as this node does stays below. */
const comparesMax = 1024
const fetchesMax = 128
/** Entries answered to one `Fetch`. */
const fetchEntriesMax = 1024

/** What answering tells the rest of the program. */
export interface Answering {
  readonly callers: Callers
  /** Whether somebody with a session is known as a member; nothing is read for it. */
  readonly isKnown: (peer: string) => boolean
  /** The asker is a member by what it shows, and its ledger has what this node needs to know it as one. */
  readonly presented: (peer: string) => void
  /** Entries were sent to a member. */
  readonly sent: (peer: Did, entries: number) => Effect.Effect<void>
}

type Talk = Conversation<AnswererMessage, AskerMessage>

/** Why this stream is not answered, if it is not. */
const refusalOf = Effect.fnUntraced(function* (
  coop: EntryId,
  { peer }: SessionStream,
  hello: Extract<AskerMessage, { readonly _tag: "Hello" }>,
  presented: Answering["presented"]
) {
  if (hello.coop !== coopHash(coop)) return "otherCooperative" satisfies SyncRefusal
  const standing = yield* standingOf(peer, hello.membership)
  if (standing === "member") return undefined
  if (standing === "presented") presented(peer.text)
  return "notMember" satisfies SyncRefusal
})

/** Entries and those before each in its chain, as far as they fit into a window; in an order that can be admitted. */
const fetch = Effect.fnUntraced(function* (ids: ReadonlyArray<EntryId>, depth: number) {
  const ledger = yield* Ledger
  const found = new Map<EntryId, { readonly lamport: number; readonly sealed: SealedBytes }>()
  let bytes = 0
  let wanted = ids
  for (let level = 0; level <= depth && wanted.length > 0; level++) {
    const before: Array<EntryId> = []
    for (const sealed of yield* ledger.sealed(wanted)) {
      const entry = Result.getOrUndefined(decodeEntry(sealed.body))
      bytes += packedLength(sealed)
      if (entry === undefined || bytes > windowBytesMax || found.size >= fetchEntriesMax) continue
      found.set(entryId(sealed.body), { lamport: entry.lamport, sealed })
      if (entry.prev !== null) before.push(entry.prev)
    }
    wanted = before.filter((id) => !found.has(id))
  }
  return [...found.values()].toSorted((a, b) => a.lamport - b.lamport).map(({ sealed }) => sealed)
})

/** One exchange after the hello. */
class Answers {
  readonly #talk: Talk
  readonly #stream: SessionStream
  readonly #sent: Answering["sent"]
  #wants: Wants = nothingWanted
  /** Nothing more is wanted than what was said. */
  #isSaid = false
  #version = 0
  #compared = 0
  #fetched = 0
  #next: Fiber.Fiber<SealedEntries, LedgerError> | undefined

  constructor(talk: Talk, stream: SessionStream, sent: Answering["sent"]) {
    this.#talk = talk
    this.#stream = stream
    this.#sent = sent
  }

  readonly to = Effect.fnUntraced({ self: this }, function* (message: AskerMessage) {
    switch (message._tag) {
      case "Hello":
        return yield* this.#talk.fail(new SyncMalformed({ detail: "it greets twice" }))
      case "Compare":
        return yield* this.#compare(message.marks)
      case "Want":
        return yield* this.#want(message.wants, message.last)
      case "Next":
        return yield* this.#window()
      case "Fetch": {
        if (++this.#fetched > fetchesMax) {
          return yield* this.#talk.fail(new SyncTooMuch({ detail: "it fetches more than there can be" }))
        }
        const entries = yield* fetch(message.ids, message.depth)
        return yield* this.#send(entries, true)
      }
    }
  })

  /** Each question reads all chains once at most, so their number is what a member can cost this node. */
  readonly #compare = Effect.fnUntraced({ self: this }, function* (marks: ReadonlyArray<RangeMark>) {
    if (++this.#compared > comparesMax) {
      return yield* this.#talk.fail(new SyncTooMuch({ detail: "it compares more than there can be" }))
    }
    if (!areApart(marks)) return yield* this.#talk.fail(new SyncMalformed({ detail: "it compares an author twice" }))
    return yield* this.#talk.say({ _tag: "Answers", answers: yield* (yield* Ledger).reconcile.answer(marks) })
  })

  readonly #want = Effect.fnUntraced({ self: this }, function* (wants: Wants, last: boolean) {
    const { chains, ranges } = this.#wants
    if (this.#isSaid) return yield* this.#talk.fail(new SyncMalformed({ detail: "it wants twice" }))
    this.#wants = { ranges: [...ranges, ...wants.ranges], chains: [...chains, ...wants.chains] }
    if (this.#wants.ranges.length + this.#wants.chains.length > wantedMax) {
      return yield* this.#talk.fail(new SyncTooMuch({ detail: "it wants more than there can be" }))
    }
    if (!last) return
    this.#isSaid = true
    return yield* this.#window()
  })

  /** The next window. The one after it is looked for while the other side stores this one. */
  readonly #window = Effect.fnUntraced({ self: this }, function* () {
    if (!this.#isSaid) return yield* this.#talk.fail(new SyncMalformed({ detail: "it wants nothing" }))
    const page = yield* this.#next === undefined ? this.#look() : Fiber.join(this.#next)
    this.#next = page.done ? undefined : yield* Effect.forkChild(this.#look())
    return yield* this.#send(page.entries, page.done)
  })

  /** Looks for what is wanted; nothing is found when it takes long. */
  readonly #look = Effect.fnUntraced({ self: this }, function* () {
    const { reconcile } = yield* Ledger
    const beganMillis = yield* Clock.currentTimeMillis
    for (;;) {
      const from = { version: this.#version, max: windowEntriesMax, bytesMax: windowBytesMax }
      const page = yield* reconcile.wanted(this.#wants, from)
      this.#version = page.version
      const isLate = (yield* Clock.currentTimeMillis) - beganMillis > lookMillisMax
      if (page.entries.length > 0 || page.done || isLate) return page
    }
  })

  readonly #send = Effect.fnUntraced({ self: this }, function* (entries: ReadonlyArray<SealedBytes>, done: boolean) {
    yield* this.#talk.say({ _tag: "Window", entries, done })
    if (entries.length === 0) return
    yield* (yield* Metrics).inc(Metric.ledgerSyncEntries, { direction: "sent", way: "catchup" }, entries.length)
    yield* this.#sent(this.#stream.peer, entries.length)
  })
}

/** Answers from the hello on to the end, and says what became of it. */
const converse = Effect.fnUntraced(function* (coop: EntryId, stream: SessionStream, answering: Answering) {
  const ledger = yield* Ledger
  const cooperative = yield* Cooperative
  const talk = asAnswerer(stream)
  const first = yield* talk.hear(helloMillisMax)
  if (Option.isNone(first)) return "interrupted" satisfies Metric.LedgerSyncResult
  if (first.value._tag !== "Hello") return yield* talk.fail(new SyncMalformed({ detail: "it does not greet" }))
  const refusal = yield* refusalOf(coop, stream, first.value, answering.presented)
  if (refusal !== undefined) {
    yield* talk.say({ _tag: "Refused", reason: refusal })
    return "refused" satisfies Metric.LedgerSyncResult
  }
  const own = yield* ledger.reconcile.head(accountOf(stream.peer))
  const sealed = Option.isNone(own) ? [] : yield* ledger.sealed([own.value.id])
  yield* talk.say({ _tag: "Welcome", entries: yield* ledger.journalVersion, own: sealed.slice(0, 1) })
  const answers = new Answers(talk, stream, answering.sent)
  for (;;) {
    const message = yield* talk.hear(pauseMillisMax)
    if (Option.isNone(message)) return "complete" satisfies Metric.LedgerSyncResult
    // Whoever is excluded meanwhile gets no more.
    if (!(yield* cooperative.isAdmitted(stream.peer))) {
      yield* talk.say({ _tag: "Refused", reason: "notMember" })
      return "refused" satisfies Metric.LedgerSyncResult
    }
    yield* answers.to(message.value)
  }
})

const counted = (result: Metric.LedgerSyncResult) =>
  Effect.flatMap(Metrics, (metrics) => metrics.inc(Metric.ledgerSyncExchanges, { role: "answerer", result }))

/** Serves one stream of `ledgerSyncProtocol`. What goes wrong on the other side is counted, and the stream reset. */
export const answer = (coop: EntryId, answering: Answering) =>
  Effect.fnUntraced(function* (stream: SessionStream) {
    const peer = stream.peer.text
    const kind = answering.isKnown(peer) ? "members" : "strangers"
    if (!answering.callers.enter(peer, kind, yield* Clock.currentTimeMillis)) {
      yield* asAnswerer(stream).say({ _tag: "Refused", reason: "busy" })
      return yield* counted("limited")
    }
    const silent = new SyncSilent({ millis: exchangeMillisMax })
    return yield* converse(coop, stream, answering).pipe(
      Effect.timeoutOrElse({
        duration: exchangeMillisMax,
        orElse: () => Effect.fail(new LedgerSyncError({ peer, reason: silent }))
      }),
      Effect.flatMap(counted),
      Effect.catchTags({
        LedgerSyncError: ({ problem, result }) =>
          Effect.logDebug(`exchange with ${peer} broken off: ${problem}`).pipe(
            Effect.andThen(counted(result)),
            Effect.andThen(stream.reset)
          ),
        SessionError: () => Effect.andThen(counted("failed"), stream.reset),
        // This node's own trouble, and no business of the other side's.
        LedgerError: (error) => unavailable(stream, error),
        CooperativeError: (error) => unavailable(stream, error)
      }),
      Effect.ensuring(Effect.sync(() => answering.callers.leave(peer, kind)))
    )
  })

const unavailable = (stream: SessionStream, error: LedgerError | CooperativeError) =>
  Effect.andThen(
    report("ledger_sync", Cause.fail(error)),
    asAnswerer(stream)
      .say({ _tag: "Refused", reason: "unavailable" })
      // Whether it is still heard changes nothing.
      .pipe(Effect.ignore, Effect.andThen(counted("failed")))
  )
