/**
 * The part of the catalogue of metrics (metrics.ts, through which it is used) that tells what became of candidates,
 * the members' own words of where they can be reached.
 */

/** Why a candidate was not taken, apart from its age. */
export const candidateRejectReasons = ["bad_signature", "future", "own", "unusable"] as const

export const candidatesReceived = {
  kind: "counter",
  name: "icn_candidates_received_total",
  help: "Candidates heard from other members, good and bad.",
  labels: {}
} as const

export const candidatesCached = {
  kind: "gauge",
  name: "icn_candidates_cached",
  help: "Candidates kept now.",
  labels: {},
  formerNames: { icn_candidates_cached_total: {} }
} as const

export const candidatesExpired = {
  kind: "counter",
  name: "icn_candidates_expired_total",
  help: "Candidates dropped because their time was over.",
  labels: {}
} as const

export const candidatesStaleRejected = {
  kind: "counter",
  name: "icn_candidates_stale_rejected_total",
  help: "Candidates heard that had expired or were no newer than the one at hand.",
  labels: {}
} as const

export const candidatesRejected = {
  kind: "counter",
  name: "icn_candidates_rejected_total",
  help: "Candidates heard that were bad, this node's own, or without an address that its bearer may tell of.",
  labels: { reason: candidateRejectReasons }
} as const
