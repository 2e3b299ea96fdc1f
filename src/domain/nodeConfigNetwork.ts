/**
 * The keys of `[network]` and `[rate_limiting]`, a part of the table in nodeConfigTable.ts: where the node listens, how
 * it finds other members, how many it deals with at once, and its TURN relay.
 */
import { Result, Schema } from "effect"
import {
  boolean,
  choice,
  integer,
  list,
  milliseconds,
  optional,
  parsed,
  seconds,
  secret,
  secretFile,
  section,
  text
} from "./nodeConfigKey.ts"
import { links } from "./nodeConfigLinks.ts"
import * as Items from "./nodeConfigNetworkItems.ts"
import * as PeerAddress from "./peerAddress.ts"
import * as TransportAddress from "./transportAddress.ts"
import { turnTransportChoices } from "./turnConfig.ts"
import * as TurnServer from "./turnServer.ts"

/** Which of its own addresses the node tells others. */
export const announcements = ["all", "public", "none"] as const

/** RFC 8489 section 14.3: USERNAME is shorter than 509 bytes. */
const usernameBytesMax = 508

/** What stands where the DID should may be a password, which the sentence would repeat. */
const parsePeer = (text: string) =>
  Result.mapError(PeerAddress.parse(text), (why) =>
    why.replace(/^".*" is not a DID/s, "what is before the @ is not a DID")
  )

const members = {
  listen_addr: list({
    doc: "Where this node listens, QUIC (UDP) and TCP on the same port; port 0 takes a free one.",
    default: ["127.0.0.1:0"],
    example: ["0.0.0.0:7777", "[::]:7777"],
    flag: "--listen",
    item: Items.listenAddressAllowed,
    itemsMin: 1,
    itemsMax: 8,
    schema: Items.ListenAddress,
    parse: Items.parseListenAddress,
    format: TransportAddress.format
  }),
  announce_addresses: choice(announcements, {
    doc: "Which of its addresses this node tells other members: all, those reachable from the internet, or none.",
    default: "all"
  }),
  bootstrap_peers: list({
    doc: "Members to connect to at start, and to ask for others; each has to prove the identity given here.",
    default: [],
    example: ["icn://did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK@seed.example.org:7777"],
    flag: "--bootstrap",
    item: PeerAddress.allowed,
    itemsMax: 64,
    schema: PeerAddress.PeerUri,
    parse: parsePeer,
    format: PeerAddress.format
  }),
  mdns_enabled: boolean({ doc: "Whether to find members on the local network by multicast (mDNS).", default: false }),
  mdns_interfaces: list({
    doc: "The only interfaces that mDNS uses; none named: those of the addresses in listen_addr but 0.0.0.0 and [::].",
    default: [],
    example: ["eth0", "192.168.1.10"],
    item: Items.interfaceAllowed,
    itemsMax: 16,
    schema: Schema.String,
    parse: Items.parseInterface,
    format: (name) => name
  })
}

const limits = {
  connections_max: integer({
    doc: "Connections with other members at once, whoever opened them.",
    unit: "connections",
    default: 256,
    minimum: 1,
    maximum: 4096
  }),
  connections_per_address_max: integer({
    doc: "Incoming connections from one IP address at once; of public IPv6 from one /64.",
    unit: "connections",
    default: 16,
    minimum: 1,
    maximum: 4096
  }),
  handshakes_max: integer({
    doc: "Incoming connections that may be in their handshake at once; more cost a little of every round trip.",
    unit: "handshakes",
    default: 64,
    minimum: 1,
    maximum: 1024
  }),
  dials_max: integer({
    doc: "Attempts to connect to other members at once.",
    unit: "dials",
    default: 16,
    minimum: 1,
    maximum: 256
  }),
  streams_per_peer_max: integer({
    doc: "Streams that one member may have open at once.",
    unit: "streams",
    default: 64,
    minimum: 1,
    maximum: 1024
  }),
  dial_timeout_ms: milliseconds({
    doc: "The longest that one attempt to connect may take, handshake included.",
    default: 10_000,
    minimum: 500,
    maximum: 120_000
  })
}

const turn = {
  turn_server: optional(
    parsed({
      doc: "The TURN server; a host name is looked up at each use. Without one the node has no relay.",
      allowed: TurnServer.allowed,
      example: "turn.example.org:3478",
      whenArray: "lists of servers are not yet supported; name one server as a string",
      schema: TurnServer.TurnServer,
      parse: TurnServer.parse,
      format: TurnServer.format
    })
  ),
  turn_transport: choice(turnTransportChoices, {
    doc: "How to reach the TURN server; auto is UDP, or TCP where UDP is refused or silent for 3 s, at each attempt.",
    default: "auto"
  }),
  turn_username: optional(
    text({
      doc: "User name for the TURN server's long-term credentials; needs a password as well.",
      example: "alice",
      bytesMax: usernameBytesMax
    })
  ),
  turn_password: optional(
    secret({
      doc: "Password for the TURN server; better kept in turn_password_file.",
      example: "a long random password"
    })
  ),
  turn_password_file: optional(
    secretFile({ doc: "A file whose one line is turn_password.", example: "/run/secrets/turn_password" })
  ),
  turn_allocation_lifetime_secs: seconds({
    doc: "Lifetime asked for at each allocation and refresh; the server may grant less or more.",
    default: 600,
    minimum: 1,
    maximum: 3600
  }),
  turn_keepalive_secs: seconds({
    doc: "How often an idle allocation is checked, which also keeps NAT bindings open.",
    default: 25,
    minimum: 1,
    maximum: 600
  }),
  turn_timeout_ms: milliseconds({
    doc: "The longest that one TURN request may take, retransmissions included (RFC 8489 section 6.2.1 gives 39.5 s).",
    default: 39_500,
    minimum: 500,
    maximum: 120_000
  })
}

/** How the node listens, finds other members, and is reached through NATs. */
export const network = section("Where the node listens, how it finds other members, and its TURN relay.", {
  ...members,
  ...limits,
  ...links,
  ...turn
})

const fallback = section("For members of whom nothing is known.", {
  max_messages_per_second: integer({
    doc: "Messages that one member may send per second in the long run.",
    unit: "messages per second",
    default: 100,
    minimum: 1,
    maximum: 100_000
  }),
  burst_capacity: integer({
    doc: "How many messages of one member may come at once.",
    unit: "messages",
    default: 20,
    minimum: 1,
    maximum: 100_000
  }),
  max_bytes_per_second: integer({
    doc: "Bytes that one member may send per second in the long run.",
    unit: "bytes per second",
    default: 262_144,
    minimum: 1024,
    maximum: 1_000_000_000
  }),
  burst_bytes: integer({
    doc: "How many bytes of one member may come at once.",
    unit: "bytes",
    default: 1_048_576,
    minimum: 65_536,
    maximum: 1_000_000_000
  })
})

/** How much other members may send. */
export const rateLimiting = section("How much each other member may send to this node.", {
  enabled: boolean({ doc: "Whether what other members send is limited.", default: true }),
  fallback
})
