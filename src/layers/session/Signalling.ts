/**
 * How link offers get to members: over the session with them, or through neighbours that have one, each of which passes
 * an offer on once and cannot read it. Offers are signed and sealed here on their way out; on their way in they are
 * opened, checked and handed to whoever makes the links. Never gossip: an offer is one member's business.
 */
import { Clock, Deferred, Effect, Result, Schema } from "effect"
import type { Did } from "../../domain/did.ts"
import { nextStamp } from "../../domain/gossipReplay.ts"
import {
  type LinkOffer,
  type LinkOfferContent,
  linkOfferTag,
  signedBytes,
  timeVerdict,
  type UnsignedLinkOffer
} from "../../domain/linkOffer.ts"
import { LinkOfferReplay } from "../../domain/linkOfferReplay.ts"
import { type LinkSignalResult, linkSignals } from "../../domain/metrics.ts"
import { decodeLinkOffer, encodeLinkOffer } from "../../protocol/linkOffer.ts"
import type { ControlSignal, SignalResult } from "../../protocol/sessionControl.ts"
import type { Identity } from "../../services/Identity.ts"
import type { MetricsShape } from "../../services/Metrics.ts"
import type { SessionError } from "../../services/SessionManager.ts"
import type { Control } from "./Control.ts"
import type { Entry } from "./Entry.ts"
import { SignalLimits } from "./SignalLimits.ts"
import { steadyMillis } from "./steadyTime.ts"
import type { Table } from "./Table.ts"

/** An offer that did not get through in this time is given up. */
export const sendMillisMax = 3000
/** The session with the member itself may be the one that is broken: after this neighbours are asked too. */
const directMillisMax = 1000
/** How long one neighbour waits for the answer of the member before it says that there is none. */
const forwardMillisMax = 2000
/** Neighbours that are asked to pass one offer on. */
const neighboursMax = 8
/** The neighbour that brought the last offer of the member is asked this much before the others. */
const preferredMillis = 250
/** What follows the first signal that was sent through it alone goes through all of them for so long. */
const routeRestMillis = 30_000
/** Members of whom it is known through whom they were heard last. */
const routesMax = 1024
/** Signals that are being opened or passed on, and offers that are being handled. */
const workMax = 256

/** An offer did not get to its member, as far as this node knows. */
export class SignalFailed extends Schema.TaggedError<SignalFailed>()("SignalFailed", {
  to: Schema.String,
  /** Nobody has a session with the member; those who have take no more for now; or no answer came in time. */
  reason: Schema.Literals(["noRoute", "limited", "timeout"])
}) {
  override get message() {
    return `${this.to} cannot be signalled: ${explanations[this.reason]}`
  }
}

const explanations: Record<SignalFailed["reason"], string> = {
  noRoute: "no neighbour has a session with it",
  limited: "the neighbours take no more signals for now",
  timeout: "no answer came in time"
}

/** What to do with a verified offer. It may take long, and nobody waits for it. */
export type OnOffer = (from: Did, offer: LinkOffer) => Effect.Effect<void>

export interface Signalling {
  /** Signs and seals, and says on which way the member got it. */
  readonly send: (content: LinkOfferContent) => Effect.Effect<"direct" | "forwarded", SignalFailed>
  /** Registers who takes the offers that come; the last one holds. */
  readonly onOffer: (handler: OnOffer) => void
  /** Takes a signal from a neighbour and answers it, without holding up what else it says. */
  readonly onSignal: (entry: Entry, control: Control, signal: ControlSignal) => Effect.Effect<void, SessionError>
}

export interface SignallingParts {
  readonly self: Did
  readonly table: Table
  readonly identity: Identity["Service"]
  readonly metrics: MetricsShape
  /** They have most sessions, so they are asked first. */
  readonly bootstrapPeers: ReadonlyArray<{ readonly did: Did }>
}

type Asked = SignalResult | "timeout"

/** Hands a signal to one neighbour; a session that fails meanwhile is no way. */
const ask = (
  entry: Entry,
  signal: Pick<ControlSignal, "to" | "sealed" | "hops">,
  millis: number
): Effect.Effect<Asked> => {
  if (entry.stage._tag !== "Open") return Effect.succeed("unknown")
  const answer = entry.stage.control
    .ask((id) => ({ _tag: "Signal", id, ...signal }), "Signalled")
    .pipe(
      Effect.map(({ result }): Asked => result),
      Effect.timeoutOrElse({ duration: millis, orElse: () => Effect.succeed<Asked>("timeout") }),
      Effect.catchTags({
        SessionError: () => Effect.succeed<Asked>("unknown"),
        ControlFailed: () => Effect.succeed<Asked>("limited")
      })
    )
  return Effect.raceFirst(answer, Effect.as(Deferred.await(entry.gone), "unknown" as const))
}

interface Route {
  readonly via: Did
  /** When a signal went on this way alone. */
  readonly usedMillis: number
}

/**
 * Through whom members were heard last; who was quiet for longest gives way. A way is preferred once in a while only:
 * a neighbour that brings what a member says may swallow what it is told, and say that it was delivered.
 */
class Routes {
  readonly #routes = new Map<string, Route>()

  /** The neighbour to be asked first, which others are asked beside for the next time. */
  take(did: Did, nowMillis: number): Did | undefined {
    const route = this.#routes.get(did.text)
    if (route === undefined || nowMillis - route.usedMillis < routeRestMillis) return undefined
    this.#routes.set(did.text, { ...route, usedMillis: nowMillis })
    return route.via
  }

  set(did: Did, via: Did): void {
    const usedMillis = this.#routes.get(did.text)?.usedMillis ?? Number.NEGATIVE_INFINITY
    this.#routes.delete(did.text)
    // Over its own session there is no need of another way.
    if (via.text === did.text) return
    this.#routes.set(did.text, { via, usedMillis })
    for (const oldest of this.#routes.keys()) {
      if (this.#routes.size <= routesMax) break
      this.#routes.delete(oldest)
    }
  }
}

/** Why none of those that were asked got it through. */
const failed = (to: Did, tried: Set<Asked>): SignalFailed => {
  const reason = tried.has("limited") ? "limited" : tried.has("timeout") ? "timeout" : "noRoute"
  return new SignalFailed({ to: to.text, reason })
}

export const make = ({ bootstrapPeers, identity, metrics, self, table }: SignallingParts): Signalling => {
  const bootstrap = new Set(bootstrapPeers.map(({ did }) => did.text))
  const limits = new SignalLimits()
  const replay = new LinkOfferReplay()
  const routes = new Routes()
  let handler: OnOffer | undefined
  let working = 0
  let lastStamp = Number.NEGATIVE_INFINITY

  /** Runs something of which only so much goes on at a time; the caller has looked whether there is room. */
  const counted = <A, E>(work: Effect.Effect<A, E>): Effect.Effect<A, E> => {
    working++
    return Effect.ensuring(
      work,
      Effect.sync(() => void working--)
    )
  }

  const sealedOffer = Effect.fnUntraced(function* (content: LinkOfferContent) {
    // No two of this node are alike, or the second of a millisecond would be taken for a copy of the first.
    const timestamp = nextStamp(lastStamp, yield* Clock.currentTimeMillis)
    lastStamp = timestamp
    const unsigned: UnsignedLinkOffer = { ...content, version: 1, from: self, timestamp }
    const signature = yield* identity.sign(linkOfferTag, signedBytes(unsigned))
    const sealed = yield* identity.seal(content.to, linkOfferTag, encodeLinkOffer({ ...unsigned, signature }))
    return Buffer.from(sealed).toString("base64url")
  })

  /** Open sessions with others, bootstrap peers first. */
  const neighbours = (to: Did): ReadonlyArray<Entry> => {
    const others = table.open().filter(({ did }) => did.text !== to.text)
    const first = others.filter(({ did }) => bootstrap.has(did.text))
    return [...first, ...others.filter(({ did }) => !bootstrap.has(did.text))]
  }

  /** Asks neighbours at once, and is done with the first that got it through; `tried` collects the other answers. */
  const throughNeighbours = Effect.fnUntraced(function* (
    to: Did,
    sealed: string,
    tried: Set<Asked>
  ): Effect.fn.Return<void, Asked> {
    const via = routes.take(to, yield* steadyMillis)?.text
    const now = yield* Clock.currentTimeMillis
    const all = neighbours(to)
    const preferred = all.find(({ did }) => did.text === via)
    const chosen = preferred === undefined ? all : [preferred, ...all.filter((entry) => entry !== preferred)]
    const attempts = chosen.slice(0, neighboursMax).map((entry) => {
      limits.earnReply(entry.did, self, now)
      const asked = Effect.flatMap(ask(entry, { to, sealed, hops: 0 }, sendMillisMax), (result) => {
        if (result === "delivered") return Effect.void
        tried.add(result)
        return Effect.fail(result)
      })
      return preferred === undefined || entry === preferred ? asked : Effect.delay(asked, preferredMillis)
    })
    return yield* attempts.length === 0 ? Effect.fail("unknown" as const) : Effect.raceAll(attempts)
  })

  const deliver = Effect.fnUntraced(function* (content: LinkOfferContent) {
    const { to } = content
    const sealed = yield* sealedOffer(content)
    const tried = new Set<Asked>()
    const direct = table.get(to)
    const onTheWay = Effect.gen(function* () {
      if (direct?.stage._tag === "Open") {
        const result = yield* ask(direct, { to, sealed, hops: 0 }, directMillisMax)
        if (result === "delivered") return "direct" as const
        tried.add(result)
      }
      yield* Effect.mapError(throughNeighbours(to, sealed, tried), () => failed(to, tried))
      return "forwarded" as const
    })
    return yield* Effect.timeoutOrElse(onTheWay, {
      duration: sendMillisMax,
      orElse: () => Effect.fail(new SignalFailed({ to: to.text, reason: "timeout" }))
    })
  })

  /** Opens an offer and checks everything that can be wrong with it. */
  const read = Effect.fnUntraced(function* (sealed: string) {
    const opened = yield* Effect.result(identity.open(linkOfferTag, Buffer.from(sealed, "base64url")))
    if (Result.isFailure(opened)) return "bad_seal" as const
    const decoded = decodeLinkOffer(opened.success)
    if (Result.isFailure(decoded)) return "malformed" as const
    const offer = decoded.success
    if (offer.to.text !== self.text) return "misaddressed" as const
    if (offer.from.text === self.text) return "own" as const
    const now = yield* Clock.currentTimeMillis
    const time = timeVerdict(offer, now)
    if (time !== "fresh") return time
    const isSigned = yield* identity.verify(offer.from, linkOfferTag, signedBytes(offer), offer.signature)
    if (!isSigned) return "bad_signature" as const
    const verdict = replay.take(offer, now)
    if (verdict === "flood") return "limited" as const
    return verdict === "fresh" ? offer : verdict
  })

  const received = (result: LinkSignalResult): Effect.Effect<void> =>
    metrics.inc(linkSignals, { direction: "received", result })

  /** An offer for this node. What is wrong with it is counted; whoever brought it only learns that it was no use. */
  const takeOffer = Effect.fnUntraced(function* (entry: Entry, sealed: string): Effect.fn.Return<SignalResult> {
    if (handler === undefined) return "unknown"
    const offer = yield* read(sealed)
    if (typeof offer === "string") {
      yield* received(offer)
      yield* Effect.logDebug(`a link offer that ${entry.did.text} brought was dropped: ${offer}`)
      if (offer === "limited") return "limited"
      // It is here already: neighbours bring the same one at the same time.
      return offer === "duplicate" ? "delivered" : "unknown"
    }
    if (working >= workMax) {
      yield* received("limited")
      return "limited"
    }
    yield* received("delivered")
    routes.set(offer.from, entry.did)
    table.run(counted(handler(offer.from, offer)))
    return "delivered"
  })

  const forward = Effect.fnUntraced(function* (
    from: Did,
    signal: ControlSignal,
    isReply: boolean
  ): Effect.fn.Return<SignalResult> {
    const target = table.get(signal.to)
    if (target === undefined || target.stage._tag !== "Open") {
      yield* metrics.inc(linkSignals, { direction: "forwarded", result: "unknown" })
      return "unknown"
    }
    const now = yield* Clock.currentTimeMillis
    if (!isReply && !limits.admitsFor(signal.to, now, signal.sealed.length)) {
      yield* metrics.inc(linkSignals, { direction: "forwarded", result: "limited" })
      return "limited"
    }
    // Before it is there, or the reply might be quicker.
    if (!isReply) limits.earnReply(signal.to, from, now)
    const result = yield* ask(target, { to: signal.to, sealed: signal.sealed, hops: 1 }, forwardMillisMax)
    yield* metrics.inc(linkSignals, { direction: "forwarded", result })
    return result === "timeout" ? "unknown" : result
  })

  const resultOf = (entry: Entry, signal: ControlSignal, isReply: boolean): Effect.Effect<SignalResult> => {
    if (signal.to.text === self.text) return takeOffer(entry, signal.sealed)
    // One hop, and not back to where it came from.
    if (signal.hops > 0 || signal.to.text === entry.did.text) return Effect.succeed("unknown")
    return forward(entry.did, signal, isReply)
  }

  return {
    send: Effect.fn("Signalling.send")(function* (content) {
      const sent = yield* Effect.result(deliver(content))
      const failure = Result.isFailure(sent) ? sent.failure : undefined
      const result = failure === undefined ? "delivered" : failure.reason === "noRoute" ? "unknown" : failure.reason
      yield* metrics.inc(linkSignals, { direction: "sent", result })
      return yield* Effect.fromResult(sent)
    }),
    onOffer: (taker) => {
      handler = taker
    },
    onSignal: Effect.fnUntraced(function* (entry, control, signal) {
      const { id, sealed, to } = signal
      const now = yield* Clock.currentTimeMillis
      const isReply = limits.takeReply(entry.did, to, now)
      if (working >= workMax || !(isReply || limits.admitsFrom(entry.did, signal.hops, now, sealed.length))) {
        const direction = to.text === self.text ? "received" : "forwarded"
        yield* metrics.inc(linkSignals, { direction, result: "limited" })
        return yield* control.send({ _tag: "Signalled", id, result: "limited" })
      }
      const answer = Effect.flatMap(resultOf(entry, signal, isReply), (result) =>
        control.send({ _tag: "Signalled", id, result })
      )
      // A session that ended meanwhile needs no answer.
      table.run(counted(Effect.ignore(answer)))
    })
  }
}
