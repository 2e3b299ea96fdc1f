/**
 * The part of the catalogue of metrics (metrics.ts, through which it is used) about sessions with other members and
 * what they tell each other of their peers.
 */

/** As seen from this node. */
const directions = ["sent", "received"] as const

/** Which side of the session dialled. */
export const sessionDirections = ["inbound", "outbound"] as const
/** What sessions run over. */
export const transports = ["quic", "tcp", "memory"] as const

export const networkConnections = {
  kind: "counter",
  name: "icn_network_connections_total",
  help: "Sessions opened with other members, by who dialled.",
  labels: { direction: sessionDirections }
} as const

export const networkConnectionsActive = {
  kind: "gauge",
  name: "icn_network_connections_active",
  help: "Members with whom there is a session now.",
  labels: {}
} as const

export const networkPeersDiscovered = {
  kind: "gauge",
  name: "icn_network_peers_discovered",
  help: "Members of whom an address is known, or with whom there was a session.",
  labels: {}
} as const

export const networkConnectionsRejected = {
  kind: "counter",
  name: "icn_network_connections_rejected_total",
  help: "Connections refused: too many in all, or too many from one address.",
  labels: { reason: ["limit", "address"] }
} as const

export const networkDials = {
  kind: "counter",
  name: "icn_network_dials_total",
  help: "Attempts to reach a member at one of its addresses.",
  labels: { transport: transports }
} as const

export const networkDialFailures = {
  kind: "counter",
  name: "icn_network_dial_failures_total",
  help: "Attempts to reach a member at one of its addresses that failed.",
  labels: { transport: transports }
} as const

export const networkStreamsRefused = {
  kind: "counter",
  name: "icn_network_streams_refused_total",
  help: "Streams that a member opened beyond the limits.",
  labels: {}
} as const

/** Another version, or a message that cannot be read, comes at the wrong time or too often, or does not come. */
export const controlFailures = ["flood", "malformed", "order", "silence", "version"] as const

export const networkControlFailures = {
  kind: "counter",
  name: "icn_network_control_failures_total",
  help: "Connections ended because the member did not keep to the control protocol.",
  labels: { reason: controlFailures }
} as const

export const networkMessagesSent = {
  kind: "counter",
  name: "icn_network_messages_sent_total",
  help: "Frames sent on the streams of sessions.",
  labels: {}
} as const

export const networkMessagesReceived = {
  kind: "counter",
  name: "icn_network_messages_received_total",
  help: "Frames received on the streams of sessions.",
  labels: {}
} as const

export const networkBytesSent = {
  kind: "counter",
  name: "icn_network_bytes_sent_total",
  help: "Payload bytes sent on the streams of sessions.",
  labels: {}
} as const

export const networkBytesReceived = {
  kind: "counter",
  name: "icn_network_bytes_received_total",
  help: "Payload bytes received on the streams of sessions.",
  labels: {}
} as const

export const peerExchangeRequests = {
  kind: "counter",
  name: "icn_peer_exchange_requests_total",
  help: "Questions for the members that a node has sessions with.",
  labels: { direction: directions },
  formerNames: {
    icn_peer_exchange_requests_sent_total: { direction: "sent" },
    icn_peer_exchange_requests_received_total: { direction: "received" }
  }
} as const

export const peerExchangeResponses = {
  kind: "counter",
  name: "icn_peer_exchange_responses_total",
  help: "Answers with the members that a node has sessions with.",
  labels: { direction: directions },
  formerNames: {
    icn_peer_exchange_responses_sent_total: { direction: "sent" },
    icn_peer_exchange_responses_received_total: { direction: "received" }
  }
} as const

export const peerExchangePeersDiscovered = {
  kind: "counter",
  name: "icn_peer_exchange_peers_discovered_total",
  help: "Members named by others, with at least one address that may be dialled.",
  labels: {}
} as const

export const peerExchangePeersDialed = {
  kind: "counter",
  name: "icn_peer_exchange_peers_dialed_total",
  help: "Dials of members that nobody configured, made by the node itself because they were heard of or met before.",
  labels: {}
} as const

export const peerExchangeDialFailures = {
  kind: "counter",
  name: "icn_peer_exchange_dial_failures_total",
  help: "Those of these dials that failed.",
  labels: {}
} as const

/** In the order in which they are exposed and documented. */
export const networkMetrics = [
  networkConnections,
  networkConnectionsActive,
  networkPeersDiscovered,
  networkConnectionsRejected,
  networkDials,
  networkDialFailures,
  networkStreamsRefused,
  networkControlFailures,
  networkMessagesSent,
  networkMessagesReceived,
  networkBytesSent,
  networkBytesReceived,
  peerExchangeRequests,
  peerExchangeResponses,
  peerExchangePeersDiscovered,
  peerExchangePeersDialed,
  peerExchangeDialFailures
] as const
