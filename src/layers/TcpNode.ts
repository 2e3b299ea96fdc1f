/**
 * TCP over node:net. Messages go through plain functions: all that is sent in one turn of the event loop is one system
 * call, without copying header and body together.
 */
import { Effect, Layer } from "effect"
import * as Net from "node:net"
import { canonical } from "../domain/ipAddress.ts"
import { systemErrorCode } from "../domain/systemError.ts"
import { family, format, isPort, type TransportAddress } from "../domain/transportAddress.ts"
import {
  Tcp,
  TcpError,
  tcpQueueBytesMax,
  type TcpReceive,
  type TcpSocket,
  tcpWriteReserveBytes
} from "../services/Tcp.ts"

/** The kernel probes an idle connection after so long, which also notices a host that is gone. */
const keepAliveMillis = 30_000
/** A closing connection whose other end does not read is cut after so long. */
const closeWaitMillis = 1_000
/** Accepted connections at a time; a listener is for tests and never has many. */
const acceptedMax = 256

const ignore = (): void => {}

const addressOf = (host: string | undefined, port: number | undefined): TransportAddress => ({
  host: canonical(host ?? "") ?? host ?? "",
  port: port ?? 0
})

/** One connection: its queue, and how it ended. */
class NodeSocket implements TcpSocket {
  readonly local: TransportAddress
  readonly remote: TransportAddress
  readonly #socket: Net.Socket
  #report: (code: string) => void = ignore
  #ended: string | undefined
  #corked = false

  constructor(socket: Net.Socket, remote: TransportAddress) {
    this.#socket = socket
    this.local = addressOf(socket.localAddress, socket.localPort)
    this.remote = remote
    socket.setNoDelay(true)
    socket.setKeepAlive(true, keepAliveMillis)
    socket.on("error", (cause) => this.abort(systemErrorCode(cause)))
    socket.on("end", () => this.abort("EOF"))
    socket.on("close", () => this.abort("EOF"))
  }

  /** Written together at the end of this turn of the event loop. */
  #cork(): void {
    if (this.#corked) return
    this.#corked = true
    this.#socket.cork()
    process.nextTick(() => {
      this.#corked = false
      this.#socket.uncork()
    })
  }

  send(message: Uint8Array, body?: Uint8Array, tail?: Uint8Array): boolean {
    if (this.#ended !== undefined) return false
    const length = message.length + (body?.length ?? 0) + (tail?.length ?? 0)
    if (this.#socket.writableLength + length > tcpQueueBytesMax) return false
    this.#cork()
    this.#socket.write(message)
    if (body !== undefined && body.length > 0) this.#socket.write(body)
    if (tail !== undefined && tail.length > 0) this.#socket.write(tail)
    return true
  }

  write(message: Uint8Array): void {
    if (this.#ended !== undefined) return
    if (this.#socket.writableLength + message.length > tcpQueueBytesMax + tcpWriteReserveBytes) {
      return this.abort("ENOBUFS")
    }
    this.#cork()
    this.#socket.write(message)
  }

  queuedBytes(): number {
    return this.#socket.writableLength
  }

  onReceive(receive: TcpReceive): void {
    this.#socket.removeAllListeners("data")
    this.#socket.on("data", receive)
  }

  onClosed(report: (code: string) => void): void {
    if (this.#ended === undefined) this.#report = report
    else report(this.#ended)
  }

  abort(code: string): void {
    if (this.#ended !== undefined) return
    this.#end(code)
    this.#socket.destroy()
    this.#report(code)
  }

  #end(code: string): void {
    this.#ended = code
    this.#socket.removeAllListeners("data")
  }

  /** Sends what is queued, says goodbye, and waits for the end; no handler is called any more. */
  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    if (this.#ended === undefined) this.#end("CLOSED")
    const socket = this.#socket
    const closed = Effect.callback<void>((resume) => {
      if (socket.destroyed) return resume(Effect.void)
      socket.once("close", () => resume(Effect.void))
      socket.destroySoon()
    })
    return Effect.timeoutOrElse(closed, {
      duration: closeWaitMillis,
      orElse: () => Effect.sync(() => void socket.destroy())
    })
  })
}

const fail = (operation: TcpError["operation"], target: TransportAddress, code: string) =>
  Effect.fail(new TcpError({ operation, target: format(target), code }))

const connect = Effect.fnUntraced(function* (remote: TransportAddress) {
  const ipFamily = family(remote.host)
  if (ipFamily === undefined || !isPort(remote.port)) return yield* fail("connect", remote, "EINVAL")
  let connection: NodeSocket | undefined
  // The scope has the socket from the start, so that an interruption at any moment leaves none behind.
  const socket = yield* Effect.acquireRelease(
    Effect.sync(() =>
      Net.connect({ host: remote.host, port: remote.port, family: ipFamily })
        // Without a listener an error after the outcome would end the process.
        .on("error", ignore)
        .once("connect", () => {
          connection = new NodeSocket(socket, remote)
        })
    ),
    (socket) => (connection === undefined ? Effect.sync(() => void socket.destroy()) : connection.close)
  )
  return yield* Effect.callback<NodeSocket, TcpError>((resume) => {
    socket.once("error", (cause) => resume(fail("connect", remote, systemErrorCode(cause))))
    socket.once("connect", () => {
      if (connection !== undefined) resume(Effect.succeed(connection))
    })
  })
})

const listen: Tcp["Service"]["listen"] = Effect.fnUntraced(function* (local, accept) {
  const accepted = new Set<NodeSocket>()
  const server = yield* Effect.acquireRelease(
    Effect.callback<Net.Server, TcpError>((resume) => {
      const server = Net.createServer((socket) => {
        const connection = new NodeSocket(socket, addressOf(socket.remoteAddress, socket.remotePort))
        accepted.add(connection)
        socket.once("close", () => accepted.delete(connection))
        accept(connection)
      })
      server.maxConnections = acceptedMax
      server.once("error", (cause) => resume(fail("listen", local, systemErrorCode(cause))))
      server.listen(local.port, local.host, () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        for (const connection of accepted) connection.abort("CLOSED")
      })
  )
  const address = server.address()
  return { local: { host: local.host, port: typeof address === "object" && address !== null ? address.port : 0 } }
})

export const layer: Layer.Layer<Tcp> = Layer.succeed(Tcp, Tcp.of({ connect, listen }))
