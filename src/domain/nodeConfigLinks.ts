/**
 * The keys of `[network]` about links, a part of the table in nodeConfigNetwork.ts: the socket through which NATs are
 * crossed, whom to ask for this node's address outside, and how much a relay may carry.
 */
import { boolean, integer, list } from "./nodeConfigKey.ts"
import * as StunServer from "./stunServer.ts"

export const links = {
  links_enabled: boolean({
    doc: "Whether to reach members behind NATs over links: punched through, or over the TURN relay. Needs QUIC.",
    default: true
  }),
  link_port: integer({
    doc: "UDP port of the socket for links, on which this node also answers STUN; 0 takes a free one.",
    unit: "port",
    default: 0,
    minimum: 0,
    maximum: 65_535
  }),
  stun_servers: list({
    doc: "Servers to ask for this node's address outside, besides the TURN server and bootstrap peers.",
    default: [],
    example: ["stun.example.org:3478"],
    item: StunServer.allowed,
    itemsMax: 8,
    schema: StunServer.StunServer,
    parse: StunServer.parse,
    format: StunServer.format
  }),
  link_relay_bytes_per_second: integer({
    doc: "What one member may be sent through the TURN relay per second; more is dropped, which slows it down.",
    unit: "bytes per second",
    default: 12_500_000,
    minimum: 10_000,
    maximum: 10_000_000_000
  }),
  link_relay_total_bytes_per_second: integer({
    doc: "What all members together may be sent through the TURN relay per second.",
    unit: "bytes per second",
    default: 50_000_000,
    minimum: 10_000,
    maximum: 10_000_000_000
  })
}
