import { assert, describe, it } from "@effect/vitest"
import { integer } from "../fixtures/arbitraries.ts"
import { Arbitrary, Schema } from "effect"
import {
  dataMillis,
  type Member,
  misfit,
  type NatKind,
  natKinds,
  type Route,
  routeInUse,
  World
} from "../fixtures/linkNat.ts"

const start = (
  first: NatKind,
  second: NatKind,
  options: Partial<ConstructorParameters<typeof World>[0]> = {}
): World => {
  const world = new World({
    seed: 1,
    members: [
      { nat: first, relay: true },
      { nat: second, relay: true }
    ],
    ...options
  })
  world.exchange()
  return world
}

/** What theory says, for each pair: the kind of path, and the TURN allocations on it. */
const expected: ReadonlyArray<readonly [NatKind, NatKind, string]> = [
  ["open", "open", "direct 0"],
  ["open", "full", "reflexive 0"],
  ["open", "cone", "reflexive 0"],
  ["open", "symmetric", "reflexive 0"],
  ["open", "udpBlocked", "relayed 1"],
  ["full", "full", "reflexive 0"],
  ["full", "cone", "reflexive 0"],
  ["full", "symmetric", "reflexive 0"],
  ["full", "udpBlocked", "relayed 1"],
  ["cone", "cone", "reflexive 0"],
  ["cone", "symmetric", "relayed 1"],
  ["cone", "udpBlocked", "relayed 1"],
  ["symmetric", "symmetric", "relayed 1"],
  ["symmetric", "udpBlocked", "relayed 1"],
  ["udpBlocked", "udpBlocked", "relayed 2"]
]

const pathOf = ({ agent }: Member): string => `${agent.active?.kind} ${agent.active?.relays}`

const firstValidAt = (world: World, isWanted: (member: Member) => boolean, end: number): number => {
  while (world.now < end && !world.members.every(isWanted)) world.run(10)
  return world.now
}

const hasValid = (kinds: ReadonlyArray<string>) => (member: Member) =>
  member.agent.paths(0).some(({ kind, state }) => state === "valid" && kinds.includes(kind))

describe("two agents behind NATs", () => {
  it("meet every pair of kinds once", () => {
    assert.lengthOf(expected, (natKinds.length * (natKinds.length + 1)) / 2)
  })

  for (const [first, second, path] of expected) {
    it(`${first} and ${second} get a path that is ${path.replace(" ", " over ")} relays`, () => {
      for (const [a, b] of [
        [first, second],
        [second, first]
      ] as const) {
        const world = start(a, b)
        world.run(1000)
        for (const { agent } of world.members) assert.isDefined(agent.active, "no path within a second")
        world.run(3000)
        assert.deepStrictEqual(world.members.map(pathOf), [path, path])
        assert.isUndefined(misfit(world))
        for (const [index, nat] of [a, b].entries()) {
          if (nat === "udpBlocked") assert.strictEqual(world.members[index === 0 ? 0 : 1].agent.active?.base, "relay")
        }
        const switches = world.members.map((member) => member.switches().length)
        world.run(60_000)
        assert.deepStrictEqual(
          world.members.map((member) => member.switches().length),
          switches
        )
      }
    })
  }

  it("lose nothing when they move to a better path", () => {
    const world = start("cone", "full", { latency: (route) => (route === "udp-udp" ? 120 : 15) })
    world.run(10_000)
    assert.isAbove(world.members[0].switches().length, 0)
    for (const member of world.members) {
      const sent = 10_000 / dataMillis - world.peerOf(member).unsent.length
      // What was sent in the last 120 ms is still on its way.
      assert.isAtLeast(member.arrivals.length, sent - 2)
    }
  })

  it("have a relayed path and a punched one within a second, with ten candidates each", () => {
    const many = {
      members: [
        { nat: "cone", relay: true, idleHosts: 7 },
        { nat: "cone", relay: true, idleHosts: 7 }
      ],
      latency: () => 40
    } as const
    assert.isAtMost(firstValidAt(start("cone", "cone", many), hasValid(["relayed"]), 5000), 1000)
    assert.isAtMost(firstValidAt(start("cone", "cone", many), hasValid(["reflexive"]), 5000), 1000)
  })

  it("use the LAN when there is one", () => {
    for (const nat of ["full", "cone", "symmetric", "udpBlocked"] as const) {
      const world = start(nat, nat, { lan: true })
      world.run(5000)
      assert.deepStrictEqual(world.members.map(pathOf), ["direct 0", "direct 0"])
    }
  })

  it("say that they failed once, and go on", () => {
    const world = start("cone", "symmetric", {
      members: [
        { nat: "cone", relay: false },
        { nat: "symmetric", relay: false }
      ]
    })
    world.run(60_000)
    for (const { events } of world.members) {
      assert.deepStrictEqual(events, [{ at: 10_000, event: { _tag: "Failed" } }])
    }
    // Searching costs each little: two paths, once in two seconds.
    assert.isBelow(world.members[0].checksAt.filter((at) => at > 30_000).length, 60)
    const [first] = world.members
    world.allocate(first)
    world.update(first)
    world.run(5000)
    assert.deepStrictEqual(world.members.map(pathOf), ["relayed 1", "relayed 1"])
  })
})

const gaps = ({ arrivals }: Member, from: number, to: number): number => {
  const times = [from, ...arrivals.filter((at) => at >= from && at <= to), to]
  return times.reduce((most, at, index) => Math.max(most, at - (times[index - 1] ?? at)), 0)
}

const routeUsed = (world: World): Route => routeInUse(world, 0) ?? "lan"

describe("a silent cut", () => {
  it.prop(
    "is over in three seconds when another path works",
    [integer(0, 0x7fff_ffff), integer(0, 5000), Arbitrary.schema(Schema.Literals(["both", "first", "second"]))],
    ([seed, wait, direction]) => {
      const world = start("cone", "cone", { seed })
      world.run(20_000 + wait)
      const route = routeUsed(world)
      assert.strictEqual(route, "udp-udp")
      world.cuts.add(direction === "both" ? route : `${route}>${direction === "first" ? 0 : 1}`)
      const cutAt = world.now
      world.run(10_000)
      for (const member of world.members) {
        assert.isAtMost(gaps(member, cutAt, world.now), 3000)
        assert.isAtMost(member.agent.paths(world.now).filter(({ active }) => active).length, 1)
      }
      assert.isUndefined(misfit(world))
    },
    { timeout: 120_000, arbitrary: { runs: 100, size: 1000 } }
  )

  it("of two paths at once is, too, for the rest is asked meanwhile", () => {
    for (let seed = 0; seed < 30; seed++) {
      const world = start("cone", "cone", { seed, lan: true })
      world.run(20_000 + seed * 97)
      assert.strictEqual(routeUsed(world), "lan")
      world.cuts.add("lan")
      world.cuts.add("udp-udp")
      const cutAt = world.now
      world.run(10_000)
      for (const member of world.members) {
        assert.isAtMost(gaps(member, cutAt, world.now), 3000)
        const reasons = member.switches().filter(({ at }) => at > cutAt)
        assert.isAtMost(reasons.length, 2, JSON.stringify(reasons))
      }
    }
  })

  it("of everything is told once, and ends when anything works again", () => {
    const world = start("cone", "symmetric")
    world.run(10_000)
    for (const route of ["udp-udp", "udp-relay", "relay-udp", "relay-relay"] as const) world.cuts.add(route)
    world.run(60_000)
    for (const { agent, events } of world.members) {
      assert.isUndefined(agent.active)
      assert.lengthOf(
        events.filter(({ event }) => event._tag === "Lost"),
        1
      )
    }
    world.cuts.delete("relay-relay")
    world.run(4000)
    assert.deepStrictEqual(world.members.map(pathOf), ["relayed 2", "relayed 2"])
    assert.strictEqual(world.members[0].events.at(-1)?.event._tag, "Established")
  })
})

describe("a path that comes and goes", () => {
  it("is left alone longer each time, and used again in the end", () => {
    for (const period of [3000, 5000, 8000, 15_000]) {
      const world = start("cone", "cone")
      world.run(10_000)
      for (const end = world.now + 600_000; world.now < end;) {
        world.cuts.add("udp-udp")
        world.run(period / 2)
        world.cuts.delete("udp-udp")
        world.run(period / 2)
      }
      for (const member of world.members) {
        assert.isAtMost(member.switches().length, 60, `${period} ms`)
        assert.isAtMost(gaps(member, 10_000, world.now), 3500)
      }
      world.run(70_000)
      assert.isUndefined(misfit(world))
    }
  })

  it("is used again after seconds when it was lost only once", () => {
    const world = start("cone", "cone")
    world.run(70_000)
    world.cuts.add("udp-udp")
    world.run(3000)
    world.cuts.delete("udp-udp")
    assert.isDefined(misfit(world))
    world.run(12_000)
    assert.isUndefined(misfit(world))
  })

  it("is used at once when nothing else works", () => {
    const world = start("cone", "cone")
    for (let round = 0; round < 5; round++) {
      world.run(7000)
      world.cuts.add("udp-udp")
      world.run(4000)
      world.cuts.delete("udp-udp")
    }
    world.run(15_000)
    const healedAt = world.now
    for (const route of ["udp-relay", "relay-udp", "relay-relay"] as const) world.cuts.add(route)
    world.run(10_000)
    for (const member of world.members) assert.isAtMost(gaps(member, healedAt, world.now), 3000)
  })
})
