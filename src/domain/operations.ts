/**
 * The bounded set of `operation` labels under which errors that nobody handles further are counted
 * (`icn_supervisor_errors_total{operation}`): what the node was doing, never what went wrong.
 */
export const operations = [
  "actor_crash",
  "config",
  "cooperative",
  "identity",
  "ledger",
  "ledger_audit",
  "ledger_storage",
  "ledger_sync",
  "mdns",
  "metrics_server",
  "metrics_server_start",
  "metrics_update",
  "network",
  "peer_book",
  "peer_exchange",
  "session_handler",
  "session_upkeep",
  "rpc_server",
  "shutdown",
  "shutdown_timeout",
  "startup",
  "tracing",
  "turn_allocate",
  "turn_refresh",
  "turn_peer"
] as const

export type Operation = (typeof operations)[number]
