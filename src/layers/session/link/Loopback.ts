/**
 * The UDP socket on loopback that QUIC takes for a member: what QUIC sends there goes over the link, and what comes
 * over the link seems to come from there, whatever way it took. So the way may change without QUIC noticing.
 */
import { Effect, type Scope } from "effect"
import type { TransportAddress } from "../../../domain/transportAddress.ts"
import { Udp, type UdpError } from "../../../services/Udp.ts"
import type { LoopbackPort } from "./Link.ts"

const host = "127.0.0.1"

/** In front of this node's listener, for a member that dials: the socket belongs to the listener's port. */
export const towardsListener = Effect.fnUntraced(function* (
  port: number,
  send: (payload: Uint8Array) => void
): Effect.fn.Return<LoopbackPort, UdpError, Udp | Scope.Scope> {
  const socket = yield* Udp.use((udp) => udp.connect({ host, port }, { localHost: host }))
  socket.onReceive((payload) => send(payload))
  return { port: socket.local.port, deliver: (payload) => socket.send(payload) }
})

/** In front of this node's client, which dials the member: it is known by its first packet, and only it is heard. */
export const towardsClient = Effect.fnUntraced(function* (
  send: (payload: Uint8Array) => void
): Effect.fn.Return<LoopbackPort, UdpError, Udp | Scope.Scope> {
  const socket = yield* Udp.use((udp) => udp.bind({ host, port: 0 }))
  let client: TransportAddress | undefined
  socket.onReceive((payload, from) => {
    client ??= from
    if (from.port === client.port) send(payload)
  })
  return {
    port: socket.local.port,
    deliver: (payload) => {
      if (client !== undefined) socket.send(payload, client)
    }
  }
})
