/**
 * What happens to a network while members behind NATs send files: the straight path is cut and comes back, the TURN
 * server is killed and started again, a NAT forgets its ports, a host gets another address. The session goes on below
 * every transfer, without a byte lost and without a new attempt.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import * as Nat from "../fixtures/natNetwork.ts"
import { temporaryDirectory } from "../fixtures/temporaryDirectory.ts"
import * as Nodes from "./natNodes.ts"

/** Hosts by twos. */
const modes = ["cone", "cone", "full", "sym", "cone", "open", "sym", "sym"] as const

/** While something is about to happen, so that it happens in mid-transfer. */
const slowBytesPerSecond = 1_000_000
/** Half a minute at that speed; what is left after the disturbance goes at full speed. */
const fileBytes = 30_000_000
/** The next way carries data so soon after a loss; a busy machine is given some more. */
const switchMillisMax = 6000

interface End {
  readonly host: Nat.NatHost
  readonly node: Nodes.NatNode
}

interface Pair {
  readonly name: string
  readonly from: End
  readonly to: End
  readonly directory: string
  /** When nothing is in the way. */
  readonly kind: "reflexive" | "relayed"
}

const makePair = Effect.fnUntraced(function* (from: End, to: End) {
  const directory = yield* Nodes.takeFiles(to.node)
  const kind = from.host.mode === "sym" ? "relayed" : "reflexive"
  const pair: Pair = { name: `${from.node.name} to ${to.node.name}`, from, to, directory, kind }
  return pair
})

const setUp = Effect.gen(function* () {
  const network = yield* Nat.make({ modes })
  const home = yield* temporaryDirectory
  const coturn = yield* Nodes.startCoturn(network)
  const bootstrap = yield* Nodes.startBootstrap(network, home)
  const ends = yield* Effect.forEach(
    network.hosts,
    (host) => Effect.map(Nodes.startMember(host, bootstrap), (node): End => ({ host, node })),
    { concurrency: 2 }
  )
  yield* Nodes.until(
    "all relays",
    Effect.forEach(ends, ({ node }) => Nodes.hasRelay(node)),
    (found) => found.every((one) => one)
  )
  const pairs: Array<Pair> = []
  for (let index = 0; index < ends.length; index += 2) {
    const [from, to] = ends.slice(index, index + 2)
    if (from !== undefined && to !== undefined) pairs.push(yield* makePair(from, to))
  }
  return { home, coturn, pairs }
})

type World = Effect.Success<typeof setUp>

const received = ({ from, to }: Pair) => Effect.map(Nodes.session(to.node, from.node), (found) => found?.bytesIn ?? 0)

/** Waits until so much more has arrived over the same session; gives the milliseconds. */
const flows = Effect.fnUntraced(function* (pair: Pair, withinMillis: number, bytes = 200_000) {
  const before = yield* received(pair)
  const { millis } = yield* Nodes.until(
    `${pair.name}: ${bytes} bytes more than ${before}`,
    received(pair),
    (now) => now >= before + bytes,
    withinMillis
  )
  return millis
})

const settles = ({ from, kind, to }: Pair) =>
  Effect.andThen(
    Nodes.untilPath(from.node, to.node, [kind], 40_000),
    Nodes.untilPath(to.node, from.node, [kind], 40_000)
  )

const openSeconds = ({ from, to }: Pair) =>
  Effect.map(Nodes.session(from.node, to.node), (found) => found?.openSeconds ?? 0)

describe.skipIf(Nat.skipped)(`files between NATs${Nat.missing === undefined ? "" : ` (${Nat.missing})`}`, () => {
  const scope = Scope.makeUnsafe()
  let world: World | undefined

  beforeAll(async () => {
    world = await Effect.runPromise(Scope.provide(setUp, scope))
  }, 180_000)
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)), 60_000)

  /** Has each pair send a file, with something that happens to all or to each in the middle of it. */
  const during = Effect.fnUntraced(function* (
    name: string,
    wanted: (pair: Pair) => boolean,
    happens: (world: World, pairs: ReadonlyArray<Pair>) => Effect.Effect<unknown, Nat.NatNetworkFailed>
  ) {
    if (world === undefined) return yield* Effect.die(new Error("there are no members"))
    const { home } = world
    const pairs = world.pairs.filter(wanted)
    const each = <A, E, R>(work: (pair: Pair) => Effect.Effect<A, E, R>) =>
      Effect.forEach(pairs, work, { concurrency: "unbounded" })
    yield* each(({ from, to }) => Nodes.dial(from.node, to.node))
    yield* each(settles)
    const ages = yield* each(openSeconds)
    const began = performance.now()
    yield* each(({ from }) => from.host.limit(slowBytesPerSecond))
    const sending = yield* each(
      Effect.fnUntraced(function* (pair) {
        const file = Nodes.makeFile(home, `${name} from ${pair.from.node.name}`, fileBytes)
        const fiber = yield* Effect.forkScoped(Nodes.send(pair.from.node, pair.to.node, file))
        return { pair, file, fiber }
      })
    )
    yield* each((pair) => flows(pair, 20_000))
    yield* happens(world, pairs)
    // Otherwise it was over before, and proves nothing.
    for (const { fiber, pair } of sending) assert.isUndefined(fiber.pollUnsafe(), `${pair.name} was too fast`)
    yield* each(({ from }) => from.host.limit(undefined))
    for (const [index, { fiber, file, pair }] of sending.entries()) {
      const events = yield* Fiber.join(fiber)
      const tags = events.map(({ _tag }) => _tag)
      assert.notInclude(tags, "Retrying", pair.name)
      assert.notInclude(tags, "PartDiscarded", pair.name)
      assert.strictEqual(Nodes.arrived(pair.directory, file), file.sha256, pair.name)
      const seconds = (performance.now() - began) / 1000
      const grown = (yield* openSeconds(pair)) - (ages[index] ?? 0)
      assert.isAtLeast(grown, Math.floor(seconds) - 1, `${pair.name} has another session`)
    }
  })

  const toEach =
    (happens: (pair: Pair) => Effect.Effect<unknown, Nat.NatNetworkFailed>) => (_: World, pairs: ReadonlyArray<Pair>) =>
      Effect.forEach(pairs, happens, { concurrency: "unbounded" })

  it.live(
    "go on over the relay while the straight path is cut, and straight when it is back",
    () =>
      during(
        "cut",
        ({ kind }) => kind !== "relayed",
        toEach(
          Effect.fnUntraced(function* (pair) {
            const { from, to } = pair
            yield* from.host.cut(to.host.outside)
            yield* flows(pair, switchMillisMax)
            yield* Nodes.untilPath(from.node, to.node, ["relayed"])
            yield* from.host.restore
            yield* settles(pair)
          })
        )
      ),
    120_000
  )

  it.live(
    "go on when the TURN server is killed and started again",
    () =>
      during(
        "coturn",
        () => true,
        Effect.fnUntraced(function* ({ coturn }, pairs) {
          yield* coturn.kill
          // Those that do not need it notice nothing.
          const straight = pairs.filter(({ kind }) => kind !== "relayed")
          yield* Effect.forEach(straight, (pair) => flows(pair, switchMillisMax), { concurrency: "unbounded" })
          yield* coturn.start
          yield* Effect.forEach(pairs, (pair) => flows(pair, 20_000), { concurrency: "unbounded" })
        })
      ),
    120_000
  )

  it.live(
    "go on when a NAT gives the host other ports",
    () =>
      during(
        "rebinding",
        () => true,
        toEach(
          Effect.fnUntraced(function* (pair) {
            yield* pair.from.host.rebind
            yield* flows(pair, 15_000)
            yield* settles(pair)
          })
        )
      ),
    120_000
  )

  // Its router may send to the former address what the peer sends for as long as the peer does, so that a straight
  // path is found again later, or not at all.
  it.live(
    "go on when the host gets another address",
    () =>
      during(
        "address",
        () => true,
        toEach(
          Effect.fnUntraced(function* (pair) {
            yield* pair.from.host.changeAddress
            yield* flows(pair, 15_000)
            yield* flows(pair, 15_000, 1_000_000)
          })
        )
      ),
    120_000
  )
})
