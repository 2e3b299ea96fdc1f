import { it } from "@effect/vitest"
import { Effect } from "effect"
import { gossipContract, gossipSpreadingContract } from "../contract/Gossip.ts"
import { node, rogue, sessionNode } from "../fixtures/gossipLibp2p.ts"

gossipContract("GossipLibp2p", {
  node,
  rogue,
  test: (name, body) => it.live(name, () => Effect.scoped(body))
})

gossipSpreadingContract("GossipLibp2p over QUIC sessions", {
  node: sessionNode,
  test: (name, body) => it.live(name, () => Effect.scoped(body))
})
