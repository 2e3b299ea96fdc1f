/**
 * Keys of the Rust reference's icn.toml that nothing in this version uses. They are a warning instead of an error, so
 * that a file written for it can be taken over as it is; each leaves this list on the day it becomes a real key.
 */
const rate = ["max_messages_per_second", "burst_capacity"]

/** Tables with their keys. */
const known: Readonly<Record<string, ReadonlyArray<string>>> = {
  network: [
    "rpc_port",
    "min_trust_threshold",
    "e2e_encryption_enabled",
    "encryption_cleanup_circuit_breaker_threshold"
  ],
  observability: ["health_port"],
  rate_limiting: ["refill_interval_ms"],
  "rate_limiting.isolated": rate,
  "rate_limiting.known": rate,
  "rate_limiting.partner": rate,
  "rate_limiting.federated": rate,
  topology: ["region", "cluster_id", "role"],
  "topology.neighbor_limits": ["max_local_cluster", "max_regional", "max_backbone", "max_trusted"],
  "topology.fanout": ["local_cluster", "regional", "global"],
  gateway: ["enabled", "bind_addr", "token_expiry_hours", "challenge_ttl_minutes", "jwt_secret"],
  "gateway.audit_retention": [
    "retention_days",
    "max_records_per_entity",
    "prune_interval_secs",
    "auto_prune_enabled",
    "prune_batch_size"
  ],
  federation: [
    "enabled",
    "coop_id",
    "coop_name",
    "network_name",
    "bootstrap_peer_trust",
    "auto_accept_invites",
    "min_invite_trust",
    "max_federations",
    "announce_public_addr"
  ],
  "federation.retry": ["max_retries", "initial_delay_secs", "max_delay_secs", "reconnect_interval_secs"],
  privacy: [
    "enabled",
    "onion_routing_enabled",
    "topic_encryption_enabled",
    "traffic_obfuscation_enabled",
    "onion_hops",
    "min_relay_trust",
    "padding_target",
    "max_delay_ms",
    "cover_traffic_rate"
  ],
  cooperative: ["treasury_did", "name", "description"],
  steward: [
    "enabled",
    "vui_threshold",
    "vui_total_shares",
    "max_concurrent_enrollments",
    "max_concurrent_recoveries",
    "token_validity_secs"
  ],
  supervisor: ["clock_sync_interval_secs"]
}

/** Dotted paths of keys without effect. */
export const knownPaths: ReadonlySet<string> = new Set(
  Object.entries(known).flatMap(([table, names]) => names.map((name) => `${table}.${name}`))
)

/** Whether a dotted path is a table of such keys. */
export const isKnownTable = (path: string): boolean => Object.hasOwn(known, path)

/** What to say about such a key. */
export const withoutEffect = (path: string): string =>
  path === "observability.health_port"
    ? "known, without effect in this version: /health is served on metrics_port"
    : "known, without effect in this version"
