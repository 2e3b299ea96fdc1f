/**
 * Peers of one `TurnAllocation`: permitting them, binding channels to them, and renewing all of it in rounds (RFC 8656
 * sections 9 to 12). One peer that the server refuses never costs the others theirs.
 */
import { Cause, Clock, Effect, Fiber, PubSub } from "effect"
import { canonical } from "../../domain/ipAddress.ts"
import { turnPermissionRefreshes } from "../../domain/metrics.ts"
import { format, isPort, type TransportAddress } from "../../domain/transportAddress.ts"
import {
  channelsMax,
  peerRequestsInFlightMax,
  permissionsMax,
  renewalIntervalMillis,
  renewalRetryMillis,
  roundsPerChannelRenewal
} from "../../domain/turnUpkeep.ts"
import { Metrics, report } from "../../services/Metrics.ts"
import { type TurnError, TurnLimitReached, TurnPeerRefused, type TurnPermission } from "../../services/TurnClient.ts"
import * as Channels from "./Channels.ts"
import { suggestsLoss } from "./failures.ts"
import type { Link } from "./Link.ts"
import * as Permissions from "./Permissions.ts"
import { failureOf, onLive, probe, type Session } from "./Session.ts"

/** Installs a permission for a host and keeps it. */
export const permit = Effect.fnUntraced(function* (session: Session, host: string) {
  const { permissions } = session
  const method = "createPermission"
  const literal = canonical(host)
  if (literal === undefined) return yield* failureOf(session, method, new TurnPeerRefused({ code: 0, peer: host }))
  if (!permissions.add(literal)) {
    return yield* failureOf(session, method, new TurnLimitReached({ what: "permissions", max: permissionsMax }))
  }
  const [refused] = yield* onLive(session, method, (link) => Permissions.install(link, [literal])).pipe(
    Effect.onError(() => Effect.sync(() => permissions.abandon(literal)))
  )
  if (refused !== undefined) {
    permissions.drop(literal)
    return yield* refused.error
  }
  const permission: TurnPermission = {
    host: literal,
    expiresAtMillis: permissions.confirm(literal, yield* Clock.currentTimeMillis)
  }
  return permission
})

/** Stops renewing whatever concerns a host; the server forgets it in its own time. */
export const revoke = Effect.fnUntraced(function* (session: Session, host: string) {
  const literal = canonical(host)
  if (literal === undefined) return
  session.permissions.drop(literal)
  session.channels.restHost(literal, yield* Clock.currentTimeMillis)
})

/** What becomes of a channel whose first ChannelBind failed: without a clear refusal its number stays with the peer. */
const abandon = Effect.fnUntraced(function* ({ channels }: Session, channel: Channels.Channel, refused: boolean) {
  if (channel.state._tag === "Bound") return
  if (refused) channels.forget(channel)
  else channels.rest(channel, yield* Clock.currentTimeMillis)
})

const isRefused = (cause: Cause.Cause<TurnError>): boolean =>
  cause.reasons.some((reason) => Cause.isFailReason(reason) && reason.error.reason._tag === "TurnPeerRefused")

/** Binds a channel to a peer and keeps it, with the permission that comes with it (RFC 8656 section 12). */
export const bindChannel = Effect.fnUntraced(function* (session: Session, { host, port }: TransportAddress) {
  const { channels, permissions } = session
  const method = "channelBind"
  const literal = canonical(host)
  if (literal === undefined || !isPort(port)) {
    return yield* failureOf(session, method, new TurnPeerRefused({ code: 0, peer: format({ host, port }) }))
  }
  const channel = channels.take({ host: literal, port }, yield* Clock.currentTimeMillis)
  if (channel === undefined) {
    return yield* failureOf(session, method, new TurnLimitReached({ what: "channels", max: channelsMax }))
  }
  if (channel.state._tag === "Bound") return
  yield* onLive(session, method, (link) => Channels.bind(link, channel)).pipe(
    Effect.onError((cause) => abandon(session, channel, isRefused(cause)))
  )
  // One that was revoked while the answer was on its way stays revoked.
  if (channel.state._tag === "Resting") return
  channel.state = { _tag: "Bound" }
  if (permissions.add(literal)) permissions.confirm(literal, yield* Clock.currentTimeMillis)
})

/** A peer that was relayed to before and no longer is: dropped, told to subscribers and reported. */
const dropPeer = Effect.fnUntraced(function* (session: Session, host: string, error: TurnError) {
  session.permissions.drop(host)
  session.channels.restHost(host, yield* Clock.currentTimeMillis)
  PubSub.publishUnsafe(session.events, { _tag: "PeerRefused", host, error })
  yield* report("turn_peer", Cause.fail(error))
})

/** A renewal that failed: a probe finds out whether the allocation is gone; otherwise it is tried again. */
const renewalFailed = Effect.fnUntraced(function* (session: Session, error: TurnError) {
  if (error.reason._tag === "TurnTimeout" || suggestsLoss(error)) yield* probe(session)
  yield* report("turn_peer", Cause.fail(error))
})

const renewPermissions = Effect.fnUntraced(function* (session: Session, link: Link) {
  const { permissions } = session
  const hosts = permissions.hosts()
  if (hosts.length === 0) return
  const refused = yield* Permissions.install(link, hosts)
  for (const { error, host } of refused) yield* dropPeer(session, host, error)
  const now = yield* Clock.currentTimeMillis
  for (const host of hosts) permissions.confirm(host, now)
  const metrics = yield* Metrics
  yield* metrics.inc(turnPermissionRefreshes, {}, hosts.length - refused.length)
})

const renewChannel = (session: Session, link: Link, channel: Channels.Channel) =>
  Channels.bind(link, channel).pipe(
    Effect.catchReason("TurnError", "TurnPeerRefused", (_reason, error) =>
      dropPeer(session, channel.peer.host, error).pipe(
        Effect.andThen(Effect.sync(() => session.channels.forget(channel)))
      )
    )
  )

/** What a round renews, or could not renew. */
interface Renewals {
  readonly permissions: boolean
  readonly channels: ReadonlyArray<Channels.Channel>
}

/** Asks for what peers have anew; answers with what failed, and never fails itself. */
const renew = (session: Session, link: Link, { channels, permissions }: Renewals): Effect.Effect<Renewals> => {
  const hasFailed = (renewal: Effect.Effect<unknown, TurnError>): Effect.Effect<boolean> =>
    renewal.pipe(
      Effect.as(false),
      Effect.catch((error) => Effect.as(renewalFailed(session, error), true))
    )
  return Effect.all(
    {
      permissions: permissions ? hasFailed(renewPermissions(session, link)) : Effect.succeed(false),
      channels: Effect.filter(channels, (channel) => hasFailed(renewChannel(session, link, channel)), {
        concurrency: peerRequestsInFlightMax
      })
    },
    { concurrency: "unbounded" }
  )
}

/** Asks once more, after a pause, for what is still wanted of that which failed. */
const renewAgain = Effect.fnUntraced(function* (session: Session, link: Link, failed: Renewals) {
  yield* Effect.sleep(renewalRetryMillis)
  const channels = failed.channels.filter(({ state }) => state._tag === "Bound")
  yield* renew(session, link, { ...failed, channels })
})

/**
 * The rounds of one allocation, for as long as it lives: one timer for all peers. After a relocation the first round
 * comes at once; `announce` runs as soon as its requests are on their way, so that data sent then comes after them.
 */
export const renewInRounds = Effect.fnUntraced(function* (
  session: Session,
  link: Link,
  announce?: Effect.Effect<void>
) {
  let failed: Renewals = { permissions: false, channels: [] }
  if (announce !== undefined) {
    const everything = { permissions: true, channels: session.channels.bound() }
    const first = yield* Effect.forkChild(renew(session, link, everything), { startImmediately: true })
    yield* announce
    failed = yield* Fiber.join(first)
  }
  for (let round = 1; ; round++) {
    yield* renewAgain(session, link, failed)
    yield* Effect.sleep(renewalIntervalMillis - renewalRetryMillis)
    const channels = round % roundsPerChannelRenewal === 0 ? session.channels.bound() : []
    failed = yield* renew(session, link, { permissions: true, channels })
  }
})
