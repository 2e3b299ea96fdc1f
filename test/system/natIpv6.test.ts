/**
 * Two members behind symmetric NATs for IPv4 who also have IPv6 addresses, behind firewalls that let in only what was
 * asked for: no relay is needed, since both sides open their firewall for the other.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Nat from "../fixtures/natNetwork.ts"
import { temporaryDirectory } from "../fixtures/temporaryDirectory.ts"
import * as Nodes from "./natNodes.ts"

describe.skipIf(Nat.skipped)(`members with IPv6${Nat.missing === undefined ? "" : ` (${Nat.missing})`}`, () => {
  it.live(
    "connect straight through both firewalls, and go on over the relay for IPv4 while that is cut",
    () =>
      Effect.gen(function* () {
        const network = yield* Nat.make({ modes: ["sym", "sym"], ipv6: true })
        const home = yield* temporaryDirectory
        yield* Nodes.startCoturn(network)
        const bootstrap = yield* Nodes.startBootstrap(network, home)
        const members = yield* Effect.forEach(
          network.hosts,
          (host) => Nodes.startMember(host, bootstrap, { listen: ["0.0.0.0:7777", "[::]:7777"] }),
          { concurrency: 2 }
        )
        const [from, to] = members
        const [host, peer] = network.hosts
        if (from === undefined || to === undefined || host === undefined || peer === undefined) {
          return yield* Effect.die(new Error("there are no members"))
        }
        yield* Nodes.until("a relay", Nodes.hasRelay(from), (found) => found)
        const directory = yield* Nodes.takeFiles(to)
        const { seconds } = yield* Nodes.dial(from, to)
        // The peer's public address is silent as long as nobody has opened its firewall.
        assert.isBelow(seconds, 8)
        const { reading } = yield* Nodes.untilPath(from, to, ["direct"])
        assert.strictEqual(reading?.path.remoteAddress, `[${peer.address6}]:${Nat.linkPort}`)

        yield* host.cut(peer.address6)
        yield* Nodes.untilPath(from, to, ["relayed"])
        const file = Nodes.makeFile(home, "relayed", 2_000_000)
        yield* Nodes.send(from, to, file)
        assert.strictEqual(Nodes.arrived(directory, file), file.sha256)
        yield* host.restore
        yield* Nodes.untilPath(from, to, ["direct"], 40_000)
        const after = yield* Nodes.session(from, to)
        assert.isAbove(after?.path.switches ?? 0, 1)
      }),
    120_000
  )
})
