/**
 * What neighbours tell each other about where members are: their own candidate when they meet, the candidates they
 * know, an answer to "where is this member", and, asked by those who came to them first, the members they have sessions
 * with. Everything heard passes the rules of domain/addressScope.ts, so that nobody can aim this node at a network that
 * he cannot reach himself.
 */
import { Effect, Option, Result } from "effect"
import { type AddressScope, admits, scopeOf } from "../../domain/addressScope.ts"
import { type ConnectionCandidate, dialable } from "../../domain/connectionCandidate.ts"
import type { Did } from "../../domain/did.ts"
import * as Metric from "../../domain/metrics.ts"
import * as PeerAddress from "../../domain/peerAddress.ts"
import { candidatesPerMessageMax, type ControlHello, type ControlPeers } from "../../protocol/sessionControl.ts"
import { type MetricsShape, report } from "../../services/Metrics.ts"
import type { PeerBook } from "../../services/PeerBook.ts"
import type { Control } from "./Control.ts"
import type { Entry } from "./Entry.ts"
import type { SessionSettings } from "./Settings.ts"
import type { Table } from "./Table.ts"

/** The longest wait for a neighbour's answer to a question about members. */
const answerMillisMax = 3000
/** Neighbours that are asked about one member. */
const askedMax = 16
/** Addresses told of each member, the best: with them the longest answer of all fits into a frame. */
const addressesToldMax = 6
/** Candidate messages taken from one member in one session; each node sends one when they meet. */
const candidateMessagesMax = 4

export interface Exchange {
  /** This node's candidate, signed now; `undefined` when it announces nothing. */
  readonly ownCandidate: Effect.Effect<ConnectionCandidate | undefined>
  readonly onHello: (entry: Entry, hello: ControlHello) => Effect.Effect<void>
  /** Tells what this node knows, and asks a bootstrap peer for its peers. */
  readonly afterOpening: (entry: Entry, control: Control) => Effect.Effect<void>
  readonly onCandidates: (entry: Entry, candidates: ReadonlyArray<ConnectionCandidate>) => Effect.Effect<void>
  readonly onFind: (entry: Entry, did: Did) => Effect.Effect<ConnectionCandidate | undefined>
  readonly onPeersRequest: (entry: Entry, id: number, maxPeers: number) => Effect.Effect<ControlPeers>
  /** Asks neighbours for a member; true when one of them knew an address that may be dialled. */
  readonly find: (did: Did) => Effect.Effect<boolean>
}

/** The scope over which a member is connected. */
const scope = (entry: Entry): AddressScope => scopeOf(entry.remote.host)

/** Whether this member may tell of that host. */
const mayName = (entry: Entry, host: string): boolean => admits(scope(entry), scopeOf(host))

export const make = (
  table: Table,
  book: PeerBook["Service"],
  metrics: MetricsShape,
  settings: SessionSettings,
  ownCandidate: Effect.Effect<ConnectionCandidate | undefined>
): Exchange => {
  const configured = new Set(settings.bootstrapPeers.map(({ did }) => did.text))
  const candidateMessages = new WeakMap<Entry, number>()

  /** Addresses that the member itself names and that this node may dial. */
  const storeOwn = Effect.fnUntraced(function* (entry: Entry, candidate: ConnectionCandidate) {
    if (candidate.did.text !== entry.did.text) return
    yield* book.storeCandidate(candidate, scope(entry))
    const addresses = dialable(candidate).filter(({ host }) => mayName(entry, host))
    yield* book.learn(entry.did, addresses, "session")
  })

  const learnPeers = Effect.fnUntraced(function* (entry: Entry, { peers }: ControlPeers) {
    let discovered = 0
    for (const { addresses, did } of peers.slice(0, settings.peerExchangeMaxPeers)) {
      const dialable = addresses.flatMap((text) => {
        const parsed = PeerAddress.parse(text)
        if (Result.isFailure(parsed) || parsed.success.did.text !== did.text) return []
        const { address } = parsed.success
        return mayName(entry, address.host) ? [address] : []
      })
      if (dialable.length === 0) continue
      discovered++
      yield* book.learn(did, dialable, "exchange")
    }
    yield* metrics.inc(Metric.peerExchangePeersDiscovered, {}, discovered)
  })

  const askForPeers = Effect.fnUntraced(function* (entry: Entry, control: Control) {
    yield* Effect.sleep(settings.peerExchangeDelayMillis)
    yield* metrics.inc(Metric.peerExchangeRequests, { direction: "sent" })
    const maxPeers = settings.peerExchangeMaxPeers
    const answer = yield* control
      .ask((id) => ({ _tag: "PeersRequest", id, maxPeers }), "PeersResponse")
      .pipe(Effect.timeoutOption(answerMillisMax))
    if (Option.isNone(answer)) return yield* Effect.logDebug(`${entry.did.text} did not tell its peers in time`)
    yield* metrics.inc(Metric.peerExchangeResponses, { direction: "received" })
    yield* learnPeers(entry, answer.value)
  })

  return {
    ownCandidate,
    onHello: (entry, { candidate }) => (candidate === null ? Effect.void : storeOwn(entry, candidate)),
    afterOpening: (entry, control) =>
      Effect.gen(function* () {
        const known = yield* book.candidates(candidatesPerMessageMax, scope(entry))
        const candidates = known.filter(({ did }) => did.text !== entry.did.text)
        if (candidates.length > 0) yield* control.send({ _tag: "Candidates", candidates })
        if (settings.peerExchangeMaxPeers > 0 && configured.has(entry.did.text)) yield* askForPeers(entry, control)
      }).pipe(
        // A session that ends meanwhile is told of elsewhere.
        Effect.catchTag(["SessionError", "ControlFailed"], ({ message }) => Effect.logDebug(message)),
        Effect.catchCause((cause) => report("peer_exchange", cause))
      ),
    onCandidates: Effect.fnUntraced(function* (entry, candidates) {
      const messages = (candidateMessages.get(entry) ?? 0) + 1
      candidateMessages.set(entry, messages)
      if (messages > candidateMessagesMax) return
      for (const candidate of candidates) yield* book.storeCandidate(candidate, scope(entry))
    }),
    onFind: Effect.fnUntraced(function* (entry, did) {
      return Option.getOrUndefined(yield* book.candidate(did, scope(entry)))
    }),
    onPeersRequest: Effect.fnUntraced(function* (entry, id, maxPeers) {
      yield* metrics.inc(Metric.peerExchangeRequests, { direction: "received" })
      const others = table.open().filter(({ did }) => did.text !== entry.did.text)
      const peers: Array<ControlPeers["peers"][number]> = []
      for (const { did } of others) {
        if (peers.length >= Math.min(maxPeers, settings.peerExchangeMaxPeers)) break
        const addresses = (yield* book.addresses(did)).filter(({ host }) => mayName(entry, host))
        if (addresses.length === 0) continue
        const told = addresses.slice(0, addressesToldMax)
        peers.push({ did, addresses: told.map((address) => PeerAddress.format({ did, address })) })
      }
      yield* metrics.inc(Metric.peerExchangeResponses, { direction: "sent" })
      return { _tag: "PeersResponse", id, peers, totalKnown: others.length }
    }),
    find: Effect.fnUntraced(function* (did) {
      const ask = Effect.fnUntraced(function* (entry: Entry) {
        if (entry.stage._tag !== "Open") return yield* Effect.fail("no answer")
        const { candidate } = yield* entry.stage.control.ask((id) => ({ _tag: "Find", id, did }), "Found")
        // A neighbour could answer with somebody else's.
        if (candidate === null || candidate.did.text !== did.text) return yield* Effect.fail("not known")
        const verdict = yield* book.storeCandidate(candidate, scope(entry))
        return verdict === "stored" || verdict === "older" ? true : yield* Effect.fail(verdict)
      })
      // The first who knows decides, so that a silent neighbour costs no time.
      const answers = table.open().slice(0, askedMax).map(ask)
      if (answers.length === 0) return false
      return yield* Effect.raceAll(answers).pipe(
        Effect.timeoutOption(answerMillisMax),
        Effect.map(Option.isSome),
        Effect.orElseSucceed(() => false)
      )
    })
  }
}
