/**
 * The part of the catalogue of metrics (metrics.ts, through which it is used) about links, the ways on which sessions
 * run below libp2p.
 */

/** Signals that this node sent for itself, those for it that others sent, and those that it passed on. */
export const linkSignalDirections = ["sent", "received", "forwarded"] as const

/**
 * What became of them. Sent or passed on: `delivered`, or `unknown` (no way there), `limited` (too many), `timeout`.
 * Received: `delivered`, or `limited`, `duplicate`, or what was wrong with the offer.
 */
export const linkSignalResults = [
  "delivered",
  "unknown",
  "limited",
  "timeout",
  "bad_seal",
  "malformed",
  "misaddressed",
  "own",
  "expired",
  "future",
  "bad_signature",
  "duplicate",
  "superseded"
] as const
export type LinkSignalResult = (typeof linkSignalResults)[number]

export const linkSignals = {
  kind: "counter",
  name: "icn_link_signals_total",
  help: "Sealed link offers sent to other members, received, and passed on, by what became of them.",
  labels: { direction: linkSignalDirections, result: linkSignalResults }
} as const

export const linkPathKinds = ["direct", "reflexive", "relayed"] as const

export const linkAttempts = {
  kind: "counter",
  name: "icn_link_attempts_total",
  help: "Links begun with other members, by who made the offer.",
  labels: { role: ["offerer", "answerer"] }
} as const

/** What a link can come to before a session is there, as layers/session/link tells it. */
export const linkFailures = ["noRoute", "noAnswer", "refused", "noPath", "noSession", "limit", "closed"] as const

export const linkAttemptFailures = {
  kind: "counter",
  name: "icn_link_attempt_failures_total",
  help: "Links over which no session came up, by what was missing.",
  labels: { reason: linkFailures }
} as const

export const linkEstablished = {
  kind: "counter",
  name: "icn_link_established_total",
  help: "Links that found a first way to the member, by its kind.",
  labels: { kind: linkPathKinds }
} as const

export const linkSetupSeconds = {
  kind: "histogram",
  name: "icn_link_setup_seconds",
  help: "Time from the beginning of a link to its first way, offer and answer included, in seconds.",
  labels: { kind: linkPathKinds },
  boundaries: [0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10]
} as const

export const linkSwitches = {
  kind: "counter",
  name: "icn_link_switches_total",
  help: "Changes of way below a live session, by the kind of the new way and why.",
  labels: { to: linkPathKinds, reason: ["better", "lost", "nominated"] }
} as const

export const linkConsentLost = {
  kind: "counter",
  name: "icn_link_consent_lost_total",
  help: "Ways on which a member answered no more, by their kind (RFC 7675).",
  labels: { kind: linkPathKinds }
} as const

export const linksActive = {
  kind: "gauge",
  name: "icn_links_active",
  help: "Links with other members now, those being made included.",
  labels: {}
} as const

export const linkRelayBytes = {
  kind: "counter",
  name: "icn_link_relay_bytes_total",
  help: "Payload of links that went through this node's relay, in bytes.",
  labels: { direction: ["sent", "received"] }
} as const

export const linkDroppedPackets = {
  kind: "counter",
  name: "icn_link_dropped_packets_total",
  help: "Datagrams of links dropped: no way, no such family, over the relay's limit, from nobody known, or bad STUN.",
  labels: { reason: ["noPath", "noFamily", "relayLimit", "stray", "malformed"] }
} as const

export const linkChecksRefused = {
  kind: "counter",
  name: "icn_link_checks_refused_total",
  help: "Connectivity checks that named no link of this node, were not signed as they should be, or were too many.",
  labels: {}
} as const

export const linkChecksHeldBack = {
  kind: "counter",
  name: "icn_link_checks_held_back_total",
  help: "Connectivity checks not sent or not waited for: too many to a host that does not answer, or at once.",
  labels: {}
} as const

export const linkBindingAnswers = {
  kind: "counter",
  name: "icn_link_binding_requests_total",
  help: "STUN Binding requests of anybody on the link socket, answered or left because there were too many.",
  labels: { result: ["answered", "limited"] }
} as const

/** In the order in which they are exposed and documented. */
export const linkMetrics = [
  linkSignals,
  linkAttempts,
  linkAttemptFailures,
  linkEstablished,
  linkSetupSeconds,
  linkSwitches,
  linkConsentLost,
  linksActive,
  linkRelayBytes,
  linkDroppedPackets,
  linkChecksRefused,
  linkChecksHeldBack,
  linkBindingAnswers
] as const
