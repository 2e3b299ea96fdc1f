/** libp2p's own compliance suite, as ChainSafe runs it against the JavaScript that ours replaces. */
import transportSuite from "@libp2p/interface-compliance-tests/transport"
import { QUIC_V1 } from "@multiformats/multiaddr-matcher"
import { describe } from "@effect/vitest"
import { quic } from "../../../../src/layers/libp2p/quic/QuicTransport.ts"
import { teachChai } from "../../../fixtures/complianceAssertions.ts"
import { mochaSuite } from "../../../fixtures/mocha.ts"

await teachChai()

const nodes = (listen: string) => async () => {
  const dialer = { transports: [quic()], connectionMonitor: { enabled: false } }
  return {
    dialer,
    listener: { ...dialer, addresses: { listen: [listen, listen] } },
    dialMultiaddrMatcher: QUIC_V1,
    listenMultiaddrMatcher: QUIC_V1
  }
}

for (const listen of ["/ip4/127.0.0.1/udp/0/quic-v1", "/ip6/::1/udp/0/quic-v1"]) {
  describe(`on ${listen}`, () => {
    mochaSuite(() => transportSuite({ setup: nodes(listen), teardown: async () => {} }), { timeout: 120_000 })
  })
}
