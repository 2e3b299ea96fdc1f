/**
 * The allocations of a TURN server for tests (RFC 8656 sections 7 to 12): enough of a real server that a client cannot
 * tell the difference, with expiry enforced to the millisecond. Answers are signed bytes; who may ask, and what a
 * script makes of it, is decided in ScriptedTurnServer.ts.
 */
import { Effect, Exit, Result, Scope } from "effect"
import { equals, family, format, type TransportAddress } from "../../domain/transportAddress.ts"
import { channelLifetimeMillis, permissionLifetimeMillis } from "../../domain/turnUpkeep.ts"
import * as ChannelData from "../../protocol/channelData.ts"
import type { DecodedStun } from "../../protocol/stun.ts"
import * as Attribute from "../../protocol/stunAttributes.ts"
import type { IntegrityKey } from "../../protocol/stunIntegrity.ts"
import { method } from "../../protocol/turn.ts"
import {
  allocateSuccess,
  dataIndication,
  errorResponse,
  refreshSuccess,
  successResponse
} from "../../protocol/turnServerMessages.ts"
import { Udp, type UdpEndpoint } from "../../services/Udp.ts"

export interface ServerAllocationsOptions {
  readonly relayHost: string
  readonly lifetimeSecondsMax: number
  /** Hosts that are refused with 403. */
  readonly deniedHosts: ReadonlySet<string>
  readonly now: () => number
  /** Sends to a client. */
  readonly send: (datagram: Uint8Array, to: TransportAddress) => void
}

interface ServerChannel {
  readonly peer: TransportAddress
  readonly expiresAtMillis: number
}

/** What the server holds for one client address. */
export interface ServerAllocation {
  readonly client: TransportAddress
  readonly relay: UdpEndpoint
  readonly scope: Scope.Closeable
  /** The Allocate that made it, whose retransmissions get the same answer. */
  readonly transaction: string
  readonly answer: Uint8Array
  /** Expiry by host and by channel number. */
  readonly permissions: Map<string, number>
  readonly channels: Map<number, ServerChannel>
  expiresAtMillis: number
}

/** A request that passed authentication. */
export interface ServerRequest {
  readonly message: DecodedStun
  readonly from: TransportAddress
  readonly key: IntegrityKey | undefined
  /** The lifetime to grant whatever is asked for, where the script says one. */
  readonly lifetimeSeconds?: number | undefined
}

const lifetimeSecondsDefault = 600

/** Names a transaction in maps and journals. */
export const transactionName = ({ transactionId }: DecodedStun): string => Buffer.from(transactionId).toString("hex")

const read = <A>(result: Result.Result<A, unknown>): A | undefined => Result.getOrUndefined(result)

export class ServerAllocations {
  readonly #byClient = new Map<string, ServerAllocation>()
  readonly #options: ServerAllocationsOptions

  constructor(options: ServerAllocationsOptions) {
    this.#options = options
  }

  /** Those that have not expired. */
  all(): ReadonlyArray<ServerAllocation> {
    return Array.from(this.#byClient.values()).filter(({ expiresAtMillis }) => expiresAtMillis > this.#options.now())
  }

  #of(client: TransportAddress): ServerAllocation | undefined {
    const allocation = this.#byClient.get(format(client))
    return allocation !== undefined && allocation.expiresAtMillis > this.#options.now() ? allocation : undefined
  }

  #error(request: ServerRequest, code: number, reason: string): Uint8Array {
    return errorResponse(request.message, { code, reason }, { key: request.key })
  }

  #lifetime(request: ServerRequest): number {
    const asked = read(Attribute.optional(request.message, Attribute.lifetime)) ?? lifetimeSecondsDefault
    return asked === 0 ? 0 : (request.lifetimeSeconds ?? Math.min(asked, this.#options.lifetimeSecondsMax))
  }

  readonly release = (allocation: ServerAllocation): Effect.Effect<void> =>
    Effect.andThen(
      Effect.sync(() => void this.#byClient.delete(format(allocation.client))),
      Scope.close(allocation.scope, Exit.void)
    )

  /** The answer to an authenticated request. */
  answer(request: ServerRequest): Effect.Effect<Uint8Array, never, Udp> {
    const allocation = this.#of(request.from)
    if (request.message.method === method.allocate) return this.#allocate(request, allocation)
    if (allocation === undefined) {
      // As coturn does: only a Refresh is told that there is no allocation.
      const refresh = request.message.method === method.refresh
      return Effect.succeed(
        refresh ? this.#error(request, 437, "Allocation Mismatch") : this.#error(request, 400, "Bad Request")
      )
    }
    switch (request.message.method) {
      case method.refresh:
        return this.#refresh(request, allocation)
      case method.createPermission:
        return Effect.sync(() => this.#createPermission(request, allocation))
      case method.channelBind:
        return Effect.sync(() => this.#channelBind(request, allocation))
      default:
        return Effect.succeed(this.#error(request, 400, "Bad Request"))
    }
  }

  #allocate(request: ServerRequest, existing: ServerAllocation | undefined): Effect.Effect<Uint8Array, never, Udp> {
    const { from, key, message } = request
    const transaction = transactionName(message)
    if (existing?.transaction === transaction) return Effect.succeed(existing.answer)
    // coturn does not sign this one.
    if (existing !== undefined) {
      return Effect.succeed(errorResponse(message, { code: 437, reason: "Allocation Mismatch" }))
    }
    const lifetimeSeconds = this.#lifetime(request)
    const { now, relayHost } = this.#options
    return Effect.gen({ self: this }, function* () {
      const expired = this.#byClient.get(format(from))
      if (expired !== undefined) yield* this.release(expired)
      const scope = yield* Scope.make()
      const relay = yield* Udp.use((udp) => udp.bind({ host: relayHost, port: 0 })).pipe(Scope.provide(scope))
      const answer = allocateSuccess(
        message,
        { relayedAddress: relay.local, mappedAddress: from, lifetimeSeconds },
        key
      )
      const allocation: ServerAllocation = {
        client: from,
        relay,
        scope,
        transaction,
        answer,
        permissions: new Map(),
        channels: new Map(),
        expiresAtMillis: now() + lifetimeSeconds * 1000
      }
      this.#byClient.set(format(from), allocation)
      relay.onReceive((payload, peer) => this.#toClient(allocation, payload, peer))
      return answer
    }).pipe(Effect.catchTag("UdpError", () => Effect.succeed(this.#error(request, 508, "Insufficient Capacity"))))
  }

  #refresh(request: ServerRequest, allocation: ServerAllocation): Effect.Effect<Uint8Array> {
    const lifetimeSeconds = this.#lifetime(request)
    const answer = refreshSuccess(request.message, lifetimeSeconds, request.key)
    allocation.expiresAtMillis = this.#options.now() + lifetimeSeconds * 1000
    return lifetimeSeconds === 0 ? Effect.as(this.release(allocation), answer) : Effect.succeed(answer)
  }

  /** The error for a peer that may not be relayed to, or `undefined`. */
  #peerError(request: ServerRequest, { host }: TransportAddress): Uint8Array | undefined {
    if (this.#options.deniedHosts.has(host)) return this.#error(request, 403, "Forbidden IP")
    if (family(host) !== family(this.#options.relayHost)) {
      return this.#error(request, 443, "Peer Address Family Mismatch")
    }
    return undefined
  }

  #createPermission(request: ServerRequest, allocation: ServerAllocation): Uint8Array {
    const peers = read(Attribute.repeated(request.message, Attribute.xorPeerAddress)) ?? []
    if (peers.length === 0) return this.#error(request, 400, "Bad Request")
    for (const peer of peers) {
      const error = this.#peerError(request, peer)
      if (error !== undefined) return error
    }
    const expiresAtMillis = this.#options.now() + permissionLifetimeMillis
    for (const { host } of peers) allocation.permissions.set(host, expiresAtMillis)
    return successResponse(request.message, { key: request.key })
  }

  #channelBind(request: ServerRequest, { channels, permissions }: ServerAllocation): Uint8Array {
    const peer = read(Attribute.required(request.message, Attribute.xorPeerAddress))
    const number = read(Attribute.required(request.message, Attribute.channelNumber))
    if (peer === undefined || number === undefined) return this.#error(request, 400, "Bad Request")
    const error = this.#peerError(request, peer)
    if (error !== undefined) return error
    const now = this.#options.now()
    // A number never changes its peer, nor a peer its number, while the server holds the pair.
    for (const [held, channel] of channels) {
      const conflict = (held === number) !== equals(channel.peer, peer)
      if (conflict && channel.expiresAtMillis > now) return this.#error(request, 400, "Bad Request")
    }
    channels.set(number, { peer, expiresAtMillis: now + channelLifetimeMillis })
    permissions.set(peer.host, now + permissionLifetimeMillis)
    return successResponse(request.message, { key: request.key })
  }

  #permitted({ permissions }: ServerAllocation, { host }: TransportAddress): boolean {
    return (permissions.get(host) ?? 0) > this.#options.now()
  }

  #toClient(allocation: ServerAllocation, payload: Uint8Array, peer: TransportAddress): void {
    const { now, send } = this.#options
    if (allocation.expiresAtMillis <= now() || !this.#permitted(allocation, peer)) return
    for (const [number, channel] of allocation.channels) {
      if (!equals(channel.peer, peer) || channel.expiresAtMillis <= now()) continue
      const datagram = new Uint8Array(ChannelData.headerLength + payload.length)
      ChannelData.encodeHeader(datagram, 0, number, payload.length)
      datagram.set(payload, ChannelData.headerLength)
      return send(datagram, allocation.client)
    }
    send(dataIndication({ transactionId: new Uint8Array(12), peer, data: payload }), allocation.client)
  }

  /** Relays ChannelData of a client; without a channel it is dropped in silence. */
  relayChannelData(from: TransportAddress, datagram: Uint8Array): void {
    const allocation = this.#of(from)
    const data = ChannelData.decode(datagram)
    const channel = data === undefined ? undefined : allocation?.channels.get(data.channel)
    if (data === undefined || allocation === undefined || channel === undefined) return
    if (channel.expiresAtMillis <= this.#options.now() || !this.#permitted(allocation, channel.peer)) return
    allocation.relay.send(data.payload, channel.peer)
  }

  /** Relays a Send indication; without a permission it is dropped in silence. */
  relayIndication(from: TransportAddress, message: DecodedStun): void {
    const allocation = this.#of(from)
    const peer = read(Attribute.required(message, Attribute.xorPeerAddress))
    const data = read(Attribute.required(message, Attribute.data))
    if (allocation === undefined || peer === undefined || data === undefined) return
    if (this.#permitted(allocation, peer)) allocation.relay.send(data, peer)
  }
}
