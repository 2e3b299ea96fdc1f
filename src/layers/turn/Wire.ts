/**
 * What carries the messages of one 5-tuple: datagrams of a connected UDP socket, or a TCP stream that is cut into
 * messages here (RFC 8656 section 3.1). Whoever uses it sees whole messages and does not ask which it is, except that
 * requests over TCP are not sent again, and that a connection which is over stays over.
 */
import { Effect, type Scope } from "effect"
import type { TransportAddress } from "../../domain/transportAddress.ts"
import type { TurnTransport } from "../../domain/turnServer.ts"
import { tcpConnectTimeoutMillis } from "../../domain/turnUpkeep.ts"
import { paddingOf, TurnFramer } from "../../protocol/turnFraming.ts"
import { TurnUnreachable } from "../../services/TurnClient.ts"
import { Tcp, type TcpSocket } from "../../services/Tcp.ts"
import { Udp, type UdpSocket } from "../../services/Udp.ts"

/** Plain functions, which must not throw. */
export interface WireHandlers {
  /** A whole message: STUN, or ChannelData with or without its padding. */
  readonly onMessage: (message: Uint8Array) => void
  /** Something that came or went for nothing. */
  readonly onStray: () => void
  /** The kernel could not deliver something; over UDP the next datagram may get through. */
  readonly onRefused: (code: string) => void
  /** Nothing will come or go any more. */
  readonly onClosed: (code: string) => void
}

export interface Wire {
  readonly transport: TurnTransport
  /** Sends a message that may be lost; false when it was dropped here. Neither part may be changed afterwards. */
  readonly send: (message: Uint8Array, body?: Uint8Array) => boolean
  /** Sends a message that a stream must not drop. */
  readonly write: (message: Uint8Array) => void
  readonly listen: (handlers: WireHandlers) => void
}

/** The stream from the server is no sequence of messages. */
export const badStream = "EBADMSG"

/** A connected socket. */
export const ofUdp = (socket: UdpSocket): Wire => ({
  transport: "udp",
  send: (message, body) => {
    socket.send(message, body)
    return true
  },
  write: (message) => socket.send(message),
  listen: ({ onMessage, onRefused, onStray }) => {
    socket.onReceive((datagram, from) => {
      // A response counts only from where the request went to; the socket hands in its own address object for that.
      if (from === socket.remote) onMessage(datagram)
      else onStray()
    })
    socket.onError((code) => {
      // A datagram was too long for the path, which says nothing about the server; no request is that long.
      if (code === "EMSGSIZE") onStray()
      else onRefused(code)
    })
  }
})

const padding = [0, 1, 2, 3].map((length) => new Uint8Array(length))

/** A connection. */
export const ofTcp = (socket: TcpSocket): Wire => ({
  transport: "tcp",
  send: (message, body) =>
    body === undefined ? socket.send(message) : socket.send(message, body, padding[paddingOf(body.length)]),
  write: (message) => socket.write(message),
  listen: ({ onClosed, onMessage, onStray }) => {
    const framer = new TurnFramer()
    socket.onClosed(onClosed)
    socket.onReceive((chunk) => {
      if (framer.push(chunk, onMessage) === undefined) return
      // What follows cannot be told apart any more, so that only a new connection helps.
      onStray()
      socket.abort(badStream)
    })
  }
})

const unreachable = ({ code }: { readonly code: string }) => new TurnUnreachable({ code })

/** Opens a socket on a free local port, or a connection; interruptible. The scope closes it. */
export const open = (
  transport: TurnTransport,
  server: TransportAddress,
  timeoutMillis: number
): Effect.Effect<Wire, TurnUnreachable, Udp | Tcp | Scope.Scope> => {
  switch (transport) {
    case "udp":
      return Udp.use((udp) => udp.connect(server)).pipe(Effect.mapBoth({ onSuccess: ofUdp, onFailure: unreachable }))
    case "tcp":
      return Tcp.use((tcp) => tcp.connect(server)).pipe(
        Effect.mapBoth({ onSuccess: ofTcp, onFailure: unreachable }),
        Effect.timeoutOrElse({
          duration: Math.min(timeoutMillis, tcpConnectTimeoutMillis),
          orElse: () => Effect.fail(unreachable({ code: "ETIMEDOUT" }))
        })
      )
  }
}
