/**
 * What must hold between several keys, and what is allowed but doubtful. Each rule looks at decoded values and answers
 * with a sentence or nothing.
 */
import { Duration, Redacted } from "effect"
import type { KeyPath, NodeConfigData } from "./nodeConfig.ts"
import { grpcPort } from "./otlpEndpoint.ts"
import type { TransportAddress } from "./transportAddress.ts"

export interface Rule {
  /** The keys that the rule looks at; the first is the one to blame. */
  readonly keys: readonly [KeyPath, ...ReadonlyArray<KeyPath>]
  readonly violation: (values: NodeConfigData) => string | undefined
}

/** A combination that cannot work. */
export const errors: ReadonlyArray<Rule> = [
  {
    keys: ["network.turn_username", "network.turn_password", "network.turn_password_file"],
    violation: ({ network }) =>
      network.turnUsername !== undefined && network.turnPassword === undefined
        ? "needs turn_password or turn_password_file as well"
        : undefined
  },
  {
    keys: ["network.turn_password", "network.turn_username"],
    violation: ({ network }) =>
      network.turnPassword !== undefined && network.turnUsername === undefined
        ? "needs turn_username as well"
        : undefined
  },
  {
    keys: ["supervisor.restart_initial_delay_ms", "supervisor.restart_max_delay_secs"],
    violation: ({ supervisor }) =>
      Duration.isGreaterThan(supervisor.restartInitialDelay, supervisor.restartMaxDelay)
        ? "must not be longer than restart_max_delay_secs"
        : undefined
  }
]

/** Twelve random letters and digits are 71 bits: out of reach of guessing over the network. */
export const weakSecretLength = 12

const weak = (secret: Redacted.Redacted | undefined): string | undefined =>
  secret !== undefined && Array.from(Redacted.value(secret)).length < weakSecretLength
    ? `weak secret: shorter than ${weakSecretLength} characters`
    : undefined

const isLoopback = ({ host }: TransportAddress): boolean => /^(?:::ffff:)?127\./.test(host) || host === "::1"
const isUnspecified = ({ host }: TransportAddress): boolean => ["0.0.0.0", "::", "::ffff:0.0.0.0"].includes(host)

/** A combination that works, but perhaps not as it was meant. */
export const doubts: ReadonlyArray<Rule> = [
  { keys: ["network.turn_password"], violation: ({ network }) => weak(network.turnPassword) },
  {
    keys: ["network.mdns_enabled", "network.listen_addr"],
    violation: ({ network }) =>
      network.mdnsEnabled && network.listenAddr.every(isLoopback)
        ? "other machines cannot reach this node: listen_addr has loopback addresses only"
        : undefined
  },
  {
    keys: ["network.mdns_enabled", "network.mdns_interfaces", "network.listen_addr"],
    violation: ({ network: { listenAddr, mdnsEnabled, mdnsInterfaces } }) =>
      mdnsEnabled &&
      mdnsInterfaces.length === 0 &&
      listenAddr.some(isUnspecified) &&
      listenAddr.every((address) => isUnspecified(address) || isLoopback(address))
        ? "reaches no other machine: name interfaces in mdns_interfaces, or an address of one in listen_addr"
        : undefined
  },
  { keys: ["identity.keystore_passphrase"], violation: ({ identity }) => weak(identity.keystorePassphrase) },
  {
    keys: ["observability.metrics_bind"],
    violation: ({ observability }) =>
      ["0.0.0.0", "::"].includes(observability.metricsBind)
        ? "metrics and health are readable by everybody who reaches any address of this machine"
        : undefined
  },
  {
    keys: ["observability.tracing.otlp_endpoint"],
    violation: ({ observability: { tracing } }) =>
      new URL(tracing.otlpEndpoint).port === grpcPort
        ? `port ${grpcPort} usually speaks OTLP over gRPC; this node speaks HTTP, usually on port 4318`
        : undefined
  }
]
