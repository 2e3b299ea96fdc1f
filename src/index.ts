/**
 * What a program that embeds the node imports: services with their errors, the layers that implement them, the data
 * they speak of, and the supervisor that makes a whole node of them.
 */
export * as MetricsCatalogue from "./domain/metrics.ts"
export * as Did from "./domain/did.ts"
export * as TransportAddress from "./domain/transportAddress.ts"
export * as TurnConfig from "./domain/turnConfig.ts"
export * as TurnServer from "./domain/turnServer.ts"
export { version } from "./domain/version.ts"

export { DataDirectory, DataDirectoryError, DataDirectoryInUse } from "./services/DataDirectory.ts"
export { Health, type HealthReport, type PartHealth } from "./services/Health.ts"
export { Identity, IdentityError } from "./services/Identity.ts"
export { Metrics, type MetricsShape, report, reportAndIgnore } from "./services/Metrics.ts"
export { ConfigInvalid, NodeConfig } from "./services/NodeConfig.ts"
export * from "./services/TurnClient.ts"
export { Udp, UdpError } from "./services/Udp.ts"

export * as DataDirectoryFs from "./layers/DataDirectoryFs.ts"
export * as DataDirectoryMemory from "./layers/DataDirectoryMemory.ts"
export * as HealthMemory from "./layers/HealthMemory.ts"
export * as IdentityFile from "./layers/IdentityFile.ts"
export * as IdentityMemory from "./layers/IdentityMemory.ts"
export * as MetricsMemory from "./layers/MetricsMemory.ts"
export * as MetricsPrometheus from "./layers/MetricsPrometheus.ts"
export * as NodeConfigMemory from "./layers/NodeConfigMemory.ts"
export * as NodeConfigToml from "./layers/NodeConfigToml.ts"
export * as TracingOtlp from "./layers/TracingOtlp.ts"
export * as TurnMemory from "./layers/TurnMemory.ts"
export * as TurnUdp from "./layers/TurnUdp.ts"
export * as UdpMemory from "./layers/UdpMemory.ts"
export * as UdpNode from "./layers/UdpNode.ts"

export { nodeLayers } from "./programs/nodeLayers.ts"
export { type NodeEvent, StartupFailed, type Subsystems, supervise } from "./programs/supervisor.ts"
