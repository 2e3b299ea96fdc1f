/** Plain libp2p with the unmodified transport of `@chainsafe/libp2p-quic`. */
import { quic } from "@chainsafe/libp2p-quic"
import type { Peer } from "./Peer.ts"
import { plainPeer } from "./plain.ts"

export const nativeQuicPeer = (): Peer => plainPeer("/ip4/127.0.0.1/udp/0/quic-v1", { transports: [quic()] })
