import { assert, describe, it } from "@effect/vitest"
import { natText, networkText } from "../../../src/programs/cli/networkText.ts"
import type { LinkPathStatus, LinkStatus, NetworkStatus } from "../../../src/programs/rpc/Api.ts"

const way: LinkPathStatus = {
  base: "udp",
  remote: "198.51.100.9:40003",
  remoteKind: "serverReflexive",
  kind: "reflexive",
  relays: 0,
  state: "valid",
  active: true,
  nominated: true,
  rttMs: 12.34,
  consentAgeMs: 420
}
const relayed: LinkPathStatus = {
  ...way,
  base: "relay",
  remote: "203.0.113.10:49152",
  kind: "relayed",
  relays: 2,
  active: false,
  rttMs: 3.2
}
const link: LinkStatus = {
  did: "did:key:z6MkA",
  state: "up",
  controlling: true,
  ageSeconds: 61,
  switches: 1,
  consentLosses: 0,
  relayBytesSent: 0,
  relayBytesReceived: 2048,
  paths: [way, relayed, { ...relayed, state: "failed" }]
}
const status: NetworkStatus = {
  did: "did:key:z6MkSelf",
  listen: ["0.0.0.0:7777"],
  candidates: [],
  relay: null,
  links: {
    port: 7778,
    families: { udp4: true, udp6: true },
    nat: {
      kind: "cone",
      sentence: "It works.",
      mapping: { behaviour: "endpointIndependent", confidence: "inferred" },
      filtering: { behaviour: "unknown", confidence: "unknown" }
    },
    servers: [
      { server: "203.0.113.10:3478", mapped: "198.51.100.1:40001", rttMs: 0.5, problem: null },
      { server: "stun.example.org:3478", mapped: null, rttMs: null, problem: "resolve: ENOTFOUND" }
    ],
    links: [link]
  },
  peers: [
    {
      did: "did:key:z6MkA",
      path: {
        kind: "reflexive",
        transport: "quic",
        remoteAddress: "198.51.100.9:40003",
        rttMs: 12.3,
        sinceSeconds: 60,
        switches: 1
      },
      bytesIn: 0,
      bytesOut: 1024
    }
  ]
}

describe("networkText", () => {
  it("shows NAT, mapped addresses by whom, the link port, and each way of a session", () => {
    assert.deepStrictEqual(networkText(status).split("\n"), [
      "did         did:key:z6MkSelf",
      "listening   0.0.0.0:7777",
      "candidates  none announced",
      "nat         cone, inferred. It works.",
      "link port   7778 (UDP over IPv4 and IPv6)",
      "mapped      198.51.100.1:40001 as 203.0.113.10:3478 sees it, 0.50 ms",
      "            nothing from stun.example.org:3478: resolve: ENOTFOUND",
      "relay       none",
      "peers       1",
      "  did:key:z6MkA",
      "    reflexive over quic, 198.51.100.9:40003, 12.3 ms, for 1:00",
      "    0 B in, 1.0 KiB out",
      "    link up for 1:01, way changed once, consent lost 0 times, last confirmed 0.4 s ago",
      "    on reflexive to 198.51.100.9:40003, 12.3 ms",
      "    also relayed to 203.0.113.10:49152 through this node's relay, 3.20 ms",
      "    through this node's relay 2.0 KiB in, 0 B out"
    ])
  })

  it("shows links that are being made or have lost their way", () => {
    const making: LinkStatus = {
      ...link,
      did: "did:key:z6MkB",
      state: "making",
      paths: [{ ...way, active: false, state: "checking", rttMs: null, consentAgeMs: null }]
    }
    assert.isNotNull(status.links)
    const text = networkText({ ...status, links: status.links && { ...status.links, links: [link, making] } })
    assert.include(text, "links without a session: 1\n  did:key:z6MkB\n    link making for 1:01")
    assert.include(text, "no way now; 1 are being tried")
  })

  it("says why there is nothing to show", () => {
    assert.include(networkText({ ...status, links: null }), "links       none: links_enabled is off")
    const lonely = status.links && { ...status.links, servers: [] }
    assert.include(networkText({ ...status, links: lonely }), "mapped      nobody to ask yet")
  })

  it("names how sure the kind is", () => {
    const unknown = { behaviour: "unknown", confidence: "unknown" } as const
    const measured = { behaviour: "endpointIndependent", confidence: "measured" } as const
    assert.strictEqual(natText({ kind: "unknown", mapping: unknown, filtering: unknown }), "unknown")
    assert.strictEqual(natText({ kind: "none", mapping: unknown, filtering: measured }), "none, measured")
    assert.strictEqual(natText({ kind: "cone", mapping: measured, filtering: unknown }), "cone, measured")
  })
})
