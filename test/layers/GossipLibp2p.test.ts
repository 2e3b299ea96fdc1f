import { it } from "@effect/vitest"
import { Effect } from "effect"
import { gossipContract } from "../contract/Gossip.ts"
import { node, rogue } from "../fixtures/gossipLibp2p.ts"

gossipContract("GossipLibp2p", {
  node,
  rogue,
  test: (name, body) => it.live(name, () => Effect.scoped(body))
})
