/**
 * Allocations on a real server (RFC 8656), kept alive as long as their scope is open. This file puts the parts
 * together; each is one state machine beside it. Without TLS, one server, one address family per allocation.
 */
import { Clock, Deferred, Effect, Queue, Stream } from "effect"
import { randomBytes } from "node:crypto"
import {
  turnAllocationFailures,
  turnAllocations,
  turnDroppedPackets,
  turnLifetimeLeft,
  turnRelayBytes,
  turnRelayPackets
} from "../../domain/metrics.ts"
import { type TurnConfig, transportsOf } from "../../domain/turnConfig.ts"
import { type TurnTransport, turnTransports } from "../../domain/turnServer.ts"
import { transactionIdLength } from "../../protocol/stun.ts"
import { Metrics } from "../../services/Metrics.ts"
import { type TurnAllocation, TurnClient, type TurnPacket } from "../../services/TurnClient.ts"
import { Tcp } from "../../services/Tcp.ts"
import { Udp } from "../../services/Udp.ts"
import * as Allocation from "./Allocation.ts"
import { labelOf } from "./failures.ts"
import * as Peers from "./Peers.ts"
import * as Session from "./Session.ts"
import * as Upkeep from "./Upkeep.ts"

/** Packets that a slow consumer of the `packets` stream may be behind; the oldest go first. */
const packetsBufferMax = 1024

export interface TurnClientOptions {
  /**
   * Twelve bytes for each transaction. They must be unpredictable, since they are what tells an answer from a forged
   * one (RFC 8489 section 5); tests give their own.
   */
  readonly newTransactionId?: () => Uint8Array
  /** The transports that there are; "auto" uses no others. Both unless given. */
  readonly transports?: ReadonlyArray<TurnTransport>
}

/** The transports of a configuration that there are; where there are none, those fail that it asks for. */
const transportsIn = (config: TurnConfig, there: ReadonlyArray<TurnTransport>): ReadonlyArray<TurnTransport> => {
  const wanted = transportsOf(config)
  const usable = wanted.filter((transport) => there.includes(transport))
  return usable.length === 0 ? wanted : usable
}

/** Puts the figures of one allocation under the node's metrics for as long as it exists. */
const sampleMetrics = Effect.fnUntraced(function* (session: Session.Session) {
  const metrics = yield* Metrics
  const clock = yield* Clock.Clock
  const { counters } = session.data
  yield* metrics.sample(turnRelayBytes, { direction: "sent" }, () => counters.sentBytes)
  yield* metrics.sample(turnRelayBytes, { direction: "received" }, () => counters.receivedBytes)
  yield* metrics.sample(turnRelayPackets, { direction: "sent" }, () => counters.sentPackets)
  yield* metrics.sample(turnRelayPackets, { direction: "received" }, () => counters.receivedPackets)
  yield* metrics.sample(turnDroppedPackets, {}, () => counters.droppedPackets)
  yield* metrics.sample(turnLifetimeLeft, {}, () =>
    session.state._tag === "Live"
      ? Math.max(0, session.state.granted.expiresAtMillis - clock.currentTimeMillisUnsafe()) / 1000
      : 0
  )
})

const allocationOf = (session: Session.Session, closed: Deferred.Deferred<void>): TurnAllocation => ({
  state: () => (session.state._tag === "Live" ? session.state.granted : undefined),
  permit: Effect.fn("TurnAllocation.permit")((host) => Peers.permit(session, host)),
  revoke: Effect.fn("TurnAllocation.revoke")((host) => Peers.revoke(session, host)),
  bindChannel: Effect.fn("TurnAllocation.bindChannel")((peer) => Peers.bindChannel(session, peer)),
  send: (peer, payload) => {
    if (session.state._tag === "Live") return session.data.send(session.state.relay.link, peer, payload)
    session.data.drop()
    return false
  },
  onReceive: session.data.onReceive,
  packets: Stream.callback<TurnPacket>(
    (queue) =>
      Effect.sync(() => session.data.onReceive((payload, peer) => void Queue.offerUnsafe(queue, { peer, payload }))),
    { bufferSize: packetsBufferMax, strategy: "sliding" }
  ).pipe(Stream.interruptWhen(Deferred.await(closed))),
  events: Stream.fromPubSub(session.events).pipe(Stream.interruptWhen(Deferred.await(closed))),
  statistics: () => ({ ...session.data.counters }),
  probe: Session.probe(session)
})

export const make = Effect.fnUntraced(function* (layerOptions: TurnClientOptions = {}) {
  const udp = yield* Udp
  const tcp = yield* Tcp
  const { newTransactionId = () => randomBytes(transactionIdLength), transports = turnTransports } = layerOptions

  const allocate = Effect.fnUntraced(function* (config: TurnConfig) {
    const metrics = yield* Metrics
    const session = yield* Session.make({
      config,
      newTransactionId,
      transports: transportsIn(config, transports),
      timeoutMillis: Allocation.configuredTimeoutMillis(config)
    })
    const closed = yield* Deferred.make<void>()
    yield* Effect.addFinalizer(() => Effect.andThen(Deferred.succeed(closed, undefined), Session.close(session)))
    yield* Allocation.addressesOf(session.options).pipe(
      Effect.flatMap((addresses) =>
        Allocation.establish(session.options, addresses, (relay, granted) =>
          Session.becomeLive(session, relay, granted)
        )
      ),
      Effect.tapError((error) => metrics.inc(turnAllocationFailures, { reason: labelOf(error.reason) }))
    )
    yield* metrics.inc(turnAllocations, {})
    yield* sampleMetrics(session)
    yield* Effect.forkScoped(Upkeep.run(session))
    return allocationOf(session, closed)
  })

  return TurnClient.of({
    allocate: Effect.fn("TurnClient.allocate")((config) =>
      allocate(config).pipe(Effect.provideService(Udp, udp), Effect.provideService(Tcp, tcp))
    )
  })
})
