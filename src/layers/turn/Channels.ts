/**
 * Channels (RFC 8656 section 12): which number stands for which peer. A number is chosen once and stays with its peer
 * for as long as the allocation is kept up, since the server refuses a pair that conflicts with one it may still hold;
 * it is free again only when the server has certainly forgotten it. Plain state that the data path reads.
 */
import type { Effect } from "effect"
import { format, type TransportAddress } from "../../domain/transportAddress.ts"
import { channelRestMillis, channelsMax } from "../../domain/turnUpkeep.ts"
import { channelMax, channelMin } from "../../protocol/channelData.ts"
import { channelBindRequest } from "../../protocol/turn.ts"
import type { TurnError } from "../../services/TurnClient.ts"
import type { Link } from "./Link.ts"

export type ChannelState =
  /** A ChannelBind is under way for the first time. */
  | { readonly _tag: "Asked" }
  /** The server has confirmed it; it is renewed. */
  | { readonly _tag: "Bound" }
  /** Not used and not renewed, but the server may still hold it. */
  | { readonly _tag: "Resting"; readonly untilMillis: number }

export interface Channel {
  readonly number: number
  readonly peer: TransportAddress
  state: ChannelState
}

export interface Channels {
  /** The channel of a number as it came in ChannelData. */
  readonly byNumber: (number: number) => Channel | undefined
  readonly byPeer: (peer: TransportAddress) => Channel | undefined
  /** The peer's channel, or a new one in state Asked; `undefined` when there are too many. */
  readonly take: (peer: TransportAddress, now: number) => Channel | undefined
  /** Forgets a channel that the server never had. */
  readonly forget: (channel: Channel) => void
  /** Stops using a channel, or all of a host's. */
  readonly rest: (channel: Channel, now: number) => void
  readonly restHost: (host: string, now: number) => void
  readonly bound: () => ReadonlyArray<Channel>
}

const numbers = channelMax - channelMin + 1
const asked: ChannelState = { _tag: "Asked" }

export const make = (): Channels => {
  // Grows as numbers are taken, in their order: most allocations never have more than a few.
  const slots: Array<Channel | undefined> = []
  // By host and port instead of by text, so that a lookup builds no string.
  const hosts = new Map<string, Map<number, Channel>>()
  let inUse = 0
  let next = 0

  const byPeer = ({ host, port }: TransportAddress): Channel | undefined => hosts.get(host)?.get(port)

  const forget = (channel: Channel): void => {
    if (slots[channel.number - channelMin] !== channel) return
    if (channel.state._tag !== "Resting") inUse--
    slots[channel.number - channelMin] = undefined
    const ports = hosts.get(channel.peer.host)
    ports?.delete(channel.peer.port)
    if (ports?.size === 0) hosts.delete(channel.peer.host)
  }

  /** The next number that nobody has, or whose rest is over. */
  const freeNumber = (now: number): number | undefined => {
    for (let tried = 0; tried < numbers; tried++) {
      const slot = next
      next = (next + 1) % numbers
      const holder = slots[slot]
      if (holder === undefined) return channelMin + slot
      if (holder.state._tag === "Resting" && holder.state.untilMillis <= now) {
        forget(holder)
        return channelMin + slot
      }
    }
    return undefined
  }

  const take = (peer: TransportAddress, now: number): Channel | undefined => {
    const known = byPeer(peer)
    if (known !== undefined && known.state._tag !== "Resting") return known
    if (inUse >= channelsMax) return undefined
    if (known !== undefined) {
      known.state = asked
      inUse++
      return known
    }
    const number = freeNumber(now)
    if (number === undefined) return undefined
    const channel: Channel = { number, peer, state: asked }
    inUse++
    slots[number - channelMin] = channel
    const ports = hosts.get(peer.host) ?? new Map<number, Channel>()
    ports.set(peer.port, channel)
    hosts.set(peer.host, ports)
    return channel
  }

  const rest = (channel: Channel, now: number): void => {
    if (channel.state._tag === "Resting") return
    inUse--
    channel.state = { _tag: "Resting", untilMillis: now + channelRestMillis }
  }

  return {
    byNumber: (number) => slots[number - channelMin],
    byPeer,
    take,
    forget,
    rest,
    restHost: (host, now) => {
      for (const channel of hosts.get(host)?.values() ?? []) rest(channel, now)
    },
    bound: () => slots.filter((channel): channel is Channel => channel?.state._tag === "Bound")
  }
}

/** Binds a channel, or prolongs it: the same request with the same number (RFC 8656 section 12.1). */
export const bind = (link: Link, { number, peer }: Channel): Effect.Effect<unknown, TurnError> =>
  link.request({
    method: "channelBind",
    build: (options) => channelBindRequest({ ...options, channel: number, peer }),
    peer: format(peer)
  })
