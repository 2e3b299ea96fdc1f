/**
 * A `Wire` over libp2p: QUIC first, TCP with Noise and yamux second, on the same port. Each connection's other end is
 * proven by the transport's handshake before the session table is asked whether it may stay, and only then does libp2p
 * (and with it gossip) learn of it, so that one member never has two.
 */
import type { Connection, ConnectionGater, Libp2p, MultiaddrConnection, PeerId, Stream } from "@libp2p/interface"
import { type Multiaddr, multiaddr } from "@multiformats/multiaddr"
import { Deferred, Effect, FiberSet, Result } from "effect"
import { promises as dns } from "node:dns"
import type { Did } from "../../../domain/did.ts"
import { canonical } from "../../../domain/ipAddress.ts"
import type { PeerAddress } from "../../../domain/peerAddress.ts"
import { didOfPeerId, peerIdText } from "../../../domain/peerId.ts"
import { systemErrorText } from "../../../domain/systemError.ts"
import { family, format, type TransportAddress } from "../../../domain/transportAddress.ts"
import { SessionListenFailed } from "../../../services/SessionManager.ts"
import {
  type Wire,
  type WireAttempt,
  type WireConnection,
  WireDialFailed,
  type WireHandlers,
  type WireLink,
  type WireLinks,
  WireStreamFailed,
  type WireTarget
} from "../Wire.ts"
import { Libp2pStream } from "./Libp2pStream.ts"
import { linkHost, LinkRoutes } from "./LinkRoutes.ts"
import { freePort } from "./ports.ts"

/** What of libp2p's inside the wire uses: listening, and dialling one address without libp2p's dial queue. */
export interface Libp2pInside {
  readonly transportManager: {
    readonly dial: (address: Multiaddr, options: { readonly signal: AbortSignal }) => Promise<unknown>
    readonly listen: (addresses: Array<Multiaddr>) => Promise<void>
    readonly getAddrs: () => Array<Multiaddr>
  }
}

/** Addresses taken from one host name. */
const resolvedMax = 8
/** libp2p's own limits on streams stand behind those of the session table. */
const streamsMax = 4096

const unwrapped = (host: string): string => (host.startsWith("::ffff:") && host.includes(".") ? host.slice(7) : host)

type SeenAddress = TransportAddress & { readonly transport: "quic" | "tcp" }

/** The transport address in a multiaddr; `undefined` for what is no IP address with a port. */
export const transportAddressOf = (address: Multiaddr): SeenAddress | undefined => {
  const parts = address.getComponents()
  const host = canonical(parts.find(({ name }) => name === "ip4" || name === "ip6")?.value ?? "")
  const port = parts.find(({ name }) => name === "udp" || name === "tcp")
  if (host === undefined || port === undefined) return undefined
  return { host: unwrapped(host), port: Number(port.value), transport: port.name === "udp" ? "quic" : "tcp" }
}

const didOf = (peer: PeerId): Did | undefined => Result.getOrUndefined(didOfPeerId(peer.toString()))

/** `/ip4/…/udp/…/quic-v1` or `/ip4/…/tcp/…`. */
export const multiaddrOf = ({ host, port, transport }: WireTarget): Multiaddr => {
  const ip = `/ip${family(host) === 6 ? 6 : 4}/${host}`
  return multiaddr(transport === "quic" ? `${ip}/udp/${port}/quic-v1` : `${ip}/tcp/${port}`)
}

class Libp2pConnection implements WireConnection {
  readonly did: Did
  readonly dialler: "self" | "peer"
  readonly transport: "quic" | "tcp"
  readonly link: WireLink | undefined
  readonly #remote: TransportAddress
  readonly #connection: Connection
  readonly #gone = Deferred.makeUnsafe<void>()
  reason = "the connection was lost"

  constructor(connection: Connection, did: Did, seen: SeenAddress, link: WireLink | undefined) {
    this.#connection = connection
    this.did = did
    this.link = link
    this.#remote = { host: seen.host, port: seen.port }
    this.transport = seen.transport
    this.dialler = connection.direction === "outbound" ? "self" : "peer"
  }

  get remote(): TransportAddress {
    return this.link?.path().remote ?? this.#remote
  }

  get closed(): Effect.Effect<void> {
    return Deferred.await(this.#gone)
  }

  readonly isOpen = (): boolean => this.#connection.status === "open"

  readonly openStream = (protocol: string): Effect.Effect<Libp2pStream, WireStreamFailed> =>
    Effect.tryPromise({
      try: async (signal) =>
        new Libp2pStream(
          await this.#connection.newStream(protocol, { signal, maxOutboundStreams: streamsMax }),
          this.isOpen
        ),
      catch: (error) => {
        const name = error instanceof Error ? error.name : ""
        const reason =
          name === "UnsupportedProtocolError"
            ? "unsupported"
            : name.startsWith("TooMany") || name === "StreamResetError"
              ? "limit"
              : "closed"
        return new WireStreamFailed({ reason, detail: systemErrorText(error) })
      }
    })

  readonly close = (reason: string): void => {
    this.reason = reason
    // yamux says goodbye on a connection that may be gone already, and throws then.
    try {
      this.#connection.abort(new Error(reason))
    } catch {
      this.#connection.log("it was gone already")
    }
  }

  gone(): void {
    Deferred.doneUnsafe(this.#gone, Effect.void)
  }
}

/** Who answered instead of the member that was dialled; Noise tells it in its message only. */
const otherPeer = (error: unknown): string | undefined => {
  if (!(error instanceof Error)) return undefined
  if (error.name === "WrongPeerError" && "found" in error) return String(error.found)
  return /identity key (\w+) does not match expected/.exec(error.message)?.[1]
}

/** What a failed dial is told as. */
const dialFailure = (error: unknown): WireDialFailed => {
  const name = error instanceof Error ? error.name : ""
  const found = otherPeer(error)
  if (found !== undefined) {
    const did = Result.getOrUndefined(didOfPeerId(found))
    return new WireDialFailed({ reason: "wrongPeer", detail: did?.text ?? found })
  }
  if (name === "ConnectionInterceptedError") {
    return new WireDialFailed({ reason: "refused", detail: "another connection has precedence" })
  }
  return new WireDialFailed({ reason: "failed", detail: systemErrorText(error) })
}

/** Who asks before and after each handshake; the wire is attached once it has started. */
export class Gate {
  handlers: WireHandlers | undefined
  /** Runs an effect for a callback of libp2p. */
  run: (<A>(effect: Effect.Effect<A>) => Promise<A>) | undefined
  readonly routes = new LinkRoutes()

  readonly #admit = async (
    peer: PeerId,
    connection: MultiaddrConnection,
    dialler: "self" | "peer"
  ): Promise<boolean> => {
    const did = didOf(peer)
    const remote = transportAddressOf(connection.remoteAddr)
    const { handlers, run } = this
    if (did === undefined || remote === undefined || handlers === undefined || run === undefined) return true
    const route = this.routes.of(remote)
    // Whoever was invited over a link is let in over it, and nobody else.
    if (route !== undefined && route.did.text !== did.text) return true
    const link = route?.link
    const { host, port } = link?.path().remote ?? remote
    const attempt: WireAttempt = { did, dialler, remote: { host, port }, link }
    const denied = !(await run(handlers.admit(attempt)))
    if (denied) return true
    if (connection.status !== "open") {
      handlers.abandoned(attempt)
      return true
    }
    connection.addEventListener("close", () => handlers.abandoned(attempt), { once: true })
    return false
  }

  /** libp2p's hooks; true denies. */
  readonly gater: ConnectionGater = {
    denyInboundConnection: (connection) => {
      const remote = transportAddressOf(connection.remoteAddr)
      if (remote === undefined || this.handlers === undefined) return true
      return this.routes.of(remote) === undefined && !this.handlers.admitSource(remote.host)
    },
    denyInboundEncryptedConnection: (peer, connection) => this.#admit(peer, connection, "peer"),
    denyOutboundEncryptedConnection: (peer, connection) => this.#admit(peer, connection, "self")
  }
}

export interface Libp2pWireParts {
  readonly node: Libp2p
  readonly components: Libp2pInside
  readonly gate: Gate
  readonly listen: ReadonlyArray<TransportAddress>
  readonly transports: ReadonlyArray<"quic" | "tcp">
  /** Whether there are links; they need QUIC. */
  readonly carriesLinks: boolean
}

/** The reason in libp2p's page of advice and stack traces, which has a line for the one address that was asked for. */
const listenFailure = (error: unknown): string => {
  const text = systemErrorText(error)
  return /^ *\/\S+: (?:\w+: )?(?:cannot listen on .*?, UDP port \d+: )?(.+)$/m.exec(text)?.[1] ?? text
}

const listenOn = Effect.fnUntraced(function* (
  components: Libp2pInside,
  wanted: TransportAddress,
  transports: ReadonlyArray<"quic" | "tcp">
) {
  const address = wanted.port === 0 ? { ...wanted, port: yield* freePort(wanted.host) } : wanted
  const start = (transport: "quic" | "tcp", port: number) =>
    Effect.tryPromise({
      try: () => components.transportManager.listen([multiaddrOf({ ...address, port, transport })]),
      catch: (error) =>
        new SessionListenFailed({
          address: `${format({ ...address, port })} (${transport})`,
          detail: listenFailure(error)
        })
    })
  for (const transport of transports) yield* start(transport, address.port)
})

export const make = ({ carriesLinks, components, gate, listen, node, transports }: Libp2pWireParts): Wire => {
  const connections = new Map<Connection, Libp2pConnection>()

  const { routes } = gate

  const onOpen = (handlers: WireHandlers, connection: Connection): void => {
    // libp2p also tells of one that broke while it was made, and then says no more of it.
    if (connection.status !== "open") return
    const did = didOf(connection.remotePeer)
    const remote = transportAddressOf(connection.remoteAddr)
    if (did === undefined || remote === undefined) return connection.abort(new Error("not a member's connection"))
    const own = new Libp2pConnection(connection, did, remote, routes.of(remote)?.link)
    connections.set(connection, own)
    handlers.opened(own)
  }

  const onClose = (handlers: WireHandlers, connection: Connection): void => {
    const own = connections.get(connection)
    if (own === undefined) return
    connections.delete(connection)
    own.gone()
    handlers.closed(own, own.reason)
    // What libp2p remembers of a peer is ours to remember, within limits.
    node.peerStore.delete(connection.remotePeer).catch(() => {})
  }

  const dial = (did: Did, target: WireTarget): Effect.Effect<void, WireDialFailed> =>
    Effect.asVoid(
      Effect.tryPromise({
        try: (signal) =>
          components.transportManager.dial(multiaddrOf(target).encapsulate(`/p2p/${peerIdText(did)}`), { signal }),
        catch: dialFailure
      })
    )

  const links: WireLinks | undefined = !carriesLinks
    ? undefined
    : {
        port: () => routes.port,
        add: (port, did, link) => routes.add(port, { did, link }),
        remove: (port) => routes.remove(port),
        dial: (port) => {
          const route = routes.at(port)
          return route === undefined
            ? Effect.fail(new WireDialFailed({ reason: "failed", detail: "the link is gone" }))
            : dial(route.did, { host: linkHost, port, transport: "quic" })
        }
      }

  return {
    links,
    start: Effect.fnUntraced(function* (handlers) {
      const run = yield* FiberSet.makeRuntimePromise()
      gate.run = (effect) => run(effect)
      gate.handlers = handlers
      const open = (event: CustomEvent<Connection>) => onOpen(handlers, event.detail)
      const close = (event: CustomEvent<Connection>) => onClose(handlers, event.detail)
      yield* Effect.acquireRelease(
        Effect.tryPromise({
          try: () => Promise.resolve(node.start()),
          catch: (error) => new SessionListenFailed({ address: "libp2p", detail: systemErrorText(error) })
        }),
        () => Effect.ignore(Effect.tryPromise(() => Promise.resolve(node.stop())))
      )
      node.addEventListener("connection:open", open)
      node.addEventListener("connection:close", close)
      for (const address of listen) yield* listenOn(components, address, transports)
      if (links === undefined) return
      routes.port = yield* freePort(linkHost)
      yield* listenOn(components, { host: linkHost, port: routes.port }, ["quic"])
    }),
    targets: ({ port, transport }, host) =>
      transports
        .filter((one) => transport === "any" || transport === one)
        .map((chosen) => ({ host, port, transport: chosen })),
    resolve: (host) => {
      const literal = canonical(host)
      if (literal !== undefined) return Effect.succeed([literal])
      return Effect.tryPromise(() => dns.lookup(host, { all: true })).pipe(
        Effect.map((found) => found.slice(0, resolvedMax).flatMap(({ address }) => canonical(address) ?? [])),
        Effect.orElseSucceed((): ReadonlyArray<string> => [])
      )
    },
    dial,
    listening: () => {
      const found = new Map<string, PeerAddress>()
      for (const address of components.transportManager.getAddrs()) {
        const at = transportAddressOf(address)
        if (at === undefined || routes.isListener(at)) continue
        const key = format(at)
        // QUIC and TCP share their port, so together they are one address.
        found.set(key, { host: at.host, port: at.port, transport: found.has(key) ? "any" : at.transport })
      }
      return [...found.values()]
    },
    serve: (protocol) =>
      Effect.acquireRelease(
        Effect.promise(() =>
          node.handle(
            protocol,
            (stream: Stream, connection: Connection) => {
              const own = connections.get(connection)
              if (own === undefined) return stream.abort(new Error("no session"))
              gate.handlers?.stream(own, protocol, new Libp2pStream(stream, own.isOpen))
            },
            { maxInboundStreams: streamsMax, maxOutboundStreams: streamsMax }
          )
        ),
        () => Effect.ignore(Effect.tryPromise(() => node.unhandle(protocol)))
      )
  }
}
