/** A small cooperative: five nodes as processes that find each other, and find each other again. */
import { assert, layer } from "@effect/vitest"
import { Console, Context, Effect, Layer, Result, Scope } from "effect"
import { temporaryDirectory } from "../fixtures/temporaryDirectory.ts"
import {
  assertKept,
  assertNoDefects,
  dial,
  kill,
  type Member,
  metric,
  startAgain,
  startMember,
  startMesh,
  until,
  untilMesh
} from "./mesh.ts"

/** From the restarted node's own word that it runs to the full mesh: some seconds, and room for a busy machine. */
const recoveryMillisMax = 10_000

/** The members as they are now, in a scope that outlives the tests. */
class Mesh extends Context.Service<Mesh, { members: ReadonlyArray<Member>; readonly scope: Scope.Scope }>()(
  "test/system/network/Mesh"
) {
  static readonly layer = Layer.effect(
    Mesh,
    Effect.gen(function* () {
      const members = yield* startMesh(yield* temporaryDirectory)
      const millis = yield* untilMesh(members)
      yield* Console.log(`full mesh of five ${millis} ms after the last one runs`)
      return { members, scope: yield* Effect.scope }
    })
  )
}

/** Starts a killed member again, in place of what it was. */
const revive = Effect.fnUntraced(function* (victim: Member) {
  const mesh = yield* Mesh
  const again = yield* Scope.provide(startAgain(victim), mesh.scope)
  assert.strictEqual(again.did.text, victim.did.text)
  mesh.members = mesh.members.map((member) => (member.name === victim.name ? again : member))
  return again
})

const opened = (members: ReadonlyArray<Member>) =>
  Effect.forEach(members, (member) => metric(member, "icn_network_connections_total"))

layer(Mesh.layer, { excludeTestServices: true, timeout: "2 minutes" })("five nodes with one bootstrap node", (it) => {
  it.effect.each([0, 1, 2, 3, 4])(
    "are a full mesh again after kill -9 and restart of member %i, and the others keep their sessions",
    (number) =>
      Effect.gen(function* () {
        const { members } = yield* Mesh
        const victim = members[number]
        if (victim === undefined) return assert.fail("no such member")
        const survivors = members.filter((member) => member !== victim)
        const before = yield* opened(survivors)
        const since = performance.now()
        yield* kill(victim)
        yield* revive(victim)
        const millis = yield* untilMesh((yield* Mesh).members, recoveryMillisMax)
        yield* Console.log(`full mesh ${millis} ms after ${victim.name} runs again`)
        yield* assertKept(survivors, since)
        assert.deepStrictEqual(
          yield* opened(survivors),
          before.map((count) => count + 1),
          "a survivor has opened a session besides the one with the restarted member"
        )
      }),
    60_000
  )

  it.effect(
    "find each other from peers.json while the bootstrap node is down, and it when it is back",
    () =>
      Effect.gen(function* () {
        const [bootstrap, restarted, ...others] = (yield* Mesh).members
        if (bootstrap === undefined || restarted === undefined) return assert.fail("no members")
        yield* kill(bootstrap)
        yield* kill(restarted)
        const again = yield* revive(restarted)
        const millis = yield* untilMesh([again, ...others], recoveryMillisMax)
        yield* Console.log(`mesh of four ${millis} ms after a restart without the bootstrap node`)
        yield* revive(bootstrap)
        const whole = yield* untilMesh((yield* Mesh).members, recoveryMillisMax)
        yield* Console.log(`full mesh ${whole} ms after the bootstrap node runs again`)
      }),
    60_000
  )

  it.effect(
    "tell that another member answers at a known address, and have no session with it",
    () =>
      Effect.gen(function* () {
        const [asking, , , , victim] = (yield* Mesh).members
        if (asking === undefined || victim === undefined) return assert.fail("no members")
        yield* kill(victim)
        const { home, peer } = victim
        yield* Effect.scoped(
          Effect.gen(function* () {
            const impostor = yield* startMember({ home, name: "impostor", port: peer.address.port })
            assert.notStrictEqual(impostor.did.text, victim.did.text)
            // The session with the victim is taken to be alive until it does not answer.
            const { reading } = yield* until(dial(asking, victim.peer), Result.isFailure, "the end of the old session")
            if (Result.isSuccess(reading)) return assert.fail("it has a session with somebody else")
            const { message, reason } = reading.failure
            assert.include(message, impostor.did.text)
            if (reason._tag !== "WrongPeer") return assert.fail(message)
            assert.deepStrictEqual(
              [reason.found, reason.address],
              [impostor.did.text, `127.0.0.1:${victim.peer.address.port}`]
            )
            assert.strictEqual(yield* metric(impostor, "icn_network_connections_total"), 0)
            assertNoDefects([impostor])
          })
        )
        yield* revive(victim)
        yield* untilMesh((yield* Mesh).members, recoveryMillisMax)
        assertNoDefects((yield* Mesh).members)
      }),
    60_000
  )
})
