import { assert, describe, it } from "@effect/vitest"
import { type Dialler, isSmaller, settle } from "../../src/domain/sessionSettle.ts"

/** The two members: 0 is the smaller one. */
const members = [0, 1] as const
type Member = (typeof members)[number]
const other = (member: Member): Member => (member === 0 ? 1 : 0)

/** How a connection stands at one end: under way, waiting while another one is probed, up, or gone. */
type Stage = "coming" | `probing ${number}` | "session" | "gone"

/** Both ends, for each connection, and the words "I closed it" that are on their way, as `connection:member`. */
interface World {
  readonly stages: Readonly<Record<Member, ReadonlyArray<Stage>>>
  readonly closing: ReadonlyArray<string>
}

const present = (world: World, at: Member): number => world.stages[at].indexOf("session")

const set = (world: World, at: Member, connection: number, stage: Stage): World => ({
  ...world,
  stages: { ...world.stages, [at]: world.stages[at].with(connection, stage) }
})

const close = (world: World, at: Member, connection: number): World => {
  const word = `${connection}:${other(at)}`
  return { ...set(world, at, connection, "gone"), closing: [...world.closing, word].toSorted() }
}

/** A connection asks one end whether it may stay; a probe leaves it waiting. */
const admit = (world: World, diallers: ReadonlyArray<Member>, at: Member, connection: number): World => {
  const seen = (index: number): Dialler => (diallers[index] === at ? "self" : "peer")
  const standing = present(world, at)
  if (standing < 0) return set(world, at, connection, "session")
  switch (settle(at === 0, seen(standing), seen(connection))) {
    case "replace":
      return set(close(world, at, standing), at, connection, "session")
    case "refuse":
      return close(world, at, connection)
    case "probe":
      return set(world, at, connection, `probing ${standing}`)
  }
}

/** What can happen next, each a world of its own. The other end answers a probe once it has decided about it. */
const next = (world: World, diallers: ReadonlyArray<Member>): ReadonlyArray<World> => {
  const worlds: Array<World> = []
  for (const word of world.closing) {
    const [connection = 0, at = 0] = word.split(":").map(Number)
    const arrived = { ...world, closing: world.closing.toSpliced(world.closing.indexOf(word), 1) }
    worlds.push(set(arrived, at === 0 ? 0 : 1, connection, "gone"))
  }
  for (const at of members) {
    for (const [connection, stage] of world.stages[at].entries()) {
      if (stage === "coming") worlds.push(admit(world, diallers, at, connection))
      if (!stage.startsWith("probing")) continue
      const probed = Number(stage.slice("probing ".length))
      const stands = present(world, at) === probed
      const theirs = world.stages[other(at)][probed]
      if (!stands) worlds.push(admit(world, diallers, at, connection))
      else if (theirs === "session") worlds.push(close(world, at, connection))
      else if (theirs === "gone") worlds.push(admit(close(world, at, probed), diallers, at, connection))
    }
  }
  return worlds
}

/** All worlds in which nothing happens any more, over every order of events. */
const outcomes = (start: World, diallers: ReadonlyArray<Member>): ReadonlyArray<World> => {
  const seen = new Set<string>()
  const ends: Array<World> = []
  const visit = (world: World): void => {
    const key = JSON.stringify(world)
    if (seen.has(key)) return
    seen.add(key)
    for (const at of members) {
      assert.isAtMost(world.stages[at].filter((stage) => stage === "session").length, 1, key)
    }
    const following = next(world, diallers)
    if (following.length === 0) ends.push(world)
    for (const one of following) visit(one)
  }
  visit(start)
  return ends
}

const bothComing = (diallers: ReadonlyArray<Member>): World => {
  const coming = diallers.map((): Stage => "coming")
  return { stages: { 0: coming, 1: coming }, closing: [] }
}

/** The outcomes in which the two do not hold the same connection, or hold none. */
const disagreements = (ends: ReadonlyArray<World>) =>
  ends.filter((world) => present(world, 0) < 0 || present(world, 0) !== present(world, 1))

describe("settle", () => {
  it("leaves both sides with the smaller one's connection when both dial at once, in any order of events", () => {
    const ends = outcomes(bothComing([0, 1]), [0, 1])
    assert.isAbove(ends.length, 0)
    assert.deepStrictEqual(disagreements(ends), [])
    for (const world of ends) assert.strictEqual(present(world, 0), 0)
  })

  it("leaves both sides with the same connection when one of them dials over two ways at once", () => {
    for (const dialler of members) {
      const ends = outcomes(bothComing([dialler, dialler]), [dialler, dialler])
      assert.isAbove(ends.length, 0)
      assert.deepStrictEqual(disagreements(ends), [])
    }
  })

  it("leaves both sides with the same connection when both dial over two ways at once", () => {
    for (const diallers of [
      [0, 0, 1],
      [0, 1, 1],
      [0, 0, 1, 1]
    ] satisfies ReadonlyArray<ReadonlyArray<Member>>) {
      const ends = outcomes(bothComing(diallers), diallers)
      assert.isAbove(ends.length, 0)
      assert.deepStrictEqual(disagreements(ends), [])
    }
  })

  it("lets a member come back whose connection was lost on its side only", () => {
    for (const first of members) {
      for (const returning of members) {
        // Connection 0 stands at the one who stayed; the one who returns knows nothing of it and dials connection 1.
        const known: ReadonlyArray<Stage> = ["session", "coming"]
        const lost: ReadonlyArray<Stage> = ["gone", "coming"]
        const stages = returning === 0 ? { 0: lost, 1: known } : { 0: known, 1: lost }
        const ends = outcomes({ stages, closing: [] }, [first, returning])
        assert.isAbove(ends.length, 0)
        assert.deepStrictEqual(disagreements(ends), [])
        for (const world of ends) assert.strictEqual(present(world, 0), 1)
      }
    }
  })

  it("never has a member refuse a connection that it dialled and that the other side may prefer", () => {
    assert.strictEqual(settle(true, "peer", "self"), "replace")
    assert.strictEqual(settle(false, "peer", "self"), "refuse")
    assert.strictEqual(settle(true, "self", "self"), "refuse")
    assert.strictEqual(settle(false, "self", "peer"), "replace")
  })
})

describe("isSmaller", () => {
  it("orders two members alike on both sides", () => {
    assert.isTrue(isSmaller("did:key:z6MkA", "did:key:z6MkB"))
    assert.isFalse(isSmaller("did:key:z6MkB", "did:key:z6MkA"))
    assert.isFalse(isSmaller("did:key:z6MkA", "did:key:z6MkA"))
  })
})
