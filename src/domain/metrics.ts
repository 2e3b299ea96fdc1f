/**
 * The catalogue of everything this node measures: Prometheus name, help text, kind and the bounded set of values of
 * each label. One list, so that names are found here, labels stay bounded by type, and `docs/metrics.md` is generated
 * from it. Base units only (seconds, bytes); `_total` on counters and on nothing else.
 */
import {
  candidatesCached,
  candidatesExpired,
  candidatesReceived,
  candidatesRejected,
  candidatesStaleRejected
} from "./candidateMetrics.ts"
import {
  candidatesPublished,
  gossipDropped,
  gossipIgnored,
  gossipPublished,
  gossipReceived,
  gossipRejected,
  gossipSubscriptions,
  gossipTopicsSubscribed
} from "./gossipMetrics.ts"
import { actors } from "./actors.ts"
import { coopMetrics } from "./coopMetrics.ts"
import { ledgerMetrics } from "./ledgerMetrics.ts"
import { linkMetrics } from "./linkMetrics.ts"
import { networkMetrics } from "./networkMetrics.ts"
import { operations } from "./operations.ts"
import { version } from "./version.ts"

/** The allowed values of each label of a metric: a finite list, never an identifier or free text. */
export type LabelValues = Readonly<Record<string, ReadonlyArray<string>>>

/** One value for each label of some metric. */
export type Labels = Readonly<Record<string, string>>

/** What a metric is called, what it tells and which labels it has. */
export interface MetricDefinition<K extends "counter" | "gauge" | "histogram", L extends LabelValues = LabelValues> {
  readonly kind: K
  readonly name: string
  readonly help: string
  readonly labels: L
  /** Upper bounds of a histogram's buckets, in the metric's unit. */
  readonly boundaries?: ReadonlyArray<number>
  /** What dashboards made for the Rust daemon (icnd) call this figure, where the name differs, and its labels here. */
  readonly formerNames?: Readonly<Record<string, Labels>>
}

/** A figure that only grows, from 0 at the start of the process. */
export type Counter<L extends LabelValues = LabelValues> = MetricDefinition<"counter", L>
/** A figure that goes up and down. */
export type Gauge<L extends LabelValues = LabelValues> = MetricDefinition<"gauge", L>
/** How often a figure was in which range. */
export type Histogram<L extends LabelValues = LabelValues> = MetricDefinition<"histogram", L> & {
  readonly boundaries: ReadonlyArray<number>
}
export type AnyMetric = Counter | Gauge | Histogram

/** One value for each label of a metric. */
export type LabelsOf<M extends AnyMetric> = { readonly [P in keyof M["labels"]]: M["labels"][P][number] }

/** What identifies one series of a metric, in the notation of Prometheus: `name{label="value"}`. */
export const seriesKey = (metric: AnyMetric, labels: Labels, suffix: "" | "_count" | "_sum" = ""): string => {
  const pairs = Object.keys(metric.labels).map((label) => `${label}="${labels[label] ?? ""}"`)
  return `${metric.name}${suffix}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`}`
}

/** Every combination of a metric's label values: all the series that it can ever have. */
export const labelCombinations = (metric: AnyMetric): ReadonlyArray<Labels> =>
  Object.entries(metric.labels).reduce<ReadonlyArray<Labels>>(
    (combinations, [label, values]) =>
      combinations.flatMap((labels) => values.map((value) => ({ ...labels, [label]: value }))),
    [{}]
  )

type Description<L extends LabelValues> = Omit<MetricDefinition<never, L>, "kind" | "boundaries">

const counter = <const L extends LabelValues>(description: Description<L>): Counter<L> => ({
  kind: "counter",
  ...description
})

const gauge = <const L extends LabelValues>(description: Description<L>): Gauge<L> => ({
  kind: "gauge",
  ...description
})

// --- supervisor ---

/** The phases of a start, in their order. */
export const startupPhases = ["config", "metrics", "identity", "network", "ledger", "rpc", "running"] as const
export type StartupPhase = (typeof startupPhases)[number]

/** The states of the node; a state's index here is its value in `icn_supervisor_state`. */
export const supervisorStates = ["stopped", "starting", "running", "stopping"] as const
export type SupervisorState = (typeof supervisorStates)[number]

export const supervisorErrors = counter({
  name: "icn_supervisor_errors_total",
  help: "Errors that ended in the log because nothing could handle them further, by what was being done.",
  labels: { operation: operations }
})

export const supervisorStartupPhases = counter({
  name: "icn_supervisor_startup_phases_total",
  help: "Start-up phases completed.",
  labels: { phase: startupPhases }
})

export const supervisorState = gauge({
  name: "icn_supervisor_state",
  help: "State of the node: 0 stopped, 1 starting, 2 running, 3 stopping.",
  labels: {}
})

export const supervisorActorsSpawned = counter({
  name: "icn_supervisor_actors_spawned_total",
  help: "Supervised parts started for the first time.",
  labels: { actor: actors }
})

export const supervisorActorSpawnFailures = counter({
  name: "icn_supervisor_actor_spawn_failures_total",
  help: "Supervised parts that could not be started.",
  labels: { actor: actors }
})

export const supervisorActorRestarts = counter({
  name: "icn_supervisor_actor_restarts_total",
  help: "Restarts of supervised parts after a crash.",
  labels: { actor: actors }
})

export const supervisorActorFlapping = counter({
  name: "icn_supervisor_actor_flapping_total",
  help: "Times a supervised part crashed so often that it was reported as degraded.",
  labels: { actor: actors }
})

// --- turn ---

/** Why an allocation failed, one per reason of `TurnError`. */
export const turnFailureReasons = [
  "timeout",
  "unauthorised",
  "quota",
  "mismatch",
  "peer_refused",
  "protocol",
  "unreachable"
] as const
export type TurnFailureReason = (typeof turnFailureReasons)[number]

/** As seen from this node: what it gave to the relay, and what the relay brought. */
export const directions = ["sent", "received"] as const

export const turnAllocations = counter({
  name: "icn_turn_allocations_total",
  help: "Relayed addresses obtained from a TURN server.",
  labels: {}
})

export const turnAllocationFailures = counter({
  name: "icn_turn_allocation_failures_total",
  help: "Attempts to obtain a relayed address that failed.",
  labels: { reason: turnFailureReasons }
})

export const turnAllocationRefreshes = counter({
  name: "icn_turn_allocation_refreshes_total",
  help: "Allocations extended in time.",
  labels: {}
})

export const turnPermissionRefreshes = counter({
  name: "icn_turn_permission_refreshes_total",
  help: "Peer permissions renewed on the TURN server.",
  labels: {},
  formerNames: { icn_turn_permission_refresh_total: {} }
})

export const turnRelocations = counter({
  name: "icn_turn_relocations_total",
  help: "Lost allocations replaced by a new one, usually with another relayed address.",
  labels: {}
})

export const turnRelayBytes = counter({
  name: "icn_turn_relay_bytes_total",
  help: "Payload bytes that went through the relay.",
  labels: { direction: directions },
  formerNames: {
    icn_relay_data_bytes_sent_total: { direction: "sent" },
    icn_relay_data_bytes_received_total: { direction: "received" }
  }
})

export const turnRelayPackets = counter({
  name: "icn_turn_relay_packets_total",
  help: "Datagrams that went through the relay.",
  labels: { direction: directions },
  formerNames: {
    icn_turn_relay_send_total: { direction: "sent" },
    icn_turn_relay_recv_total: { direction: "received" }
  }
})

export const turnDroppedPackets = counter({
  name: "icn_turn_dropped_packets_total",
  help: "Datagrams dropped: undecodable, unexpected, on an unknown channel, or sent without a relay.",
  labels: {}
})

export const turnLifetimeLeft = gauge({
  name: "icn_turn_lifetime_left_seconds",
  help: "Time until the allocation expires unless it is refreshed; 0 without an allocation.",
  labels: {}
})

// --- candidates ---

export * from "./actors.ts"
export * from "./candidateMetrics.ts"

// --- gossip ---

export * from "./gossipMetrics.ts"

// --- network, peer exchange ---

export * from "./networkMetrics.ts"

// --- links ---

export * from "./linkMetrics.ts"

// --- the ledger ---

export * from "./ledgerMetrics.ts"

// --- the cooperative ---

export * from "./coopMetrics.ts"

// --- local network ---

export const mdnsPacketsDropped = counter({
  name: "icn_mdns_packets_dropped_total",
  help: "Packets of the local network's multicast DNS that were malformed, misleading or too many.",
  labels: {}
})

// --- system ---

/** What is told of the event loop's delays since the latest update. */
export const lagStatistics = ["mean", "p99", "max"] as const

export const systemUptime = gauge({
  name: "icn_system_uptime_seconds",
  help: "Time since the process started.",
  labels: {}
})

export const systemActorsActive = gauge({
  name: "icn_system_actors_active",
  help: "Supervised parts running now.",
  labels: {}
})

export const systemEventLoopLag = gauge({
  name: "icn_system_event_loop_lag_seconds",
  help: "Delay of the event loop over the latest update interval.",
  labels: { statistic: lagStatistics }
})

export const buildInfo = gauge({
  name: "icn_build_info",
  help: "Always 1; the label tells the version.",
  labels: { version: [version] }
})

// --- process, by the naming conventions of Prometheus client libraries ---

export const processCpu = counter({
  name: "process_cpu_seconds_total",
  help: "User and system CPU time spent.",
  labels: {}
})

export const processResidentMemory = gauge({
  name: "process_resident_memory_bytes",
  help: "Resident memory size.",
  labels: {}
})

export const processStartTime = gauge({
  name: "process_start_time_seconds",
  help: "Start time of the process since the Unix epoch.",
  labels: {}
})

export const processHeapUsed = gauge({
  name: "nodejs_heap_size_used_bytes",
  help: "JavaScript heap in use.",
  labels: {}
})

export const processHeapTotal = gauge({
  name: "nodejs_heap_size_total_bytes",
  help: "JavaScript heap allocated.",
  labels: {}
})

export const processActiveResources = gauge({
  name: "nodejs_active_resources",
  help: "Sockets, timers and requests that keep the event loop alive.",
  labels: {}
})

/** Every metric, in the order in which they are exposed and documented. */
export const catalogue: ReadonlyArray<AnyMetric> = [
  supervisorErrors,
  supervisorStartupPhases,
  supervisorState,
  supervisorActorsSpawned,
  supervisorActorSpawnFailures,
  supervisorActorRestarts,
  supervisorActorFlapping,
  turnAllocations,
  turnAllocationFailures,
  turnAllocationRefreshes,
  turnPermissionRefreshes,
  turnRelocations,
  turnRelayBytes,
  turnRelayPackets,
  turnDroppedPackets,
  turnLifetimeLeft,
  candidatesReceived,
  candidatesCached,
  candidatesExpired,
  candidatesStaleRejected,
  candidatesRejected,
  candidatesPublished,
  gossipPublished,
  gossipReceived,
  gossipIgnored,
  gossipRejected,
  gossipDropped,
  gossipTopicsSubscribed,
  gossipSubscriptions,
  ...networkMetrics,
  ...linkMetrics,
  ...ledgerMetrics,
  ...coopMetrics,
  mdnsPacketsDropped,
  systemUptime,
  systemActorsActive,
  systemEventLoopLag,
  buildInfo,
  processCpu,
  processResidentMemory,
  processStartTime,
  processHeapUsed,
  processHeapTotal,
  processActiveResources
]
