/**
 * Members behind NATs of every kind, in network namespaces, which know only a bootstrap node without a relay, and a
 * TURN server: each kind with each reaches the other by the way that theory allows, and a file comes through whole.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import * as Nat from "../fixtures/natNetwork.ts"
import * as Nodes from "./natNodes.ts"
import { temporaryDirectory } from "../fixtures/temporaryDirectory.ts"

type Kinds = ReadonlyArray<"direct" | "reflexive" | "relayed">
type Pair = `${Nat.NatMode}/${Nat.NatMode}`

const punched: Kinds = ["reflexive"]
const relayed: Kinds = ["relayed"]
/** Depends on whose first check arrives first, since the bad router gives away the port of a check that it rejects. */
const either: Kinds = ["reflexive", "relayed"]

const expected: ReadonlyArray<readonly [Pair, Kinds]> = [
  ["cone/cone", punched],
  ["cone/full", punched],
  // The address that the symmetric NAT gives for the peer is one that the peer does not let in.
  ["cone/sym", relayed],
  ["cone/noudp", relayed],
  ["cone/reject", either],
  ["cone/open", punched],
  ["full/full", punched],
  // By the address that the first check reveals.
  ["full/sym", punched],
  ["full/noudp", relayed],
  ["full/reject", punched],
  ["full/open", punched],
  ["sym/sym", relayed],
  ["sym/noudp", relayed],
  ["sym/reject", relayed],
  ["sym/open", punched],
  ["noudp/noudp", relayed],
  ["noudp/reject", relayed],
  ["noudp/open", relayed],
  ["reject/reject", either],
  ["reject/open", punched],
  ["open/open", ["direct"]]
]

const fileBytes = 2_000_000

const setUp = Effect.gen(function* () {
  // Two hosts of each kind, for the pairs of equals.
  const network = yield* Nat.make({ modes: [...Nat.natModes, ...Nat.natModes] })
  const home = yield* temporaryDirectory
  yield* Nodes.startCoturn(network)
  const bootstrap = yield* Nodes.startBootstrap(network, home)
  const members = yield* Effect.forEach(
    network.hosts,
    Effect.fnUntraced(function* (host) {
      const node = yield* Nodes.startMember(host, bootstrap)
      return { node, mode: host.mode, directory: yield* Nodes.takeFiles(node) }
    }),
    { concurrency: 2 }
  )
  yield* Nodes.until(
    "all relays",
    Effect.forEach(members, ({ node }) => Nodes.hasRelay(node)),
    (found) => found.every((one) => one)
  )
  return { home, members }
})

type World = Effect.Success<typeof setUp>

const pairOf = ({ members }: World, pair: Pair) => {
  const [first, second] = pair.split("/")
  const from = members.find(({ mode }) => mode === first)
  const to = members.findLast(({ mode }) => mode === second)
  if (from === undefined || to === undefined) throw new Error(`there is no ${pair}`)
  return { from, to }
}

describe.skipIf(Nat.skipped)(`two members behind NATs${Nat.missing === undefined ? "" : ` (${Nat.missing})`}`, () => {
  const scope = Scope.makeUnsafe()
  let world: World | undefined
  const made = Effect.suspend(() => (world === undefined ? Effect.die("there are no members") : Effect.succeed(world)))

  beforeAll(async () => {
    world = await Effect.runPromise(Scope.provide(setUp, scope))
  }, 180_000)
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)), 60_000)

  for (const [pair, kinds] of expected) {
    it.live(
      `${pair}: a file comes through, ${kinds.join(" or ")}`,
      () =>
        Effect.gen(function* () {
          const world = yield* made
          const { from, to } = pairOf(world, pair)
          yield* Nodes.dial(from.node, to.node)
          yield* Nodes.untilPath(from.node, to.node, kinds)
          yield* Nodes.untilPath(to.node, from.node, kinds)
          const file = Nodes.makeFile(world.home, pair.replace("/", "-"), fileBytes)
          const events = yield* Nodes.send(from.node, to.node, file)
          assert.notInclude(
            events.map(({ _tag }) => _tag),
            "Retrying"
          )
          assert.strictEqual(Nodes.arrived(to.directory, file), file.sha256)
        }),
      60_000
    )
  }

  it.live("all stay on their ways when nothing changes", () =>
    Effect.gen(function* () {
      const world = yield* made
      for (const [pair, kinds] of expected) {
        const { from, to } = pairOf(world, pair)
        for (const [one, other] of [
          [from, to],
          [to, from]
        ] as const) {
          const session = yield* Nodes.session(one.node, other.node)
          assert.include(kinds, session?.path.kind, `${pair}, as ${one.node.name} sees it`)
        }
      }
    })
  )
})
