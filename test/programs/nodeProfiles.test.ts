import { assert, describe } from "@effect/vitest"
import { Clock, Effect, Fiber, Option } from "effect"
import type { NodeProfile } from "../../src/domain/nodeProfile.ts"
import { profileSignedBytes, profileTag } from "../../src/domain/nodeProfile.ts"
import { frame, type SigningKey } from "../../src/domain/ed25519.ts"
import { makeNodeProfiles, type NodeProfilesOptions, profileTopic } from "../../src/programs/nodeProfiles.ts"
import { listen, until } from "../fixtures/gossipNotes.ts"
import { didOf, keyNumber } from "../fixtures/dids.ts"
import { type MemoryGossipNode, type Network, node as makeNode } from "../fixtures/gossipMemory.ts"
import { worldTest } from "../fixtures/gossipWorld.ts"

const start = Effect.fnUntraced(function* (node: MemoryGossipNode, options: NodeProfilesOptions = {}) {
  const profiles = yield* Effect.provide(makeNodeProfiles(options), node.context)
  yield* Effect.forkScoped(profiles.run(Effect.void), { startImmediately: true })
  return { ...node, profiles }
})

const profileOf = (key: SigningKey, timestamp: number, signer = key): NodeProfile => {
  const unsigned = { version: 1 as const, did: didOf(key), software: "other/1.0", role: "edge", timestamp }
  return { ...unsigned, signature: signer.sign(frame(profileTag, profileSignedBytes(unsigned))) }
}

const row = Effect.fnUntraced(function* (network: Network, count: number) {
  const nodes = yield* Effect.forEach(Array.from({ length: count }), () =>
    Effect.flatMap(makeNode(network), (node) => start(node, { self: { platform: "linux/x64", startedAt: 5 } }))
  )
  for (const [index, node] of nodes.entries()) {
    const next = nodes[index + 1]
    if (next !== undefined) yield* node.connect(next)
  }
  return nodes
})

type Profiled = Effect.Success<ReturnType<typeof start>>
const softwareOf = (known: Option.Option<NodeProfile>) =>
  Option.getOrUndefined(Option.map(known, (one) => one.software))
const at = (nodes: ReadonlyArray<Profiled>, index: number): Profiled => {
  const node = nodes[index]
  if (node === undefined) throw new Error("no such node")
  return node
}

describe("nodeProfiles", () => {
  worldTest("tells everybody about a node, for as long as it is there", (network) =>
    Effect.gen(function* () {
      const nodes = yield* row(network, 3)
      const [a, c] = [at(nodes, 0), at(nodes, 2)]
      yield* until(Effect.map(c.profiles.known(a.did), Option.isSome))
      const profile = Option.getOrThrow(yield* c.profiles.known(a.did))
      assert.match(profile.software, /^icn-node\/\d/)
      assert.deepStrictEqual([profile.platform, profile.startedAt, profile.role], ["linux/x64", 5, "edge"])
      yield* until(Effect.map(c.profiles.all, (all) => all.length === 2))
      assert.deepStrictEqual(softwareOf(yield* a.profiles.query(a.did)), profile.software)
    })
  )

  worldTest("asks for a member, and is answered by the member itself", (network) =>
    Effect.gen(function* () {
      const [a, b] = [yield* start(yield* makeNode(network)), yield* start(yield* makeNode(network))]
      const silent = yield* start(yield* makeNode(network), { tells: false })
      yield* a.connect(b)
      yield* a.connect(silent)
      const heard = yield* listen(b, profileTopic)
      // Before the first announcement: that comes when somebody listens, at the next look.
      yield* until(Effect.map(a.gossip.topics, ([topic]) => topic?.neighbours === 2))
      const [answer, none] = yield* Effect.all([a.profiles.query(b.did), a.profiles.query(silent.did)], {
        concurrency: "unbounded"
      })
      assert.match(softwareOf(answer) ?? "", /^icn-node/)
      assert.isTrue(Option.isNone(none))
      yield* until(Effect.sync(() => heard.some(({ message }) => message._tag === "Response")))
      const responses = heard.filter(({ message }) => message._tag === "Response")
      assert.deepStrictEqual(
        responses.map(({ author }) => author.text),
        [silent.did.text]
      )
    })
  )

  worldTest("is answered by somebody who knows when the member is gone, and not by everybody", (network) =>
    Effect.gen(function* () {
      const nodes = yield* row(network, 5)
      const [gone, last] = [at(nodes, 0), at(nodes, 4)]
      yield* until(Effect.map(last.profiles.known(gone.did), Option.isSome))
      yield* gone.stop
      const newcomer = yield* start(yield* makeNode(network))
      const heard = yield* listen(newcomer, profileTopic)
      yield* newcomer.connect(last)
      yield* until(Effect.map(newcomer.gossip.topics, ([topic]) => (topic?.neighbours ?? 0) > 0))
      const before = yield* Clock.currentTimeMillis
      const answer = yield* newcomer.profiles.query(gone.did)
      assert.match(softwareOf(answer) ?? "", /^icn-node/)
      assert.isBelow((yield* Clock.currentTimeMillis) - before, 3000)
      yield* Effect.sleep(5000)
      const responses = heard.filter(({ message }) => message._tag === "Response")
      // Four know it; two can be equally fast by chance.
      assert.isAtLeast(responses.length, 1)
      assert.isAtMost(responses.length, 2)
    })
  )

  worldTest("gives up on a member that nobody knows, and shares the question", (network) =>
    Effect.gen(function* () {
      const nodes = yield* row(network, 2)
      const [a, b] = [at(nodes, 0), at(nodes, 1)]
      yield* until(Effect.map(a.profiles.known(b.did), Option.isSome))
      const heard = yield* listen(b, profileTopic)
      const unknown = didOf(keyNumber(99))
      const asking = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(a.profiles.query(unknown)))
      const answers = yield* Effect.forEach(asking, Fiber.join)
      assert.isTrue(answers.every(Option.isNone))
      assert.strictEqual(heard.filter(({ message }) => message._tag === "Query").length, 1)
    })
  )

  worldTest("believes what others tell of a member only if the member signed it", (network) =>
    Effect.gen(function* () {
      const nodes = yield* row(network, 2)
      const [a, b] = [at(nodes, 0), at(nodes, 1)]
      yield* until(Effect.map(a.profiles.known(b.did), Option.isSome))
      const now = yield* Clock.currentTimeMillis
      const [good, forged] = [keyNumber(1), keyNumber(2)]
      yield* a.gossip.publish(profileTopic, { _tag: "Announce", profile: profileOf(forged, now, keyNumber(3)) })
      const wrong = { _tag: "Response" as const, did: didOf(forged), profile: profileOf(good, now) }
      yield* a.gossip.publish(profileTopic, wrong)
      yield* a.gossip.publish(profileTopic, { _tag: "Announce", profile: profileOf(good, now) })
      yield* until(Effect.map(b.profiles.known(didOf(good)), Option.isSome))
      assert.isTrue(Option.isNone(yield* b.profiles.known(didOf(forged))))
    })
  )

  worldTest("answers a flood of questions with a few answers", (network) =>
    Effect.gen(function* () {
      const nodes = yield* row(network, 2)
      const [a, b] = [at(nodes, 0), at(nodes, 1)]
      yield* until(Effect.map(a.profiles.known(b.did), Option.isSome))
      const heard = yield* listen(a, profileTopic)
      const before = yield* Clock.currentTimeMillis
      for (let index = 0; index < 100; index++) {
        yield* a.gossip.publish(profileTopic, { _tag: "Query", did: b.did })
        yield* Effect.sleep(30)
      }
      yield* Effect.sleep(1000)
      const seconds = ((yield* Clock.currentTimeMillis) - before) / 1000
      const responses = heard.filter(({ message }) => message._tag === "Response").length
      assert.isAbove(responses, 0)
      assert.isAtMost(responses, 10 + seconds)
    })
  )
})
