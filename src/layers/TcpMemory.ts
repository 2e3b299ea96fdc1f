/**
 * A whole TCP network in memory: addresses need not exist on this machine, delays run on `Clock`, and the caller may
 * have connections go unanswered or streams cut into pieces, so that protocols run under TestClock. What is on its way,
 * or finds no receiver, counts as queued.
 */
import { type Duration, Effect, FiberSet, Layer, type Scope } from "effect"
import { family, format, isPort, type TransportAddress } from "../domain/transportAddress.ts"
import {
  Tcp,
  TcpError,
  type TcpListener,
  tcpQueueBytesMax,
  type TcpReceive,
  type TcpSocket,
  tcpWriteReserveBytes
} from "../services/Tcp.ts"

/** Given out one after the other; others than those of layers/UdpMemory.ts, so that an address names one socket. */
const ephemeralPortMin = 32_768
const ephemeralPortMax = 49_151

export interface TcpMemoryOptions {
  /** The way from one end to the other, 0 unless given; opening takes it twice. */
  readonly latency?: Duration.Input
  /** Whether an attempt to connect is never answered, as behind a firewall that drops it. */
  readonly unanswered?: (remote: TransportAddress) => boolean
  /** How a message arrives; whole unless given. */
  readonly pieces?: (message: Uint8Array) => ReadonlyArray<Uint8Array>
}

type Run = (effect: Effect.Effect<void>) => unknown

const ignore = (): void => {}

/** One end of a connection. */
class MemorySocket implements TcpSocket {
  readonly local: TransportAddress
  readonly remote: TransportAddress
  peer: MemorySocket | undefined
  readonly #options: TcpMemoryOptions
  readonly #run: Run
  #receive: TcpReceive | undefined
  #report: (code: string) => void = ignore
  #ended: string | undefined
  /** Sent and not taken by the peer yet; the first `#arrived` of them have got there and wait for its receiver. */
  readonly #sent: Array<Uint8Array> = []
  #arrived = 0
  #queuedBytes = 0

  constructor(local: TransportAddress, remote: TransportAddress, options: TcpMemoryOptions, run: Run) {
    this.local = local
    this.remote = remote
    this.#options = options
    this.#run = run
  }

  send(message: Uint8Array, ...rest: ReadonlyArray<Uint8Array | undefined>): boolean {
    if (this.#ended !== undefined) return false
    const bytes = Buffer.concat([message, ...rest.filter((part) => part !== undefined)])
    if (this.#queuedBytes + bytes.length > tcpQueueBytesMax) return false
    this.#transmit(bytes)
    return true
  }

  write(message: Uint8Array): void {
    if (this.#ended !== undefined) return
    if (this.#queuedBytes + message.length > tcpQueueBytesMax + tcpWriteReserveBytes) return this.abort("ENOBUFS")
    this.#transmit(message)
  }

  #transmit(message: Uint8Array): void {
    // The receiver owns what it gets.
    this.#sent.push(message.slice())
    this.#queuedBytes += message.length
    this.#later(() => {
      this.#arrived++
      this.#deliver()
    })
  }

  #deliver(): void {
    const { peer } = this
    if (peer === undefined) return
    const receive = peer.#receive
    if (receive === undefined) return
    while (this.#arrived > 0) {
      this.#arrived--
      const first = this.#sent.shift()
      if (first === undefined) return
      this.#queuedBytes -= first.length
      for (const piece of this.#options.pieces?.(first) ?? [first]) {
        if (peer.#ended === undefined) receive(piece)
      }
    }
  }

  #later(act: () => void): void {
    this.#run(Effect.andThen(Effect.sleep(this.#options.latency ?? 0), Effect.sync(act)))
  }

  queuedBytes(): number {
    return this.#queuedBytes
  }

  onReceive(receive: TcpReceive): void {
    this.#receive = receive
    if (this.peer !== undefined) this.peer.#deliver()
  }

  onClosed(report: (code: string) => void): void {
    if (this.#ended === undefined) this.#report = report
    else report(this.#ended)
  }

  abort(code: string): void {
    if (this.#ended !== undefined) return
    this.#ended = code
    this.#sent.length = 0
    this.#later(() => this.peer?.end("ECONNRESET"))
    this.#report(code)
  }

  /** The other end is gone. */
  end(code: string): void {
    if (this.#ended !== undefined) return
    this.#ended = code
    this.#report(code)
  }

  /** After what was sent; no handler is called any more. */
  close(): void {
    if (this.#ended !== undefined) return
    this.#ended = "CLOSED"
    this.#later(() => this.peer?.end("EOF"))
  }
}

interface Listening {
  readonly accept: (socket: TcpSocket) => void
  readonly accepted: Set<MemorySocket>
}

const fail = (operation: TcpError["operation"], target: TransportAddress, code: string) =>
  Effect.fail(new TcpError({ operation, target: format(target), code }))

class Network {
  readonly #listening = new Map<string, Listening>()
  readonly #options: TcpMemoryOptions
  readonly #run: Run
  #nextPort = ephemeralPortMin

  constructor(options: TcpMemoryOptions, run: Run) {
    this.#options = options
    this.#run = run
  }

  #freePort(): number {
    const port = this.#nextPort
    this.#nextPort = port === ephemeralPortMax ? ephemeralPortMin : port + 1
    return port
  }

  connect(remote: TransportAddress): Effect.Effect<MemorySocket, TcpError> {
    const { latency, unanswered } = this.#options
    const pass = latency === undefined ? Effect.void : Effect.sleep(latency)
    return Effect.gen({ self: this }, function* () {
      if (family(remote.host) === undefined || !isPort(remote.port)) return yield* fail("connect", remote, "EINVAL")
      if (unanswered?.(remote) === true) return yield* Effect.never
      yield* pass
      const listening = this.#listening.get(format(remote))
      yield* pass
      if (listening === undefined) return yield* fail("connect", remote, "ECONNREFUSED")
      const local = { host: family(remote.host) === 6 ? "::1" : "127.0.0.1", port: this.#freePort() }
      const near = new MemorySocket(local, remote, this.#options, this.#run)
      const far = new MemorySocket(remote, local, this.#options, this.#run)
      near.peer = far
      far.peer = near
      listening.accepted.add(far)
      listening.accept(far)
      return near
    })
  }

  listen(
    local: TransportAddress,
    accept: (socket: TcpSocket) => void
  ): Effect.Effect<TcpListener, TcpError, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.suspend(() => {
        const address = { host: local.host, port: local.port === 0 ? this.#freePort() : local.port }
        if (this.#listening.has(format(address))) return fail("listen", address, "EADDRINUSE")
        this.#listening.set(format(address), { accept, accepted: new Set() })
        return Effect.succeed({ local: address })
      }),
      ({ local }) =>
        Effect.sync(() => {
          for (const socket of this.#listening.get(format(local))?.accepted ?? []) socket.abort("CLOSED")
          this.#listening.delete(format(local))
        })
    )
  }
}

const make = Effect.fnUntraced(function* (options: TcpMemoryOptions) {
  const network = new Network(options, yield* FiberSet.makeRuntime<never, void, never>())
  return Tcp.of({
    connect: (remote) =>
      Effect.acquireRelease(network.connect(remote), (socket) => Effect.sync(() => socket.close()), {
        interruptible: true
      }),
    listen: (local, accept) => network.listen(local, accept)
  })
})

/** A network of its own; sockets reach each other only within one built layer. */
export const layer = (options: TcpMemoryOptions = {}): Layer.Layer<Tcp> => Layer.effect(Tcp, make(options))
