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

/** In the order in which they are exposed and documented. */
export const linkMetrics = [linkSignals] as const
