/**
 * TURN without a server: a relayed address is a socket of the given `Udp` on the server's host, and permissions are
 * kept here. Over layers/UdpMemory.ts, which has every address, a program that uses relays runs in memory. Nothing is
 * ever lost, refused for its credentials, or in need of a refresh.
 */
import { Clock, Deferred, Duration, Effect, Layer, Queue, Stream } from "effect"
import { canonical } from "../domain/ipAddress.ts"
import { format, isPort, type TransportAddress } from "../domain/transportAddress.ts"
import type { TurnConfig } from "../domain/turnConfig.ts"
import { permissionLifetimeMillis, permissionsMax } from "../domain/turnUpkeep.ts"
import {
  type TurnAllocation,
  TurnClient,
  TurnError,
  TurnLimitReached,
  type TurnPacket,
  TurnPeerRefused,
  TurnUnreachable
} from "../services/TurnClient.ts"
import { Udp, type UdpEndpoint } from "../services/Udp.ts"

/** Packets that a slow consumer of the `packets` stream may be behind; the oldest go first. */
const packetsBufferMax = 1024

/** One relay: its socket, whom it relays for, and what went through. */
class MemoryRelay {
  readonly #socket: UdpEndpoint
  readonly #permitted = new Set<string>()
  readonly #server: string
  readonly statistics = { sentBytes: 0, sentPackets: 0, receivedBytes: 0, receivedPackets: 0, droppedPackets: 0 }
  receive: ((payload: Uint8Array, peer: TransportAddress) => void) | undefined
  open = true

  constructor(socket: UdpEndpoint, server: string) {
    this.#socket = socket
    this.#server = server
    socket.onReceive((payload, peer) => this.#fromPeer(payload, peer))
  }

  #fail(method: TurnError["method"], reason: TurnError["reason"]): Effect.Effect<never, TurnError> {
    return Effect.fail(new TurnError({ server: this.#server, method, reason }))
  }

  /** Permits a host; its one spelling, or why not. */
  permit(host: string, method: "createPermission" | "channelBind"): Effect.Effect<string, TurnError> {
    return Effect.suspend(() => {
      const literal = canonical(host)
      if (!this.open) return this.#fail(method, new TurnUnreachable({ code: "CLOSED" }))
      if (literal === undefined) return this.#fail(method, new TurnPeerRefused({ code: 0, peer: host }))
      if (!this.#permitted.has(literal) && this.#permitted.size >= permissionsMax) {
        return this.#fail(method, new TurnLimitReached({ what: "permissions", max: permissionsMax }))
      }
      this.#permitted.add(literal)
      return Effect.succeed(literal)
    })
  }

  /** Channels save bytes on the way to a server; here they are no more than a permission. */
  bindChannel(peer: TransportAddress): Effect.Effect<void, TurnError> {
    return isPort(peer.port)
      ? Effect.asVoid(this.permit(peer.host, "channelBind"))
      : this.#fail("channelBind", new TurnPeerRefused({ code: 0, peer: format(peer) }))
  }

  revoke(host: string): void {
    this.#permitted.delete(canonical(host) ?? host)
  }

  send(peer: TransportAddress, payload: Uint8Array): boolean {
    if (!this.open || !this.#permitted.has(peer.host) || !isPort(peer.port)) {
      this.statistics.droppedPackets++
      return false
    }
    this.statistics.sentPackets++
    this.statistics.sentBytes += payload.length
    this.#socket.send(payload.slice(), peer)
    return true
  }

  #fromPeer(payload: Uint8Array, peer: TransportAddress): void {
    // A server drops what comes without a permission, so that nobody counts it.
    if (!this.#permitted.has(peer.host)) return
    this.statistics.receivedPackets++
    this.statistics.receivedBytes += payload.length
    this.receive?.(payload, peer)
  }
}

const allocate = Effect.fnUntraced(function* (config: TurnConfig) {
  const server = format(config.server)
  const unreachable = (method: "resolve" | "allocate") => (error: { readonly code: string }) =>
    new TurnError({ server, method, reason: new TurnUnreachable({ code: error.code }) })
  const udp = yield* Udp
  const clock = yield* Clock.Clock
  const [host = config.server.host] = yield* Effect.mapError(udp.resolve(config.server.host), unreachable("resolve"))
  const socket = yield* Effect.mapError(udp.bind({ host, port: 0 }), unreachable("allocate"))
  const relay = new MemoryRelay(socket, server)
  const closed = yield* Deferred.make<void>()
  yield* Effect.addFinalizer(() => {
    relay.open = false
    return Deferred.succeed(closed, undefined)
  })
  const lifetimeSeconds = Math.max(1, Math.ceil(Duration.toSeconds(config.allocationLifetime)))
  const untilClosed = Stream.interruptWhen(Deferred.await(closed))

  const allocation: TurnAllocation = {
    state: () =>
      relay.open
        ? {
            server: { host, port: config.server.port },
            transport: "udp",
            relayedAddress: socket.local,
            mappedAddress: socket.local,
            lifetimeSeconds,
            expiresAtMillis: clock.currentTimeMillisUnsafe() + lifetimeSeconds * 1000
          }
        : undefined,
    permit: Effect.fnUntraced(function* (wanted) {
      const literal = yield* relay.permit(wanted, "createPermission")
      return { host: literal, expiresAtMillis: (yield* Clock.currentTimeMillis) + permissionLifetimeMillis }
    }),
    revoke: (wanted) => Effect.sync(() => relay.revoke(wanted)),
    bindChannel: (peer) => relay.bindChannel(peer),
    send: (peer, payload) => relay.send(peer, payload),
    onReceive: (receive) => {
      relay.receive = receive
    },
    packets: Stream.callback<TurnPacket>(
      (queue) =>
        Effect.sync(() => {
          relay.receive = (payload, peer) => void Queue.offerUnsafe(queue, { peer, payload })
        }),
      { bufferSize: packetsBufferMax, strategy: "sliding" }
    ).pipe(untilClosed),
    events: Stream.never.pipe(untilClosed),
    statistics: () => ({ ...relay.statistics }),
    probe: Effect.void
  }
  return allocation
})

export const layer: Layer.Layer<TurnClient, never, Udp> = Layer.effect(
  TurnClient,
  Udp.useSync((udp) => TurnClient.of({ allocate: (config) => Effect.provideService(allocate(config), Udp, udp) }))
)
