/**
 * A cooperative of fifty nodes on a bad network: a fifth of all packets lost, the rest out of order, the network split
 * and healed, nodes stopped and started. SESSIONS_SEED repeats a run; a failure prints its seed.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { supervisorErrors } from "../../src/domain/metrics.ts"
import { operations } from "../../src/domain/operations.ts"
import { make as makeNetwork, type MemoryNetwork } from "../../src/layers/session/memory/Network.ts"
import type { SessionListenFailed } from "../../src/services/SessionManager.ts"
import { fuzzSeed, makeRandom, type Random } from "../fixtures/random.ts"
import { makeSessionNode, type SessionNode, uriOf } from "../fixtures/sessionNodes.ts"

const nodesCount = 50
/** Whom everybody is told of by configuration. */
const bootstrapCount = 3
/** Nodes that also dial whom they hear of: with all of them the run takes minutes. */
const curiousCount = 4
const stepMillis = 500
const stormMillis = 180_000
const calmMillis = 180_000

const hostOf = (number: number): string => `198.51.100.${number}`
const bootstrapPeers = Array.from({ length: bootstrapCount }, (_, index) => uriOf(index + 1, hostOf(index + 1)))

interface World {
  readonly network: MemoryNetwork
  readonly random: Random
  /** By number; `undefined` while stopped. */
  readonly nodes: Map<number, SessionNode | undefined>
  /** Everybody who ever ran, for what they counted. */
  readonly all: Array<SessionNode>
}

const start = (world: World, number: number): Effect.Effect<void, SessionListenFailed, Scope.Scope> =>
  Effect.map(
    makeSessionNode(world.network, {
      number,
      host: hostOf(number),
      chance: world.random.below(1000) / 1000,
      dialsHeardOf: number <= curiousCount,
      peerExchangeMaxPeers: number <= curiousCount ? 10 : 0,
      bootstrapPeers: bootstrapPeers.filter(({ address }) => address.host !== hostOf(number))
    }),
    (node) => {
      world.nodes.set(number, node)
      world.all.push(node)
    }
  )

const stop = Effect.fnUntraced(function* (world: World, number: number) {
  const node = world.nodes.get(number)
  world.nodes.set(number, undefined)
  if (node !== undefined) yield* Effect.forkChild(node.stop)
})

const split = ({ network, random }: World): void => {
  const groups: Array<Array<string>> = [[], [], []]
  for (let number = 1; number <= nodesCount; number++) groups[random.below(3)]?.push(hostOf(number))
  network.partition(...groups)
}

/** Something happens to the cooperative, or nothing. */
const strike = Effect.fnUntraced(function* (world: World) {
  const { network, nodes, random } = world
  const number = random.below(nodesCount) + 1
  switch (random.below(30)) {
    case 0:
      return split(world)
    case 1:
    case 2:
      return network.heal()
    case 3:
    case 4:
    case 5:
      return yield* nodes.get(number) === undefined ? start(world, number) : stop(world, number)
    default:
      return undefined
  }
})

const assertOnePerMember = ({ all }: World, context: string): void => {
  for (const node of all) {
    for (const [did, count] of node.connections) {
      assert.isTrue(count === 0 || count === 1, `${node.did.text} has ${count} connections with ${did}; ${context}`)
    }
  }
}

const step = Effect.fnUntraced(function* (world: World, context: string) {
  yield* TestClock.adjust(stepMillis)
  assertOnePerMember(world, context)
})

const running = ({ nodes }: World): ReadonlyArray<SessionNode> => [...nodes.values()].flatMap((node) => node ?? [])

/** Everybody runs, has a session with every bootstrap peer, and every session is there at both ends. */
const disagreements = Effect.fnUntraced(function* (world: World) {
  const sessions = new Map<string, string>()
  for (const node of running(world)) {
    for (const { did, direction } of yield* node.manager.sessions) {
      sessions.set(`${node.did.text} ${did.text}`, direction)
    }
  }
  const found: Array<string> = []
  for (const node of running(world)) {
    for (const { did } of bootstrapPeers) {
      const key = `${node.did.text} ${did.text}`
      if (did.text !== node.did.text && !sessions.has(key)) found.push(`${key} is missing`)
    }
  }
  for (const [key, direction] of sessions) {
    const theirs = sessions.get(key.split(" ").toReversed().join(" "))
    if (theirs === undefined || theirs === direction) found.push(`${key} is ${direction}, the other one's ${theirs}`)
  }
  return found
})

describe("fifty nodes on a bad network", () => {
  it.effect(
    "keep one session per member, find back together, and leave nothing behind",
    () =>
      Effect.gen(function* () {
        const given = process.env["SESSIONS_SEED"]
        const seed = given === undefined ? fuzzSeed() : Number(given)
        const context = `SESSIONS_SEED=${seed}`
        const network = yield* makeNetwork({ latencyMillis: 20, jitterMillis: 60, loss: 0.2 }, seed)
        const world: World = { network, random: makeRandom(seed), nodes: new Map(), all: [] }
        for (let number = 1; number <= nodesCount; number++) yield* start(world, number)
        for (let millis = 0; millis < stormMillis; millis += stepMillis) {
          yield* strike(world)
          yield* step(world, context)
        }
        network.heal()
        for (let number = 1; number <= nodesCount; number++) {
          if (world.nodes.get(number) === undefined) yield* start(world, number)
        }
        let left = yield* disagreements(world)
        for (let millis = 0; millis < calmMillis && left.length > 0; millis += stepMillis) {
          yield* step(world, context)
          left = yield* disagreements(world)
        }
        assert.deepStrictEqual(left, [], context)
        for (let number = 1; number <= nodesCount; number++) yield* stop(world, number)
        for (let millis = 0; millis < 30_000; millis += stepMillis) yield* step(world, context)
        assert.strictEqual(network.links.length, 0, context)
        for (const node of world.all) {
          assert.isTrue(
            [...node.connections.values()].every((count) => count === 0),
            context
          )
          for (const operation of operations) {
            assert.strictEqual(
              yield* node.metrics.value(supervisorErrors, { operation }),
              0,
              `${operation}; ${context}`
            )
          }
        }
      }),
    180_000
  )
})
