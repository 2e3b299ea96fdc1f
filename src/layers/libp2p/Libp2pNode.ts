/**
 * The libp2p node that sessions and gossip share: its transports, limits and services. libp2p stays behind the layers
 * whose names end in Libp2p; nobody else sees it. Dialling, settling on one connection per member, re-dialling and the
 * candidates are our own (layers/session), so everything of that kind in libp2p is switched off here.
 */
import type { GossipSub } from "@libp2p/gossipsub"
import type { ConnectionGater, Libp2p, Transport } from "@libp2p/interface"
import type { Libp2pInit } from "libp2p"
import type { Multiaddr } from "@multiformats/multiaddr"
import { Context, Effect, Redacted, Schema } from "effect"
import { systemErrorText } from "../../domain/systemError.ts"
import { version } from "../../domain/version.ts"
import type { Identity } from "../../services/Identity.ts"
import type { GossipsubOptions } from "./gossipsub.ts"

type Components = Parameters<NonNullable<Libp2pInit["transports"]>[number]>[0]

/** The node, and its gossip. */
export class Libp2pNode extends Context.Service<Libp2pNode, { readonly node: Libp2p; readonly gossipsub: GossipSub }>()(
  "icn-node/layers/libp2p/Libp2pNode"
) {}

/** libp2p did not start. */
export class Libp2pFailed extends Schema.TaggedError<Libp2pFailed>()("Libp2pFailed", { detail: Schema.String }) {
  override get message() {
    return this.detail
  }
}

export interface Libp2pOptions {
  readonly connectionsMax: number
  /** Incoming handshakes at once. */
  readonly handshakesMax: number
  readonly gossip: GossipsubOptions
  /** Which transports there are; QUIC is tried first. */
  readonly transports: ReadonlyArray<"quic" | "tcp">
  readonly gater: ConnectionGater
}

/** What of libp2p's inside its layers use: listening, and dialling one address without libp2p's own dial queue. */
export interface Libp2pInside {
  readonly transportManager: {
    readonly dial: (address: Multiaddr, options: { readonly signal: AbortSignal }) => Promise<unknown>
    readonly listen: (addresses: Array<Multiaddr>) => Promise<void>
    readonly getAddrs: () => Array<Multiaddr>
  }
}

/** As long as a link may be cut before a session over it is given up; a path change happens within this. */
const idleMillisMax = 30_000
/** yamux's window per stream: what one direction of a TCP session has on its way, enough for 100 Mbit/s at 160 ms. */
export const streamWindowBytes = 2_097_152
/** Above every limit of layers/session, which refuses with a reason and counts it. */
const streamsPerProtocol = 4096

/** The libraries take most of a second to load, so that only what runs a node loads them. */
const load = Effect.promise(() =>
  Promise.all([
    import("libp2p"),
    import("@libp2p/crypto/keys"),
    import("@libp2p/identify"),
    import("@libp2p/noise"),
    import("@libp2p/yamux"),
    import("./gossipsub.ts")
  ])
)

const loadTcp = Effect.promise(() => import("@libp2p/tcp"))
const loadQuic = Effect.promise(() => import("./quic/QuicTransport.ts"))
const loadNativeQuic = Effect.tryPromise({
  try: async () => (await import("./quic/native.ts")).loadNative(),
  catch: (error) => new Libp2pFailed({ detail: systemErrorText(error) })
})

/** The wanted transports that this platform has: QUIC needs a binary, and a node without one goes on over TCP. */
export const availableTransports = Effect.fnUntraced(function* (
  wanted: ReadonlyArray<"quic" | "tcp">,
  native: Effect.Effect<unknown, Libp2pFailed> = loadNativeQuic
) {
  if (!wanted.includes("quic")) return wanted
  const missing = yield* Effect.flip(native).pipe(Effect.orElseSucceed(() => undefined))
  if (missing === undefined) return wanted
  const others = wanted.filter((transport) => transport !== "quic")
  if (others.length === 0) return yield* missing
  yield* Effect.logWarning(`${missing.detail}; sessions go over TCP alone`)
  return others
})

/** A node that has not started yet, with its inside. */
export const make = Effect.fnUntraced(function* (identity: Identity["Service"], options: Libp2pOptions) {
  const [{ createLibp2p }, { privateKeyFromRaw }, { identify }, { noise }, { yamux }, { gossipsubFactory }] =
    yield* load
  const available = yield* availableTransports(options.transports)
  const transports: Array<(components: Components) => Transport> = []
  if (available.includes("quic")) {
    const { quic } = yield* loadQuic
    transports.push(quic({ acceptLoops: options.handshakesMax, maxIdleTimeout: idleMillisMax }))
  }
  if (available.includes("tcp")) {
    const { tcp } = yield* loadTcp
    transports.push(
      tcp({ inboundSocketInactivityTimeout: idleMillisMax, outboundSocketInactivityTimeout: idleMillisMax })
    )
  }
  const seed = Redacted.value(identity.handshakeSeed)
  const privateKey = privateKeyFromRaw(Buffer.concat([seed, identity.did.publicKey]))
  const inside: { components: Libp2pInside | undefined } = { components: undefined }
  const node = yield* Effect.tryPromise({
    try: () =>
      createLibp2p({
        privateKey,
        start: false,
        nodeInfo: { name: "icn-node", version, userAgent: `icn-node/${version}` },
        // Where this node is, it tells as a signed candidate and under `announce_addresses`, not by identify.
        addresses: { listen: [], announceFilter: () => [] },
        transports,
        connectionEncrypters: [noise()],
        streamMuxers: [
          yamux({
            maxInboundStreams: streamsPerProtocol,
            maxOutboundStreams: streamsPerProtocol,
            streamOptions: { maxStreamWindowSize: streamWindowBytes }
          })
        ],
        connectionGater: options.gater,
        connectionManager: {
          // The session table counts more strictly; this is the floor below it.
          maxConnections: options.connectionsMax + options.handshakesMax,
          maxIncomingPendingConnections: options.handshakesMax,
          // Sources are limited by how many connections they hold, not by how fast they come back.
          inboundConnectionThreshold: Number.MAX_SAFE_INTEGER,
          reconnectRetries: 0
        },
        connectionMonitor: { enabled: false },
        services: {
          identify: identify({ maxInboundStreams: 2, maxOutboundStreams: 2 }),
          gossipsub: gossipsubFactory(options.gossip),
          inside: (components) => {
            inside.components = components
            return {}
          }
        }
      }),
    catch: (error) => new Libp2pFailed({ detail: systemErrorText(error) })
  })
  const { components } = inside
  if (components === undefined) return yield* new Libp2pFailed({ detail: "libp2p made no services" })
  return { node, components, gossipsub: node.services.gossipsub, transports: available }
})
