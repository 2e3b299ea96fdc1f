/**
 * TCP connections as the transports need them: plain functions per message, Effect for opening, closing and failing.
 * Implemented by layers/TcpNode.ts (node:net) and layers/TcpMemory.ts (a network in memory that runs under TestClock).
 * Names are resolved by `Udp.resolve`.
 */
import { Context, type Effect, Schema, type Scope } from "effect"
import type { TransportAddress } from "../domain/transportAddress.ts"

/** The connection could not be opened, or the address could not be listened on. */
export class TcpError extends Schema.TaggedError<TcpError>()("TcpError", {
  operation: Schema.Literals(["connect", "listen"]),
  /** `host:port` of whom was asked for. */
  target: Schema.String,
  /** The system's error code, such as `ECONNREFUSED`. */
  code: Schema.String
}) {
  override get message() {
    return `cannot ${this.operation} ${this.target}: ${this.code}`
  }
}

/** Called for each piece of the stream, cut anywhere. `chunk` belongs to the callee. Handlers must not throw. */
export type TcpReceive = (chunk: Uint8Array) => void

/**
 * Messages are datagrams on a stream: when the other end reads too slowly, a new one is dropped instead of queued for
 * ever. What was accepted arrives whole and in order, or the connection ends.
 */
export interface TcpSocket {
  readonly local: TransportAddress
  readonly remote: TransportAddress
  /**
   * Queues a message, with a `body` and a `tail` that follow it without being copied together; none of them may be
   * changed afterwards. False when it was dropped: closed, or `tcpQueueBytesMax` are waiting already.
   */
  send(message: Uint8Array, body?: Uint8Array, tail?: Uint8Array): boolean
  /** Queues what must not be dropped, such as a request; the connection ends with `ENOBUFS` where that fills it. */
  write(message: Uint8Array): void
  /** Bytes that wait for the kernel to take them. */
  queuedBytes(): number
  /** Replaces the receiver; what arrives before the first one is set waits for it. */
  onReceive(receive: TcpReceive): void
  /**
   * Called once when the connection is over: `EOF` when the other end closed it in good order, the system's code
   * otherwise, or what `abort` gave. Not called when the scope closes it. Called at once when it is over already.
   */
  onClosed(report: (code: string) => void): void
  /** Ends the connection at once; what is queued is lost. */
  abort(code: string): void
}

/** A message that finds so much waiting is dropped: at 10 Mbit/s the last one waits for most of a second. */
export const tcpQueueBytesMax = 1024 * 1024
/** What is written in spite of that may fill so much more; the requests of one allocation take a small part of it. */
export const tcpWriteReserveBytes = 256 * 1024

export interface TcpListener {
  readonly local: TransportAddress
}

export class Tcp extends Context.Service<
  Tcp,
  {
    /** Opens a connection; interruptible, without a time limit. The scope sends what is queued and closes. */
    connect(remote: TransportAddress): Effect.Effect<TcpSocket, TcpError, Scope.Scope>
    /** Listens on an address, port 0 for a free one; the scope closes it and whatever was accepted. */
    listen(
      local: TransportAddress,
      accept: (socket: TcpSocket) => void
    ): Effect.Effect<TcpListener, TcpError, Scope.Scope>
  }
>()("icn-node/services/Tcp") {}
