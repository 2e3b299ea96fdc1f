/** Plain libp2p with TCP, Noise and yamux as they come. */
import { noise } from "@libp2p/noise"
import { tcp } from "@libp2p/tcp"
import { yamux } from "@libp2p/yamux"
import type { Peer } from "./Peer.ts"
import { plainPeer } from "./plain.ts"

export const tcpPeer = (): Peer =>
  plainPeer("/ip4/127.0.0.1/tcp/0", {
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()]
  })
