/**
 * UDP sockets and name resolution as the transports need them: plain functions per packet, Effect for opening, closing
 * and failing. Implemented by layers/UdpNode.ts (node:dgram) and layers/UdpMemory.ts (a network in memory that runs
 * under TestClock).
 */
import { Context, type Effect, Schema, type Scope } from "effect"
import type { TransportAddress } from "../domain/transportAddress.ts"

/** The socket could not be opened or bound, or the name could not be resolved. */
export class UdpError extends Schema.TaggedError<UdpError>()("UdpError", {
  operation: Schema.Literals(["open", "resolve"]),
  /** `host:port` or the name that was asked for. */
  target: Schema.String,
  /** The system's error code, such as `EADDRINUSE` or `ENOTFOUND`. */
  code: Schema.String
}) {
  override get message() {
    return `cannot ${this.operation} ${this.target}: ${this.code}`
  }
}

/** Called for each datagram. `payload` belongs to the callee. Handlers must not throw. */
export type UdpReceive = (payload: Uint8Array, from: TransportAddress) => void

interface UdpReceiver {
  readonly local: TransportAddress
  /** Replaces the receiver; datagrams that arrive before the first one is set are dropped. */
  onReceive(receive: UdpReceive): void
  /** Called with the system's code when the kernel reports a receive error, such as `ECONNREFUSED`. */
  onError(report: (code: string) => void): void
}

/**
 * A socket that belongs to one remote address (connected in the kernel: a cheaper send, and ICMP "port unreachable"
 * arrives as an error). Sending never waits and never fails: UDP may lose a packet, whoever needs it retransmits.
 */
export interface UdpSocket extends UdpReceiver {
  /** The receiver gets this very object as `from` with whatever comes from there, so that identity tells the source. */
  readonly remote: TransportAddress
  /**
   * `datagram` must not be changed afterwards; sending the same bytes again is fine. A `body` follows it in the same
   * datagram and spares the sender from copying both together; the same goes for its bytes.
   */
  send(datagram: Uint8Array, body?: Uint8Array): void
}

/** A socket that talks to anybody. */
export interface UdpEndpoint extends UdpReceiver {
  /** `datagram` must not be changed afterwards. */
  send(datagram: Uint8Array, to: TransportAddress): void
}

export class Udp extends Context.Service<
  Udp,
  {
    /** Opens a socket on a free port (or `localPort`) connected to `remote`; the scope closes it. */
    connect(
      remote: TransportAddress,
      options?: { readonly localHost?: string; readonly localPort?: number }
    ): Effect.Effect<UdpSocket, UdpError, Scope.Scope>
    /** Opens a socket on a local address, port 0 for a free one; the scope closes it. */
    bind(local: TransportAddress): Effect.Effect<UdpEndpoint, UdpError, Scope.Scope>
    /** All addresses of a host name, in the resolver's order; an IP literal resolves to itself. Never empty. */
    resolve(host: string): Effect.Effect<ReadonlyArray<string>, UdpError>
  }
>()("icn-node/services/Udp") {}
