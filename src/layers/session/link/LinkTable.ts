/**
 * The links that there are, one per member: made with their secrets and agents, counted while they last, and taken
 * apart at their end.
 */
import { Clock, Deferred, Effect, Exit, Random, Result, Scope } from "effect"
import { randomBytes } from "node:crypto"
import type { Did } from "../../../domain/did.ts"
import { LinkAgent } from "../../../domain/linkAgent.ts"
import { mayCheckScopes } from "../../../domain/linkCandidate.ts"
import * as Metric from "../../../domain/metrics.ts"
import { isSmaller } from "../../../domain/sessionSettle.ts"
import type { TransportAddress } from "../../../domain/transportAddress.ts"
import { Metrics } from "../../../services/Metrics.ts"
import type { LinkSettings } from "../Settings.ts"
import { steadyMillisOf } from "../steadyTime.ts"
import { sourceOf, type Table } from "../Table.ts"
import type { WireLinks } from "../Wire.ts"
import { Link, LinkFailed, type LinkSecret, secretOf } from "./Link.ts"
import type { LinkSocket } from "./LinkSocket.ts"
import type { LinkSwitch } from "./LinkSwitch.ts"
import type { RelayPort } from "./RelayPort.ts"
import type { Whereabouts } from "./Whereabouts.ts"

/**
 * Links at a time beyond those that carry a session: so many that this node offers, and as many that members offer. A
 * member's link gives way to later ones, first of all where no way is found. So whoever makes up members has to offer
 * faster than Signalling.ts lets through, or a good member's link is up before its turn comes.
 */
const beginningMax = 64
/**
 * Links from one host (and each public IPv6 /64) that their members began: more are one machine that makes up members
 * to take the place of all others. Four times what may come without links, since many are behind one NAT or relay.
 */
const linksPerHostMax = 64
/** How long the last packets of a session, its goodbye among them, have to get through a link that closes. */
const lingerMillis = 250
/** Longer than all of it takes: a member that goes on offering anew would have its caller wait for ever. */
const connectMillisMax = 60_000

export interface LinkTableParts {
  readonly self: Did
  readonly table: Pick<Table, "run">
  readonly wire: WireLinks
  readonly socket: LinkSocket
  readonly relay: RelayPort
  readonly packets: LinkSwitch
  readonly whereabouts: Whereabouts
  readonly options: LinkSettings
}

export interface LinkTable {
  readonly get: (did: Did) => Link | undefined
  readonly all: () => ReadonlyArray<Link>
  /** A link without its member's answer. `up` is that of a link which it takes the place of. */
  readonly begin: (
    did: Did,
    id: Uint8Array,
    offered: boolean,
    up?: Deferred.Deferred<void, LinkFailed>
  ) => Effect.Effect<Link, LinkFailed>
  /** Whether too many links lead to where this one does. */
  readonly isCrowded: (link: Link, remote: TransportAddress) => boolean
  /** Ends a link for a reason, which whoever waits for it is told. */
  readonly close: (link: Link, error: LinkFailed) => Effect.Effect<void>
  /** Takes a link away whose place another one takes; who waits goes on waiting. */
  readonly replace: (link: Link) => Effect.Effect<void>
}

/** Until there is a session with the member. */
export const awaitUp = (link: Link): Effect.Effect<void, LinkFailed> =>
  Effect.timeoutOrElse(Deferred.await(link.up), {
    duration: connectMillisMax,
    orElse: () => Effect.fail(new LinkFailed({ reason: "noSession", detail: "the member began again and again" }))
  })

const newSecret = (): LinkSecret => {
  // Base64 of whole groups needs no preparation and no padding.
  const [ufrag, password] = [randomBytes(6).toString("base64"), randomBytes(24).toString("base64")]
  return Result.getOrThrow(secretOf({ ufrag, password }))
}

/** Links until the scope closes. */
export const make = Effect.fnUntraced(function* (
  parts: LinkTableParts
): Effect.fn.Return<LinkTable, never, Scope.Scope> {
  const { options, packets, relay, self, socket, table, whereabouts, wire } = parts
  const metrics = yield* Metrics
  const clock = yield* Clock.Clock
  const random = yield* Random.Random
  // Ends after the finalizer below, which lets links linger.
  const scope = yield* Scope.fork(yield* Effect.scope)
  const links = new Map<string, Link>()

  /** What closes now, until it has. */
  let closing = 0
  const lingering = Effect.suspend(() => {
    closing++
    return Effect.ensuring(
      Effect.sleep(lingerMillis),
      Effect.sync(() => void closing--)
    )
  })

  /** Gives back everything that the link has. */
  const end = (link: Link): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (link.loopback !== undefined) wire.remove(link.loopback.port)
      link.releasePermits()
      return Scope.close(link.scope, Exit.void)
    })

  /** Its member's place is free, and nothing more is heard of it. */
  const forget = (link: Link): void => {
    link.state = "closed"
    if (links.get(link.did.text) === link) links.delete(link.did.text)
    packets.remove(link)
  }

  const close = (link: Link, error: LinkFailed): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (link.state === "closed") return Effect.void
      const wasUp = link.state === "up"
      forget(link)
      Deferred.doneUnsafe(link.answered, Effect.fail(error))
      Deferred.doneUnsafe(link.found, Effect.fail(error))
      Deferred.doneUnsafe(link.up, Effect.fail(error))
      table.run(Effect.andThen(wasUp ? lingering : Effect.void, end(link)))
      return wasUp ? Effect.void : metrics.inc(Metric.linkAttemptFailures, { reason: error.reason })
    })

  const replace = (link: Link): Effect.Effect<void> =>
    Effect.suspend(() => {
      forget(link)
      return end(link)
    })

  const isCrowded = (link: Link, remote: TransportAddress): boolean => {
    const state = relay.state()
    // Everybody may use the relay that this node uses.
    if (link.offered || remote.host === state?.relayedAddress.host || remote.host === state?.server.host) return false
    const source = sourceOf(remote.host)
    const others = [...links.values()].filter(
      (other) => other !== link && !other.offered && sourceOf(other.path().remote.host) === source
    )
    return others.length >= linksPerHostMax
  }

  const sampled = (link: Link) =>
    Effect.all([
      metrics.sample(Metric.linkRelayBytes, { direction: "sent" }, () => link.meter.sentBytes),
      metrics.sample(Metric.linkRelayBytes, { direction: "received" }, () => link.meter.receivedBytes),
      metrics.sample(Metric.linkDroppedPackets, { reason: "relayLimit" }, () => link.meter.limitedPackets),
      metrics.sample(Metric.linkDroppedPackets, { reason: "noPath" }, () => link.droppedPackets)
    ]).pipe(Scope.provide(link.scope))

  const begin = Effect.fnUntraced(function* (
    did: Did,
    id: Uint8Array,
    offered: boolean,
    up = Deferred.makeUnsafe<void, LinkFailed>()
  ) {
    const beginning = [...links.values()].filter((link) => link.state !== "up" && link.offered === offered)
    if (beginning.length >= beginningMax) {
      const error = new LinkFailed({ reason: "limit", detail: `${beginningMax} links are being made already` })
      const oldest = beginning.find(({ agent }) => agent.active === undefined) ?? beginning[0]
      if (!offered && oldest !== undefined) {
        yield* close(oldest, error)
      } else {
        yield* metrics.inc(Metric.linkAttemptFailures, { reason: "limit" })
        yield* Deferred.fail(up, error)
        return yield* error
      }
    }
    const controlling = isSmaller(self.text, did.text)
    const agent = new LinkAgent({
      controlling,
      hosts: whereabouts.hosts(),
      families: socket.families,
      relay: relay.family(),
      random: () => random.nextDoubleUnsafe(),
      mayCheck: mayCheckScopes(options.scopes)
    })
    const link = new Link({
      did,
      id,
      controlling,
      offered,
      local: newSecret(),
      tieBreaker: randomBytes(8).readBigUInt64BE(),
      agent,
      meter: relay.meter(),
      scope: yield* Scope.fork(scope),
      up,
      startedAtMillis: clock.currentTimeMillisUnsafe(),
      startedSteadyMillis: steadyMillisOf(clock)
    })
    links.set(did.text, link)
    packets.add(link)
    yield* metrics.inc(Metric.linkAttempts, { role: offered ? "offerer" : "answerer" })
    yield* sampled(link)
    return link
  })

  yield* Effect.addFinalizer(() =>
    Effect.andThen(
      Effect.forEach(
        [...links.values()],
        (link) => close(link, new LinkFailed({ reason: "closed", detail: "the node stops" })),
        { discard: true }
      ),
      Effect.suspend(() => (closing > 0 ? Effect.sleep(lingerMillis) : Effect.void))
    )
  )
  yield* metrics.sample(Metric.linksActive, {}, () => links.size)

  return { get: (did) => links.get(did.text), all: () => [...links.values()], begin, isCrowded, close, replace }
})
