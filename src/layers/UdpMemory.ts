/**
 * A whole UDP network in memory: addresses need not exist on this machine, delays run on `Clock`, and the caller
 * decides the fate of each datagram, so that protocols run under TestClock with chosen losses. Without NATs and
 * fragmentation.
 */
import { type Duration, Effect, FiberSet, Layer, type Scope } from "effect"
import { canonical } from "../domain/ipAddress.ts"
import { family, format, isPort, type TransportAddress } from "../domain/transportAddress.ts"
import { Udp, type UdpEndpoint, UdpError, type UdpReceive, type UdpSocket } from "../services/Udp.ts"

/** Datagrams on their way; a network that holds more loses them, as real ones do. */
const inFlightMax = 65_536
/** The dynamic ports of RFC 6335, given out one after the other. */
const ephemeralPortMin = 49_152
const ephemeralPortMax = 65_535

/** One datagram on its way. */
export interface UdpDatagram {
  readonly payload: Uint8Array
  readonly from: TransportAddress
  readonly to: TransportAddress
}

export interface UdpMemoryOptions {
  /** The delay of each copy that arrives: `[]` loses the datagram, two delays duplicate it. `[0]` unless given. */
  readonly deliveries?: (datagram: UdpDatagram) => ReadonlyArray<Duration.Input>
  /** The addresses of a host name, `[]` for a name that does not exist; only literals resolve unless given. */
  readonly resolve?: (host: string) => ReadonlyArray<string>
}

/** What is bound to one address. */
interface Port {
  readonly address: TransportAddress
  /** Where a connected socket belongs to; it hears nobody else. */
  readonly remote: TransportAddress | undefined
  receive: UdpReceive
  report: (code: string) => void
}

class Network {
  readonly #ports = new Map<string, Port>()
  readonly #deliveries: (datagram: UdpDatagram) => ReadonlyArray<Duration.Input>
  readonly #run: (effect: Effect.Effect<void>) => unknown
  #inFlight = 0
  #nextPort = ephemeralPortMin

  constructor(options: UdpMemoryOptions, run: (effect: Effect.Effect<void>) => unknown) {
    this.#deliveries = options.deliveries ?? (() => [0])
    this.#run = run
  }

  /** Takes a port, 0 for a free one; the scope gives it back. */
  bind(host: string, wanted: number, remote: TransportAddress | undefined): Effect.Effect<Port, UdpError, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.suspend(() => {
        const valid = (wanted === 0 || isPort(wanted)) && family(host) !== undefined
        if (!valid || (remote !== undefined && !(isPort(remote.port) && family(remote.host) !== undefined))) {
          const target = format(remote ?? { host, port: wanted })
          return Effect.fail(new UdpError({ operation: "open", target, code: "EINVAL" }))
        }
        const address = { host, port: wanted === 0 ? this.#freePort(host) : wanted }
        if (this.#ports.has(format(address))) {
          return Effect.fail(new UdpError({ operation: "open", target: format(address), code: "EADDRINUSE" }))
        }
        const port: Port = { address, remote, receive: () => {}, report: () => {} }
        this.#ports.set(format(address), port)
        return Effect.succeed(port)
      }),
      ({ address }) => Effect.sync(() => void this.#ports.delete(format(address)))
    )
  }

  send(from: Port, to: TransportAddress, datagram: Uint8Array): void {
    if (!this.#isOpen(from)) return
    // The receiver owns what it gets, and the sender may send the same bytes again.
    const payload = datagram.slice()
    for (const delay of this.#deliveries({ payload, from: from.address, to })) {
      if (this.#inFlight >= inFlightMax) return
      this.#inFlight++
      this.#run(
        Effect.andThen(
          Effect.sleep(delay),
          Effect.sync(() => this.#arrive(from, to, payload))
        )
      )
    }
  }

  #arrive(from: Port, to: TransportAddress, payload: Uint8Array): void {
    this.#inFlight--
    const port = this.#ports.get(format(to))
    if (port === undefined) {
      // As the kernel does: ICMP reaches connected sockets that are still open.
      if (from.remote !== undefined && this.#isOpen(from)) from.report("ECONNREFUSED")
      return
    }
    if (port.remote === undefined) return port.receive(payload, from.address)
    if (format(port.remote) === format(from.address)) port.receive(payload, port.remote)
  }

  #isOpen(port: Port): boolean {
    return this.#ports.get(format(port.address)) === port
  }

  /** The next port that is free; the last one tried when all are taken, which then fails as taken. */
  #freePort(host: string): number {
    let port = this.#nextPort
    for (let tried = ephemeralPortMin; tried <= ephemeralPortMax; tried++) {
      port = this.#nextPort
      this.#nextPort = port === ephemeralPortMax ? ephemeralPortMin : port + 1
      if (!this.#ports.has(format({ host, port }))) break
    }
    return port
  }
}

const loopback = (host: string): string => (family(host) === 6 ? "::1" : "127.0.0.1")

const handlers = (port: Port) => ({
  local: port.address,
  onReceive: (receive: UdpReceive) => {
    port.receive = receive
  },
  onError: (report: (code: string) => void) => {
    port.report = report
  }
})

const make = Effect.fnUntraced(function* (options: UdpMemoryOptions) {
  const network = new Network(options, yield* FiberSet.makeRuntime<never, void, never>())
  return Udp.of({
    connect: Effect.fnUntraced(function* (remote, { localHost = loopback(remote.host), localPort = 0 } = {}) {
      const port = yield* network.bind(localHost, localPort, remote)
      const socket: UdpSocket = {
        ...handlers(port),
        remote,
        send: (datagram, body) =>
          network.send(port, remote, body === undefined ? datagram : Buffer.concat([datagram, body]))
      }
      return socket
    }),
    bind: Effect.fnUntraced(function* (local) {
      const port = yield* network.bind(local.host, local.port, undefined)
      const endpoint: UdpEndpoint = {
        ...handlers(port),
        send: (datagram, to) => network.send(port, to, datagram)
      }
      return endpoint
    }),
    resolve: (host) => {
      const literal = canonical(host)
      const found = literal === undefined ? (options.resolve?.(host) ?? []) : [literal]
      return found.length === 0
        ? Effect.fail(new UdpError({ operation: "resolve", target: host, code: "ENOTFOUND" }))
        : Effect.succeed(found)
    }
  })
})

/** A network of its own; sockets reach each other only within one built layer. */
export const layer = (options: UdpMemoryOptions = {}): Layer.Layer<Udp> => Layer.effect(Udp, make(options))
