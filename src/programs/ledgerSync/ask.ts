/**
 * One exchange in which this node catches up with another: it finds what it lacks (domain/ledgerReconcile.ts) and gets
 * it in windows: while one is stored, the next comes and its signatures are looked at. A cut loses at most these two,
 * and the next exchange begins with what is here by then.
 */
import { Clock, Effect, Option, Result, Stream } from "effect"
import type { Did } from "../../domain/did.ts"
import { type AccountId, type EntryId, type IdentifiedEntry } from "../../domain/ledgerEntry.ts"
import type { Refined, Wants } from "../../domain/ledgerReconcile.ts"
import { VerificationKey } from "../../domain/ed25519.ts"
import * as Metric from "../../domain/metrics.ts"
import { decodeEntry, entryId, isSignedBy } from "../../protocol/entry.ts"
import type { SealedBytes } from "../../protocol/ledgerBatch.ts"
import {
  coopHash,
  fetchDepthMax,
  fetchedMax,
  ledgerSyncProtocol,
  marksMax,
  wantsMax
} from "../../protocol/ledgerSync.ts"
import { Ledger, type Received } from "../../services/Ledger.ts"
import { Metrics } from "../../services/Metrics.ts"
import { SessionManager } from "../../services/SessionManager.ts"
import { asAsker, type Asking } from "./conversation.ts"
import { SyncMalformed, SyncTooMuch } from "./errors.ts"

/** After this time others get their turn; what is left follows then. */
const turnMillis = 60_000
/** Windows that are on their way, verified or stored at the same time. */
export const windowsTaken = 2
/** Ranges compared in one exchange: more than 20,000 authors of whom each one differs. */
const comparedMax = 65_536
/** Ranges and chains wanted in one exchange. */
const wantedMax = 65_536
/** Windows in a row without anything new: the chain of a forked author may have come before, up to here. */
const staleWindowsMax = 256
/** Rounds of fetching what entries refer to; with deeper chains each time, some thousand entries. */
const fetchRoundsMax = 64
/**
 * What is only vouched for does not count as being here and would come again, so its signatures are looked at first: as
 * long as there is less of it each time, which for a minute of windows is two. Some may have bad signatures for ever.
 */
const provenMillisMax = 200_000
const vouchedLookMillis = 200
const vouchedLooksMax = 25
/** Branches of forked authors that are told; there are hardly ever any. */
const branchesMax = 256

export interface Exchange {
  /** Entries that the other side said it has. */
  readonly entries: number
  /** Entries found to be lacking, and how many came. */
  readonly lacking: number
  readonly received: number
  /** Whether everything came that was found to be lacking. */
  readonly isComplete: boolean
}

/** Told whenever there is progress. */
export type Progress = (exchange: Exchange) => Effect.Effect<void>

interface Books {
  readonly coop: EntryId
  readonly ledger: Ledger["Service"]
}

/** What proves this node's membership to who has not heard of it. */
const membershipOf = Effect.fnUntraced(function* ({ ledger }: Books) {
  const own = (yield* ledger.members).find(({ account }) => account === ledger.account)
  return own === undefined || own.steward ? [] : yield* ledger.sealed([own.by])
})

/** An entry of this member's chain, if that is what these bytes are. */
const readOwn = ({ coop, ledger }: Books, { body, signature }: SealedBytes): IdentifiedEntry | undefined => {
  const entry = Result.getOrUndefined(decodeEntry(body))
  const key = Result.getOrUndefined(VerificationKey.fromBytes(Buffer.from(ledger.account, "hex")))
  const id = entryId(body)
  if (entry === undefined || key === undefined || entry.author !== ledger.account) return undefined
  if ((entry.coop ?? id) !== coop || !isSignedBy(key, id, signature)) return undefined
  return { id, entry }
}

/** Says who asks for what; tells the ledger how long this member's chain is on the other side. */
const greet = Effect.fnUntraced(function* (books: Books, talk: Asking) {
  const { coop, ledger } = books
  const membership = yield* membershipOf(books)
  const entries = yield* ledger.journalVersion
  const welcome = yield* talk.ask({ _tag: "Hello", coop: coopHash(coop), entries, membership }, "Welcome")
  for (const bytes of welcome.own) {
    // Nobody else can sign with this member's key, so a chain that is shown is one that was written.
    const own = readOwn(books, bytes)
    if (own === undefined) return yield* talk.fail(new SyncMalformed({ detail: "what it shows is not our own entry" }))
    yield* ledger.seenOwn(own.entry.seq)
  }
  return welcome.entries
})

interface Lacking {
  readonly wants: Wants
  /** Entries, as far as the ends of chains tell. */
  readonly lacking: number
}

const nothingRefined: Refined = { marks: [], ranges: [] }

/** Which of these entries are here. */
const presentOf = Effect.fnUntraced(function* (ledger: Ledger["Service"], ids: ReadonlyArray<EntryId>) {
  const present = new Set<EntryId>()
  for (let at = 0; at < ids.length; at += fetchedMax) {
    for (const { body } of yield* ledger.sealed(ids.slice(at, at + fetchedMax))) present.add(entryId(body))
  }
  return present
})

/** Finds what is lacking. */
const compare = Effect.fnUntraced(function* ({ ledger: { reconcile } }: Books, talk: Asking) {
  const ranges: Array<Wants["ranges"][number]> = []
  const chains: Array<Wants["chains"][number]> = []
  let marks = yield* reconcile.opening
  let lacking = 0
  for (let compared = 0; marks.length > 0;) {
    const asked = marks.slice(0, marksMax)
    compared += asked.length
    const { answers } = yield* talk.ask({ _tag: "Compare", marks: asked }, "Answers")
    if (answers.length !== asked.length) {
      return yield* talk.fail(new SyncMalformed({ detail: "it answered about other ranges than it was asked" }))
    }
    const shown = answers.flatMap((answer) => (answer._tag === "Chains" ? answer.chains : []))
    for (const { author, behind, entries } of shown.length === 0 ? [] : yield* reconcile.lacks(shown)) {
      chains.push({ author, behind })
      lacking += entries
    }
    const split = asked.filter((_, at) => answers[at]?._tag === "Split")
    const refined = split.length === 0 ? nothingRefined : yield* reconcile.refine(split)
    for (const range of refined.ranges) ranges.push(range)
    marks = [...marks.slice(marksMax), ...refined.marks]
    if (compared > comparedMax || ranges.length + chains.length > wantedMax) {
      return yield* talk.fail(new SyncTooMuch({ detail: "it differs in more than there can be" }))
    }
  }
  // What was written upon branches of forked authors is found only by who knows which are here.
  const branches = ranges.length + chains.length === 0 ? [] : (yield* reconcile.branches).slice(0, branchesMax)
  const named = new Set(chains.map(({ author }) => author))
  const upon = branches.filter(({ author }) => !named.has(author))
  const lack: Lacking = { wants: { ranges, chains: [...chains, ...upon] }, lacking }
  return lack
})

const isNothing = ({ chains, ranges }: Wants): boolean => chains.length + ranges.length === 0

/** Says what is wanted, in as many messages as it takes; the first window is the answer. */
const want = Effect.fnUntraced(function* (talk: Asking, wants: Wants) {
  let at = 0
  const left = () => Math.max(wants.ranges.length, wants.chains.length) - at > wantsMax
  const part = () => ({
    ranges: wants.ranges.slice(at, at + wantsMax),
    chains: wants.chains.slice(at, at + wantsMax)
  })
  for (; left(); at += wantsMax) yield* talk.say({ _tag: "Want", wants: part(), last: false })
  return yield* talk.ask({ _tag: "Want", wants: part(), last: true }, "Window")
})

/** Entries that came, and what became of them. */
class Intake {
  readonly #books: Books
  readonly #talk: Asking
  received = 0
  rejected = 0
  #stale = 0
  readonly #missing = new Set<EntryId>()

  constructor(books: Books, talk: Asking) {
    this.#books = books
    this.#talk = talk
  }

  get missing(): ReadonlyArray<EntryId> {
    return [...this.#missing]
  }

  readonly take = Effect.fnUntraced(
    { self: this },
    function* (entries: ReadonlyArray<SealedBytes>, verify: "each" | "runs") {
      if (entries.length === 0) return 0
      const metrics = yield* Metrics
      yield* metrics.inc(Metric.ledgerSyncEntries, { direction: "received", way: "catchup" }, entries.length)
      const received: Received = yield* this.#books.ledger.receive(entries, verify)
      if (received.malformed + received.badSignature > 0) {
        return yield* this.#talk.fail(new SyncMalformed({ detail: "it sent entries that nobody has signed" }))
      }
      this.received += entries.length
      this.rejected += received.rejected
      const fresh = received.added + received.pending
      this.#stale = fresh === 0 ? this.#stale + 1 : 0
      if (this.#stale > staleWindowsMax) {
        return yield* this.#talk.fail(new SyncTooMuch({ detail: "it sends nothing that is not here already" }))
      }
      for (const id of received.missing) if (this.#missing.size < fetchedMax) this.#missing.add(id)
      return fresh
    }
  )

  /** Gets what entries refer to and nobody sent by itself: branches of forked authors. */
  readonly fetchMissing = Effect.fnUntraced({ self: this }, function* () {
    let depth = 1
    for (let round = 0; round < fetchRoundsMax && this.#missing.size > 0; round++) {
      const present = yield* presentOf(this.#books.ledger, this.missing)
      const ids = this.missing.filter((id) => !present.has(id))
      this.#missing.clear()
      if (ids.length === 0) return
      const { entries } = yield* this.#talk.ask({ _tag: "Fetch", ids, depth }, "Window")
      if ((yield* this.take(entries, "each")) === 0) return
      depth = Math.min(fetchDepthMax, depth * 2)
    }
  })
}

/** Waits until the signatures of what is only vouched for are verified. */
const proven = Effect.fnUntraced(function* ({ status }: Ledger["Service"]) {
  let least = Infinity
  let looks = 0
  for (let waited = 0; waited < provenMillisMax && looks < vouchedLooksMax; waited += vouchedLookMillis) {
    const { vouched } = yield* status
    if (vouched === 0) return
    looks = vouched < least ? 0 : looks + 1
    least = Math.min(least, vouched)
    yield* Effect.sleep(vouchedLookMillis)
  }
})

/** Asks for what is wanted, window after window, until the last one or until there is no more time. */
const windowsOf = (talk: Asking, wants: Wants, endMillis: number) =>
  Stream.paginate(
    want(talk, wants),
    Effect.fnUntraced(function* (asking) {
      const window = yield* asking
      const goesOn = !window.done && (yield* Clock.currentTimeMillis) <= endMillis
      return [[window], goesOn ? Option.some(talk.ask({ _tag: "Next" }, "Window")) : Option.none()] as const
    })
  )

const catchUp = Effect.fnUntraced(function* (books: Books, talk: Asking, tell: Progress) {
  const beganMillis = yield* Clock.currentTimeMillis
  const entries = yield* greet(books, talk)
  const { lacking, wants } = yield* compare(books, talk)
  const intake = new Intake(books, talk)
  const state = (isComplete: boolean): Exchange => ({ entries, lacking, received: intake.received, isComplete })
  yield* tell(state(isNothing(wants)))
  if (!isNothing(wants)) {
    const take = Effect.fnUntraced(function* (window: { readonly entries: ReadonlyArray<SealedBytes>; done: boolean }) {
      yield* intake.take(window.entries, "runs")
      yield* tell(state(false))
      return window.done
    })
    const isLast = yield* windowsOf(talk, wants, beganMillis + turnMillis).pipe(
      Stream.mapEffect(take, { concurrency: windowsTaken }),
      Stream.runFold(
        () => false,
        (before, isLast) => before || isLast
      )
    )
    if (!isLast) {
      yield* talk.end
      return state(false)
    }
    yield* intake.fetchMissing()
  }
  yield* talk.end
  if (intake.rejected > 0) {
    // All that an honest member passes on is valid, for it as for us.
    return yield* talk.fail(new SyncMalformed({ detail: `${intake.rejected} entries of it are invalid` }))
  }
  return state(true)
})

/** Catches up with a member. */
export const exchange = Effect.fn("LedgerSync.exchange")(function* (coop: EntryId, peer: Did, tell: Progress) {
  const ledger = yield* Ledger
  // Before somebody waits for us to say something.
  yield* proven(ledger)
  const stream = yield* (yield* SessionManager).open(peer, ledgerSyncProtocol)
  return yield* catchUp({ coop, ledger }, asAsker(stream), tell)
}, Effect.scoped)

/** Only asks a member how long this member's own chain is there. */
export const askOwnChain = Effect.fn("LedgerSync.askOwnChain")(function* (coop: EntryId, peer: Did) {
  const ledger = yield* Ledger
  const talk = asAsker(yield* (yield* SessionManager).open(peer, ledgerSyncProtocol))
  yield* greet({ coop, ledger }, talk)
  yield* talk.end
}, Effect.scoped)

/** The account of a member. */
export const accountOf = ({ publicKey }: Did): AccountId => Buffer.from(publicKey).toString("hex")
