/** The supervised parts of the node, as they appear in metrics, in `/health` and in `icn-node status`. */
export const actors = [
  "candidate_announce",
  "candidate_cleanup",
  "ledger_metrics",
  "ledger_sync",
  "mdns",
  "metrics_server",
  "metrics_update",
  "node_profiles",
  "rpc_server",
  "session_log",
  "turn"
] as const
export type Actor = (typeof actors)[number]
