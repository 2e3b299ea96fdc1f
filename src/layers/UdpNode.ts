/**
 * UDP over node:dgram. Packets go through plain functions: a send is one system call without a callback, and what the
 * kernel reports about it (ICMP "port unreachable") comes back through `onError`. Addresses are literals here, so that
 * dgram's own name lookup, a tick per datagram, is answered at once.
 */
import { Effect, Layer, type Scope } from "effect"
import * as Dgram from "node:dgram"
import { lookup } from "node:dns/promises"
import { canonical } from "../domain/ipAddress.ts"
import { systemErrorCode } from "../domain/systemError.ts"
import { family, format, isPort, type TransportAddress } from "../domain/transportAddress.ts"
import { Udp, type UdpEndpoint, UdpError, type UdpReceive, type UdpSocket } from "../services/Udp.ts"

/** Room for bursts while the event loop is busy: about 800 datagrams of 1200 bytes; the kernel may grant less. */
const receiveBufferBytes = 1024 * 1024
/** dgram keeps what the kernel does not take at once; beyond this a datagram is dropped, as by a full kernel queue. */
const sendQueueMax = 256
/** The queue is looked at once in so many sends, since asking costs as much as a tenth of a send. */
const sendQueueCheckInterval = 64

/** A burst is what the event loop read in one turn: from one socket it reads 32 datagrams before it goes on. */
const burstMax = 64

const ignore = (): void => {}

const createSocket = (ipFamily: 4 | 6): Dgram.Socket =>
  Dgram.createSocket({
    type: ipFamily === 4 ? "udp4" : "udp6",
    ipv6Only: ipFamily === 6,
    recvBufferSize: receiveBufferBytes,
    lookup: (address, _options, done) => done(null, address, ipFamily)
  })

/** 0 takes a free port. */
const mayBind = (port: number): boolean => port === 0 || isPort(port)

/** Opens and binds a socket, then lets `start` finish it; the scope closes it. Bad ports make dgram throw or wrap. */
const open = (
  target: TransportAddress,
  validPort: boolean,
  start: (socket: Dgram.Socket, ready: () => void) => void
): Effect.Effect<Dgram.Socket, UdpError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Dgram.Socket, UdpError>((resume) => {
      const fail = (cause: unknown) =>
        resume(Effect.fail(new UdpError({ operation: "open", target: format(target), code: systemErrorCode(cause) })))
      const ipFamily = family(target.host)
      if (ipFamily === undefined || !validPort) {
        return fail(Object.assign(new Error("no address to open"), { code: "EINVAL" }))
      }
      const socket = createSocket(ipFamily)
      socket.once("error", (cause) => {
        socket.close()
        fail(cause)
      })
      start(socket, () => {
        socket.removeAllListeners("error")
        // Without a listener an ICMP error would end the process.
        socket.on("error", ignore)
        resume(Effect.succeed(socket))
      })
    }),
    (socket) => Effect.callback<void>((resume) => void socket.close(() => resume(Effect.void)))
  )

/** Tells whether the scope of a socket has closed. */
const closing = Effect.gen(function* () {
  let closed = false
  yield* Effect.addFinalizer(() => Effect.sync(() => void (closed = true)))
  return () => closed
})

/** Whether a datagram may be sent: false once the socket is closed or its queue is full. */
const sendGate = (socket: Dgram.Socket, isClosed: () => boolean) => {
  let congested = false
  let sends = 0
  return (): boolean => {
    if (isClosed()) return false
    sends++
    if (congested || sends % sendQueueCheckInterval === 0) congested = socket.getSendQueueCount() > sendQueueMax
    return !congested
  }
}

/**
 * Hands on what was read in one turn of the event loop after the last of it, in order. So what is sent on from there is
 * sent in one go too, for which its receiver wakes up once, and not for each datagram.
 */
const inBursts = (receive: UdpReceive, isClosed: () => boolean): UdpReceive => {
  let burst: Array<readonly [payload: Uint8Array, from: TransportAddress]> = []
  const flush = (): void => {
    const received = burst
    burst = []
    for (const [payload, from] of received) if (!isClosed()) receive(payload, from)
  }
  return (payload, from) => {
    if (burst.length === 0) setImmediate(flush)
    burst.push([payload, from])
    if (burst.length >= burstMax) flush()
  }
}

const receiver = (socket: Dgram.Socket) => {
  let report: (code: string) => void = ignore
  socket.on("error", (cause) => report(systemErrorCode(cause)))
  const { address, port } = socket.address()
  return {
    local: { host: canonical(address) ?? address, port },
    onError: (next: (code: string) => void) => {
      report = next
    }
  }
}

const connect = Effect.fnUntraced(function* (
  remote: TransportAddress,
  options: { readonly localHost?: string; readonly localPort?: number } = {}
) {
  const { localHost, localPort = 0 } = options
  const socket = yield* open(remote, isPort(remote.port) && mayBind(localPort), (socket, ready) => {
    // Given to `connect` itself, it would be called with a failure as well.
    socket.once("connect", ready)
    socket.bind({ port: localPort, ...(localHost === undefined ? {} : { address: localHost }) }, () =>
      socket.connect(remote.port, remote.host)
    )
  })
  const isClosed = yield* closing
  const maySend = sendGate(socket, isClosed)
  const { address, port } = socket.remoteAddress()
  const opened: UdpSocket = {
    ...receiver(socket),
    remote,
    send: (datagram, body) => {
      if (maySend()) socket.send(body === undefined ? datagram : [datagram, body])
    },
    onReceive: (receive: UdpReceive) => {
      socket.removeAllListeners("message")
      const hand = inBursts(receive, isClosed)
      socket.on("message", (payload, from) => {
        // Datagrams from others may have been queued between bind and connect.
        if (from.port === port && from.address === address) hand(payload, remote)
      })
    }
  }
  return opened
})

const bind = Effect.fnUntraced(function* (local: TransportAddress) {
  const { host, port } = local
  const socket = yield* open(local, mayBind(port), (socket, ready) => socket.bind(port, host, ready))
  const isClosed = yield* closing
  const maySend = sendGate(socket, isClosed)
  const opened: UdpEndpoint = {
    ...receiver(socket),
    send: (datagram, { host, port }) => {
      // dgram throws for what is no port.
      if (isPort(port) && maySend()) socket.send(datagram, port, host)
    },
    onReceive: (receive: UdpReceive) => {
      socket.removeAllListeners("message")
      const hand = inBursts(receive, isClosed)
      socket.on("message", (payload, { address, port }) => hand(payload, { host: address, port }))
    }
  }
  return opened
})

const resolve = (host: string): Effect.Effect<ReadonlyArray<string>, UdpError> => {
  const literal = canonical(host)
  if (literal !== undefined) return Effect.succeed([literal])
  return Effect.tryPromise({
    try: () => lookup(host, { all: true, order: "verbatim" }),
    catch: (cause) => new UdpError({ operation: "resolve", target: host, code: systemErrorCode(cause) })
  }).pipe(Effect.map((found) => found.map(({ address }) => canonical(address) ?? address)))
}

export const layer: Layer.Layer<Udp> = Layer.succeed(Udp, Udp.of({ connect, bind, resolve }))
