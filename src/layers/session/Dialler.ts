/**
 * Dials members by their DID: their addresses one after the other with a short head start for each (RFC 8305, "Happy
 * Eyeballs"), the first connection that proves the member wins. All who want the same member at the same time share one
 * attempt, which ends when the last of them has lost interest.
 */
import { Cause, Deferred, Effect, Exit, Fiber, Option, type Scope, Semaphore } from "effect"
import type { Did } from "../../domain/did.ts"
import { networkDials, networkDialFailures } from "../../domain/metrics.ts"
import { scopeOf } from "../../domain/addressScope.ts"
import { formatAddress, type PeerAddress } from "../../domain/peerAddress.ts"
import { format } from "../../domain/transportAddress.ts"
import type { MetricsShape } from "../../services/Metrics.ts"
import type { PeerBook } from "../../services/PeerBook.ts"
import {
  DialFailed,
  PeerIsSelf,
  PeerUnknown,
  type Session,
  SessionClosed,
  type SessionError,
  SessionLimitReached,
  WrongPeer
} from "../../services/SessionManager.ts"
import type { LinkFailed } from "./link/Link.ts"
import type { Links } from "./link/Links.ts"
import * as Settings from "./Settings.ts"
import { steadyMillis } from "./steadyTime.ts"
import { sessionError, type Table } from "./Table.ts"
import type { Wire, WireDialFailed, WireTarget } from "./Wire.ts"

/** Head start of each target before the next one is tried beside it (RFC 8305 section 5 recommends 250 ms). */
const headStartMillis = 250
/** Head start of a link where it is the better way: offer, answer and checks take less than this. */
const linkHeadStartMillis = 3000
/**
 * Head start of the last address before a link is tried beside it: a handshake over a slow path takes less than this.
 * An address may be public and yet silent, behind a firewall that a link opens.
 */
const addressHeadStartMillis = 1500
/** Targets tried in one dial: what is known beyond these is hardly better. */
const targetsMax = 16
/** The longest that a name may take to be resolved. */
const resolveMillisMax = 5000

interface Candidate {
  readonly address: PeerAddress
  readonly target: WireTarget
}

interface Attempt {
  readonly address: string
  readonly error: string
  readonly wrongPeer: boolean
  /** Of a link. */
  readonly reason?: LinkFailed["reason"]
}

/** One attempt, and how long it waits for those before it to fail; it succeeds with the address that worked. */
interface Way {
  readonly afterMillis: number
  readonly run: Effect.Effect<PeerAddress | undefined, Attempt>
}

/** What a dial came to when none of its targets led to the member. */
class NotReached {
  readonly attempts: ReadonlyArray<Attempt>
  constructor(attempts: ReadonlyArray<Attempt>) {
    this.attempts = attempts
  }
}

interface Shared {
  readonly result: Deferred.Deferred<Session, SessionError>
  /** `undefined` until it has started. */
  fiber: Fiber.Fiber<void> | undefined
  waiting: number
}

export interface Dialler {
  /** The session with a member, opened when there is none that answers. */
  readonly dial: (did: Did) => Effect.Effect<Session, SessionError>
}

export interface DiallerParts {
  readonly self: Did
  readonly wire: Wire
  readonly table: Table
  readonly book: PeerBook["Service"]
  readonly metrics: MetricsShape
  readonly settings: Settings.SessionSettings
  /** Ways through NATs; `undefined` where there are none. */
  readonly links: () => Pick<Links, "connect"> | undefined
  /** Asks neighbours where a member is. */
  readonly find: (did: Did) => Effect.Effect<boolean>
  /** Attempts end with it. */
  readonly scope: Scope.Scope
}

/** What a dial that reached nobody is told as. */
const failure = (did: Did, notReached: NotReached): SessionError => {
  // That nobody passes an offer on is news only where there is nothing else to tell.
  const attempts = notReached.attempts.filter(({ reason }) => reason !== "noRoute")
  if (attempts.length === 0) return sessionError(did, new PeerUnknown({}))
  const wrong = attempts.find(({ wrongPeer }) => wrongPeer)
  // Somebody else at all addresses is what to tell, whatever became of a link.
  return sessionError(
    did,
    wrong !== undefined && attempts.every(({ reason, wrongPeer }) => wrongPeer || reason !== undefined)
      ? new WrongPeer({ address: wrong.address, found: wrong.error })
      : new DialFailed({
          attempts: attempts.map(({ address, error, wrongPeer }) => ({
            address,
            error: wrongPeer ? `another member is there, ${error}` : error
          }))
        })
  )
}

export const make = (parts: DiallerParts): Dialler => {
  const { book, find, links, metrics, scope, self, settings, table, wire } = parts
  const permits = Semaphore.makeUnsafe(settings.dialsMax)
  const running = new Map<string, Shared>()

  const targetsOf = Effect.fnUntraced(function* (addresses: ReadonlyArray<PeerAddress>) {
    const resolved = yield* Effect.forEach(
      addresses,
      (address) =>
        Effect.map(Effect.timeoutOption(wire.resolve(address.host), resolveMillisMax), (hosts) =>
          Option.getOrElse(hosts, (): ReadonlyArray<string> => []).flatMap((host) =>
            wire.targets(address, host).map((target): Candidate => ({ address, target }))
          )
        ),
      { concurrency: "unbounded" }
    )
    return resolved.flat().slice(0, targetsMax)
  })

  const tryOne = Effect.fnUntraced(function* (did: Did, { address, target }: Candidate) {
    const text = `${target.transport} ${format(target)}`
    yield* metrics.inc(networkDials, { transport: target.transport })
    const failed = Effect.fnUntraced(function* (error: string, wrongPeer: boolean) {
      yield* metrics.inc(networkDialFailures, { transport: target.transport })
      yield* book.failed(did, address)
      const attempt: Attempt = { address: wrongPeer ? format(target) : text, error, wrongPeer }
      return yield* Effect.fail(attempt)
    })
    yield* wire.dial(did, target).pipe(
      Effect.timeoutOption(settings.dialTimeoutMillis),
      Effect.matchEffect({
        onSuccess: (done) =>
          Option.isSome(done) ? Effect.void : failed(`no answer within ${settings.dialTimeoutMillis} ms`, false),
        onFailure: ({ detail, reason }: WireDialFailed) =>
          // Another connection to the member has precedence, so the member is as good as reached.
          reason === "refused" && table.get(did) !== undefined ? Effect.void : failed(detail, reason === "wrongPeer")
      })
    )
    return address
  })

  const configured = new Set(settings.bootstrapPeers.map(({ did }) => did.text))

  /**
   * Whether a link comes before the member's own addresses: it survives what a NAT does to it, but costs more than a
   * connection that needs none. Bootstrap peers, members in the same network and pairs that both have public addresses
   * do without.
   */
  const prefersLink = (did: Did, addresses: ReadonlyArray<PeerAddress>): boolean => {
    if (configured.has(did.text)) return false
    const scopes = addresses.map(({ host }) => scopeOf(host))
    if (scopes.some((scope) => scope === "loopback" || scope === "linkLocal" || scope === "private")) return false
    return !(scopes.includes("public") && wire.listening().some(({ host }) => scopeOf(host) === "public"))
  }

  const wayTo = (did: Did, candidate: Candidate, afterMillis: number): Way => ({
    afterMillis,
    run: tryOne(did, candidate)
  })

  /** All ways to a member, in the order in which they are tried. */
  const waysTo = (
    did: Did,
    addresses: ReadonlyArray<PeerAddress>,
    candidates: ReadonlyArray<Candidate>
  ): ReadonlyArray<Way> => {
    const connect = links()?.connect
    if (connect === undefined)
      return candidates.map((candidate, index) => wayTo(did, candidate, headStartMillis * index))
    const run = Effect.as(connect(did), undefined).pipe(
      Effect.mapError(({ message, reason }): Attempt => ({ address: "link", error: message, wrongPeer: false, reason }))
    )
    if (prefersLink(did, addresses)) {
      const later = candidates.map((candidate, index) =>
        wayTo(did, candidate, linkHeadStartMillis + headStartMillis * index)
      )
      return [{ afterMillis: 0, run }, ...later]
    }
    const first = candidates.map((candidate, index) => wayTo(did, candidate, headStartMillis * index))
    const lastMillis = headStartMillis * Math.max(0, first.length - 1)
    return [...first, { afterMillis: lastMillis + addressHeadStartMillis, run }]
  }

  /** The first target that leads to the member; each starts when the one before has failed or had its head start. */
  const tryAll = Effect.fnUntraced(function* (ways: ReadonlyArray<Way>) {
    const attempts: Array<Attempt> = []
    const won = Deferred.makeUnsafe<PeerAddress | undefined, NotReached>()
    let left = ways.length
    const failures = ways.map(() => Deferred.makeUnsafe<void>())
    const race = Effect.forEach(
      ways,
      Effect.fnUntraced(function* ({ afterMillis, run }, index) {
        const before = Effect.forEach(failures.slice(0, index), (failure) => Deferred.await(failure), { discard: true })
        yield* Effect.timeoutOption(before, afterMillis)
        const exit = yield* Effect.exit(run)
        if (Exit.isSuccess(exit)) return void (yield* Deferred.succeed(won, exit.value))
        const attempt = Option.getOrUndefined(Exit.findErrorOption(exit))
        // A defect is nobody's address that does not answer.
        if (attempt === undefined)
          return void (yield* Deferred.done(
            won,
            Exit.failCause(Cause.fromReasons(exit.cause.reasons.filter(Cause.isDieReason)))
          ))
        attempts.push(attempt)
        const own = failures[index]
        if (own !== undefined) yield* Deferred.succeed(own, undefined)
        if (--left === 0) yield* Deferred.fail(won, new NotReached(attempts))
      }),
      { concurrency: "unbounded", discard: true }
    )
    const fiber = yield* Effect.forkChild(race)
    return yield* Effect.ensuring(Deferred.await(won), Fiber.interrupt(fiber))
  })

  const attempt = Effect.fnUntraced(function* (did: Did) {
    if (table.size >= settings.connectionsMax && table.get(did) === undefined) {
      const reason = new SessionLimitReached({ what: "connections", max: settings.connectionsMax })
      return yield* sessionError(did, reason)
    }
    let addresses = yield* book.addresses(did)
    if (addresses.length === 0 && (yield* find(did))) addresses = yield* book.addresses(did)
    const candidates = yield* targetsOf(addresses)
    const ways = waysTo(did, addresses, candidates)
    if (addresses.length === 0 && ways.length === 0) return yield* sessionError(did, new PeerUnknown({}))
    if (ways.length === 0) {
      const unresolved = addresses.map((address) => ({
        address: formatAddress(address),
        error: "no address to dial follows from it"
      }))
      return yield* sessionError(did, new DialFailed({ attempts: unresolved }))
    }
    const address = yield* tryAll(ways).pipe(
      Effect.catch((notReached) =>
        // The member may have come to us in the meantime.
        table.get(did) === undefined ? Effect.fail(failure(did, notReached)) : Effect.void
      )
    )
    const entry = table.get(did)
    if (entry === undefined) {
      return yield* sessionError(did, new SessionClosed({ detail: "the connection was lost at once" }))
    }
    const session = yield* table.awaitOpen(entry)
    if (address !== undefined && entry.dialler === "self") yield* book.succeeded(did, address)
    return session
  })

  /** Starts an attempt. It is known before it runs, so that it ends it in the records wherever it ends. */
  const begin = (did: Did): Effect.Effect<Shared> => {
    const shared: Shared = { result: Deferred.makeUnsafe(), fiber: undefined, waiting: 0 }
    const done = Deferred.makeUnsafe<void>()
    running.set(did.text, shared)
    table.dialling.set(did.text, done)
    return permits
      .withPermits(1)(attempt(did))
      .pipe(
        Effect.onExit((exit) =>
          Effect.sync(() => {
            if (running.get(did.text) === shared) running.delete(did.text)
            if (table.dialling.get(did.text) === done) table.dialling.delete(did.text)
            Deferred.doneUnsafe(done, Effect.void)
            Deferred.doneUnsafe(shared.result, exit)
          })
        ),
        Effect.exit,
        Effect.asVoid,
        // At once, or an interruption could come before there is anything that notices it.
        Effect.forkIn(scope, { startImmediately: true }),
        Effect.map((fiber) => {
          shared.fiber = fiber
          return shared
        })
      )
  }

  const join = (did: Did): Effect.Effect<Session, SessionError> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const shared = running.get(did.text) ?? (yield* begin(did))
        shared.waiting++
        return yield* Effect.onInterrupt(restore(Deferred.await(shared.result)), () => {
          shared.waiting--
          if (shared.waiting > 0 || shared.fiber === undefined) return Effect.void
          if (running.get(did.text) === shared) running.delete(did.text)
          // Whoever has lost interest does not wait for the network either.
          return Effect.asVoid(Effect.forkIn(Fiber.interrupt(shared.fiber), scope))
        })
      })
    )

  return {
    dial: Effect.fn("SessionManager.dial")(function* (did) {
      if (did.text === self.text) return yield* sessionError(did, new PeerIsSelf({}))
      const entry = table.get(did)
      if (entry !== undefined) {
        const session = yield* Effect.exit(Effect.timeoutOption(table.awaitOpen(entry), Settings.greetingMillisMax))
        const isOpen = Exit.isSuccess(session) && Option.isSome(session.value)
        const isFresh = (yield* steadyMillis) - entry.heardAtMillis < Settings.freshMillis
        if (isOpen && (isFresh || (yield* table.isAlive(entry)))) {
          const present = table.session(did)
          if (present !== undefined) return present
        }
        if (table.get(did) === entry) yield* table.close(entry, "it did not answer any more")
      }
      return yield* join(did)
    })
  }
}
