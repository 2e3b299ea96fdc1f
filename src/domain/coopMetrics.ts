/**
 * The part of the catalogue of metrics (metrics.ts, through which it is used) about the cooperative: what other members
 * ask this node for.
 */

/** Questions as in protocol/coop.ts. */
export const coopRequestKinds = ["join", "pull", "push", "leave", "malformed"] as const

export const coopRequests = {
  kind: "counter",
  name: "icn_coop_requests_total",
  help: "Questions of other members about the cooperative, by kind and whether they were granted.",
  labels: { request: coopRequestKinds, result: ["granted", "refused"] }
} as const

export const coopRosterEpoch = {
  kind: "gauge",
  name: "icn_coop_roster_epoch",
  help: "Epoch of the roster and of the group key that this node uses; 0 without one.",
  labels: {}
} as const

/** In the order in which they are exposed and documented. */
export const coopMetrics = [coopRequests, coopRosterEpoch] as const
