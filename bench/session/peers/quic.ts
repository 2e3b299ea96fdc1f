/** Plain libp2p with this project's transport for QUIC. */
import { quic } from "../../../src/layers/libp2p/quic/QuicTransport.ts"
import type { Peer } from "./Peer.ts"
import { plainPeer } from "./plain.ts"

export const quicPeer = (): Peer => plainPeer("/ip4/127.0.0.1/udp/0/quic-v1", { transports: [quic()] })
