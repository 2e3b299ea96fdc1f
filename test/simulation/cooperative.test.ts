/**
 * Stewards who shut members out and let them in again while they know of each other or not: in the end all have one
 * roster and one key, and nobody who is shut out has it.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { TestClock } from "effect/testing"
import * as CooperativeMemory from "../../src/layers/CooperativeMemory.ts"
import * as SessionMemory from "../../src/layers/SessionMemory.ts"
import { type CoopNode, genesisOf, keyOfNode, makeCoopNode, until } from "../fixtures/coopNodes.ts"
import { startMillis } from "../fixtures/gossipWorld.ts"
import { exchange } from "../fixtures/ledgerNodes.ts"
import { fuzzSeed, makeRandom, type Random } from "../fixtures/random.ts"
import { inVirtualTime } from "../fixtures/virtualTime.ts"

const roundsMax = 30

interface World {
  readonly stewards: ReadonlyArray<CoopNode>
  readonly members: ReadonlyArray<CoopNode>
  readonly all: ReadonlyArray<CoopNode>
}

const makeWorld = Effect.fnUntraced(function* (seed: number, random: Random) {
  const network = yield* SessionMemory.makeNetwork({ latencyMillis: 3, jitterMillis: 10, loss: 0.02 }, seed)
  const node = (name: string) => makeCoopNode(network, name, CooperativeMemory.layer())
  const stewards = [yield* node("one"), yield* node("two")]
  const genesis = genesisOf(stewards)
  for (const steward of stewards) yield* steward.ledger.serve(genesis)
  const members = yield* Effect.forEach(["a", "b", "c", "d"], node)
  for (const member of members) yield* member.coop.join((yield* random.pick(stewards).coop.invite()).text)
  const world: World = { stewards, members, all: [...stewards, ...members] }
  return world
})

/** Something happens. What is refused, because of what happened before, is no matter. */
const step = ({ all, members, stewards }: World, random: Random) => {
  const [one, other] = [random.pick(all), random.pick(all)]
  const steward = random.pick(stewards)
  const member = random.pick(members)
  switch (random.below(6)) {
    case 0:
      return one.manager.close(other.did)
    case 1:
      return one === other ? Effect.void : one.connect(other)
    case 2:
    case 3:
      return steward.coop.exclude(member.did)
    case 4:
      return Effect.flatMap(steward.coop.invite(), ({ text }) => member.coop.join(text))
    default:
      return one === other ? Effect.void : exchange(one.ledger, other.ledger)
  }
}

/** Everybody meets everybody, as far as they want to. */
const meet = Effect.fnUntraced(function* ({ all, stewards }: World) {
  for (const steward of stewards) {
    for (const one of all) {
      if (one === steward) continue
      yield* exchange(steward.ledger, one.ledger)
      yield* Effect.ignore(steward.manager.close(one.did))
    }
  }
  yield* Effect.sleep(1000)
  for (const steward of stewards) {
    for (const one of all) if (one !== steward) yield* Effect.ignore(one.connect(steward))
  }
})

const isSettled = Effect.fnUntraced(function* ({ members, stewards }: World) {
  const keys = yield* Effect.forEach(stewards, keyOfNode)
  const [first] = keys
  if (keys.some((key) => key?.id !== first?.id)) return false
  for (const member of members) {
    const [one, two] = yield* Effect.forEach(stewards, ({ coop }) => coop.isAdmitted(member.did))
    if (one !== two) return false
    if (one === true && (yield* keyOfNode(member))?.id !== first?.id) return false
  }
  return true
})

describe("a cooperative with two stewards", () => {
  it.effect.each([1, 2, 3, 4, 5, fuzzSeed()])("comes to one roster and one key, with seed %i", (seed) =>
    Effect.andThen(
      TestClock.setTime(startMillis),
      inVirtualTime(
        Effect.scoped(
          Effect.gen(function* () {
            const random = makeRandom(seed)
            const world = yield* makeWorld(seed, random)
            for (let round = 0; round < roundsMax; round++) {
              yield* Effect.ignore(step(world, random))
              yield* Effect.sleep(random.below(200))
            }
            yield* meet(world)
            yield* until(isSettled(world)).pipe(
              Effect.timeoutOrElse({
                duration: 60_000,
                orElse: () => Effect.die(new Error(`seed ${seed} is not settled`))
              })
            )
            // And stays so.
            yield* Effect.sleep(1000)
            assert.isTrue(yield* isSettled(world))
            for (const steward of world.stewards) {
              const key = yield* keyOfNode(steward)
              assert.isAbove(key?.epoch ?? 0, 1)
              for (const member of world.members) {
                if (yield* steward.coop.isAdmitted(member.did)) continue
                assert.isTrue(Option.isNone(yield* member.coop.groupKeys.byId(key?.id ?? "")), `seed ${seed}`)
              }
            }
          })
        )
      )
    )
  )
})
