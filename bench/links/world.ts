/**
 * The nodes of the benchmark: pairs behind NATs in network namespaces of their own, who connect when they are told to
 * and not by themselves, since nobody hears of anybody.
 */
import { Effect } from "effect"
import * as Nat from "../../test/fixtures/natNetwork.ts"
import { temporaryDirectory } from "../../test/fixtures/temporaryDirectory.ts"
import * as Nodes from "../../test/system/natNodes.ts"

export interface End {
  readonly host: Nat.NatHost
  readonly node: Nodes.NatNode
  /** Where its files come. */
  readonly directory: string
}

export interface Pair {
  readonly from: End
  readonly to: End
}

export interface World {
  readonly home: string
  /** Connected without a link, over a link that needs no NAT, and over one that goes through the relay. */
  readonly native: Pair
  readonly direct: Pair
  readonly relayed: Pair
  /** Not connected yet: every two of them, who can be punched through to, or reached over the relay only. */
  readonly cones: ReadonlyArray<Pair>
  readonly syms: ReadonlyArray<Pair>
}

const modes = ["open", "open", "open", "open", "cone", "cone", "cone", "cone", "sym", "sym", "sym", "sym"] as const

const network = [
  'announce_addresses = "none"',
  // Measured is how fast a relay is, not how fast one is allowed to be.
  "link_relay_bytes_per_second = 1000000000",
  "link_relay_total_bytes_per_second = 1000000000"
]

const everyTwo = (ends: ReadonlyArray<End>): ReadonlyArray<Pair> =>
  ends.flatMap((from, index) => ends.slice(index + 1).map((to) => ({ from, to })))

export const make = Effect.gen(function* () {
  const nat = yield* Nat.make({ modes })
  const home = yield* temporaryDirectory
  yield* Nodes.startCoturn(nat)
  const bootstrap = yield* Nodes.startBootstrap(nat, home)
  const ends = yield* Effect.forEach(
    nat.hosts,
    Effect.fnUntraced(function* (host) {
      const more = ["[supervisor]", "peer_exchange_max_peers = 0"]
      const node = yield* Nodes.startMember(host, bootstrap, { network: [...network, ...more] })
      const end: End = { host, node, directory: yield* Nodes.takeFiles(node) }
      return end
    }),
    { concurrency: 2 }
  )
  yield* Nodes.until(
    "all relays",
    Effect.forEach(ends, ({ node }) => Nodes.hasRelay(node)),
    (found) => found.every((one) => one)
  )
  const [a, b, c, d] = ends
  const cones = everyTwo(ends.filter(({ host }) => host.mode === "cone"))
  const syms = everyTwo(ends.filter(({ host }) => host.mode === "sym"))
  const [relayed, ...otherSyms] = syms
  if (a === undefined || b === undefined || c === undefined || d === undefined || relayed === undefined) {
    return yield* Effect.die(new Error("there are not enough members"))
  }
  const world: World = {
    home,
    native: { from: a, to: b },
    direct: { from: c, to: d },
    relayed,
    cones,
    syms: otherSyms
  }
  return world
})
