/**
 * The `mdns` actor: tells the local network where this node is and takes in who else is there, on the interfaces of
 * `mdns_interfaces`. What is heard goes to the peer book, which the sessions dial from.
 */
import { Effect } from "effect"
import { admits, scopeOf } from "../domain/addressScope.ts"
import * as Mdns from "../layers/session/Mdns.ts"
import { NodeConfig } from "../services/NodeConfig.ts"
import { PeerBook } from "../services/PeerBook.ts"
import { SessionManager } from "../services/SessionManager.ts"

/** How often the addresses are read that are told. */
const listeningRefreshMillis = 3000

export const mdnsDiscovery = Effect.fnUntraced(function* (ready: Effect.Effect<void>) {
  const { network } = (yield* NodeConfig).values
  const book = yield* PeerBook
  const sessions = yield* SessionManager
  let listening = yield* sessions.listening
  yield* Mdns.start({
    did: sessions.did,
    listening: () => listening,
    interfaces: network.mdnsInterfaces,
    listen: network.listenAddr,
    // Whoever is on this network may name addresses of it, but none of this machine's own.
    onFound: (did, addresses, scopeHost) =>
      book.learn(
        did,
        addresses.filter(({ host }) => admits(scopeOf(scopeHost), scopeOf(host))),
        "mdns"
      )
  })
  yield* ready
  while (true) {
    yield* Effect.sleep(listeningRefreshMillis)
    listening = yield* sessions.listening
  }
})
