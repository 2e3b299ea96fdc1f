/**
 * Relayed data, one plain function call per packet: ChannelData where a channel is bound, indications otherwise
 * (RFC 8656 sections 11 and 12). Counts what passes and what does not; nothing here waits or fails.
 */
import { Latch, Result } from "effect"
import { isPort, type TransportAddress } from "../../domain/transportAddress.ts"
import { decode as decodeChannelData, encodeHeader, headerLength } from "../../protocol/channelData.ts"
import type { DecodedStun } from "../../protocol/stun.ts"
import { decodeDataIndication, method, sendIndication } from "../../protocol/turn.ts"
import type { Channels } from "./Channels.ts"
import type { Link } from "./Link.ts"
import type { Permissions } from "./Permissions.ts"

/** The largest payload that fits into a UDP datagram over IPv4 as a Send indication to an IPv6 peer. */
const payloadBytesMax = 65_507 - 51

/** What went through a relay since it was asked for, over all its allocations. */
export interface Counters {
  sentBytes: number
  sentPackets: number
  receivedBytes: number
  receivedPackets: number
  droppedPackets: number
}

export type Receive = (payload: Uint8Array, peer: TransportAddress) => void

export interface DataPath {
  readonly counters: Counters
  /** Opened by whatever is sent. */
  readonly outgoing: Latch.Latch
  /** Relays a datagram; false when it was dropped. The payload must not be changed afterwards. */
  readonly send: (link: Link, peer: TransportAddress, payload: Uint8Array) => boolean
  readonly onReceive: (receive: Receive) => void
  readonly onChannelData: (datagram: Uint8Array) => void
  readonly onIndication: (message: DecodedStun) => void
  /** Counts a datagram that came or went for nothing. */
  readonly drop: () => void
}

export interface DataPathOptions {
  readonly channels: Channels
  readonly permissions: Permissions
  readonly newTransactionId: () => Uint8Array
}

/** The header of ChannelData. One that is used again would be overwritten while the kernel's queue is full. */
const headerOf = (channel: number, payload: Uint8Array): Uint8Array => {
  const header = Buffer.allocUnsafe(headerLength)
  encodeHeader(header, 0, channel, payload.length)
  return header
}

export const make = ({ channels, newTransactionId, permissions }: DataPathOptions): DataPath => {
  const counters: Counters = { sentBytes: 0, sentPackets: 0, receivedBytes: 0, receivedPackets: 0, droppedPackets: 0 }
  const outgoing = Latch.makeUnsafe(false)
  let receiver: Receive | undefined
  const drop = (): void => {
    counters.droppedPackets++
  }

  const deliver = (payload: Uint8Array, peer: TransportAddress): void => {
    counters.receivedPackets++
    counters.receivedBytes += payload.length
    receiver?.(payload, peer)
  }

  const send = (link: Link, peer: TransportAddress, payload: Uint8Array): boolean => {
    const channel = channels.byPeer(peer)
    // A channel that is being bound is used at once where nothing else would get through: the server handles datagrams
    // in their order, so that the first one is often relayed a round trip earlier.
    const byChannel =
      channel?.state._tag === "Bound" || (channel?.state._tag === "Asked" && !permissions.has(peer.host))
    const byIndication = !byChannel && permissions.has(peer.host) && isPort(peer.port)
    if (payload.length > payloadBytesMax || !(byChannel || byIndication)) {
      drop()
      return false
    }
    // The payload goes along uncopied: at 1200 bytes the copy would cost more than everything else here.
    const accepted = byChannel
      ? link.send(headerOf(channel.number, payload), payload)
      : link.send(sendIndication({ peer, data: payload, transactionId: newTransactionId() }))
    if (!accepted) {
      drop()
      return false
    }
    counters.sentPackets++
    counters.sentBytes += payload.length
    outgoing.openUnsafe()
    return true
  }

  const onChannelData = (datagram: Uint8Array): void => {
    const data = decodeChannelData(datagram)
    const channel = data === undefined ? undefined : channels.byNumber(data.channel)
    if (data === undefined || channel === undefined || channel.state._tag === "Resting") return drop()
    deliver(data.payload, channel.peer)
  }

  const onIndication = (message: DecodedStun): void => {
    const data = message.method === method.data ? decodeDataIndication(message) : undefined
    if (data === undefined || Result.isFailure(data)) return drop()
    // Indications are not signed: RFC 8656 section 11.4 has the client check that it permitted the peer.
    if (!permissions.has(data.success.peer.host) && channels.byPeer(data.success.peer) === undefined) return drop()
    deliver(data.success.data, data.success.peer)
  }

  return {
    counters,
    outgoing,
    send,
    onReceive: (receive) => {
      receiver = receive
    },
    onChannelData,
    onIndication,
    drop
  }
}
