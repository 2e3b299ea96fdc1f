/**
 * `node relay.mjs HOST PORT`: the circuit relay in the public network, over which peers exchange offers. Tells its
 * address when it listens.
 */
import { circuitRelayServer } from "@libp2p/circuit-relay-v2"
import { createNode, serve, tell } from "./node.mjs"

const [host, port] = process.argv.slice(2)
const node = await createNode({
  listen: [`/ip4/${host}/tcp/${port}`],
  services: { relay: circuitRelayServer() }
})
tell({ address: String(node.getMultiaddrs()[0]) })
await serve({})
