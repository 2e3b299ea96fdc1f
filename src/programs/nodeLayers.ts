/**
 * The parts of a real node: which layer serves each service of `Subsystems`. An embedder takes this and replaces what
 * it wants otherwise.
 */
import type { FileSystem, Path } from "effect"
import { Duration, Effect, Layer, Option } from "effect"
import type { NodeConfigData } from "../domain/nodeConfig.ts"
import * as CooperativeFile from "../layers/CooperativeFile.ts"
import * as DataDirectoryFs from "../layers/DataDirectoryFs.ts"
import * as GossipLibp2p from "../layers/GossipLibp2p.ts"
import * as HealthMemory from "../layers/HealthMemory.ts"
import * as IdentityFile from "../layers/IdentityFile.ts"
import * as LedgerSqlite from "../layers/LedgerSqlite.ts"
import * as LedgerSyncMemory from "../layers/LedgerSyncMemory.ts"
import * as MetricsPrometheus from "../layers/MetricsPrometheus.ts"
import * as NodeConfigToml from "../layers/NodeConfigToml.ts"
import * as PeerBookFile from "../layers/PeerBookFile.ts"
import * as SessionLibp2p from "../layers/SessionLibp2p.ts"
import * as TracingOtlp from "../layers/TracingOtlp.ts"
import * as TurnUdpTcp from "../layers/TurnUdpTcp.ts"
import { NodeConfig } from "../services/NodeConfig.ts"
import * as Logging from "./logging.ts"
import * as ProcessMetrics from "./processMetrics.ts"
import type { Subsystems } from "./supervisor.ts"

export interface NodeLayersOptions {
  readonly config: NodeConfigToml.Options
  readonly passphrase: (configured: IdentityFile.PassphraseSource["configured"]) => IdentityFile.PassphraseSource
  /** Whether standard error is a terminal, and whether it may be coloured. */
  readonly terminal: { readonly isTerminal: boolean; readonly colors: boolean }
}

const telemetry = (terminal: NodeLayersOptions["terminal"]) =>
  Layer.unwrap(
    Effect.map(NodeConfig, ({ values: { observability } }) =>
      Layer.merge(
        TracingOtlp.layer(observability.tracing),
        Logging.layer({ level: observability.logLevel, format: observability.logFormat, ...terminal })
      )
    )
  )

const identity = (passphrase: NodeLayersOptions["passphrase"]) =>
  Layer.unwrap(
    Effect.map(NodeConfig, ({ values }) =>
      IdentityFile.layer(passphrase(Option.fromUndefinedOr(values.identity.keystorePassphrase)))
    )
  )

const dataDirectory = Layer.unwrap(Effect.map(NodeConfig, ({ values }) => DataDirectoryFs.layer(values.dataDir)))

/** The configuration as the sessions want it. */
const sessionOptions = ({
  network,
  supervisor
}: NodeConfigData): Omit<SessionLibp2p.Libp2pSessionOptions, "relay"> => ({
  listen: network.listenAddr,
  bootstrapPeers: network.bootstrapPeers,
  announceAddresses: network.announceAddresses,
  connectionsMax: network.connectionsMax,
  connectionsPerAddressMax: network.connectionsPerAddressMax,
  handshakesMax: network.handshakesMax,
  streamsPerPeerMax: network.streamsPerPeerMax,
  dialsMax: network.dialsMax,
  dialTimeoutMillis: Duration.toMillis(network.dialTimeout),
  peerExchangeDelayMillis: Duration.toMillis(supervisor.peerExchangeDelay),
  peerExchangeMaxPeers: supervisor.peerExchangeMaxPeers,
  links: network.linksEnabled && {
    port: network.linkPort,
    stunServers: network.stunServers,
    relayLimits: {
      perMemberBytesPerSecond: network.linkRelayBytesPerSecond,
      totalBytesPerSecond: network.linkRelayTotalBytesPerSecond
    }
  }
})

const sessions: Subsystems["sessions"] = (relay) =>
  Layer.unwrap(
    Effect.map(NodeConfig, ({ values }) =>
      GossipLibp2p.layer({ limits: values.rateLimiting }).pipe(
        Layer.provideMerge(SessionLibp2p.layer({ ...sessionOptions(values), relay })),
        Layer.provideMerge(PeerBookFile.layer)
      )
    )
  )

const ledger: Subsystems["ledger"] = Layer.unwrap(
  Effect.map(NodeConfig, ({ values: { cooperative } }) =>
    CooperativeFile.layer().pipe(
      Layer.provideMerge(LedgerSqlite.layerWith({ awaitOwnChain: true, coop: cooperative.coop || undefined })),
      Layer.merge(LedgerSyncMemory.layer)
    )
  )
)

/** A node as `icn-node run` starts it. */
export const nodeLayers = ({
  config,
  passphrase,
  terminal
}: NodeLayersOptions): Effect.Effect<Subsystems, never, FileSystem.FileSystem | Path.Path> =>
  Effect.map(Effect.context<FileSystem.FileSystem | Path.Path>(), (platform) => ({
    observability: Layer.merge(HealthMemory.layer, ProcessMetrics.layer).pipe(
      Layer.provideMerge(MetricsPrometheus.layer)
    ),
    config: NodeConfigToml.layer(config).pipe(Layer.provide(Layer.succeedContext(platform))),
    telemetry: telemetry(terminal),
    dataDirectory,
    identity: identity(passphrase),
    sessions,
    turn: TurnUdpTcp.layerNode,
    ledger
  }))
