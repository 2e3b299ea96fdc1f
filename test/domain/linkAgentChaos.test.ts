import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import { boolean, integer } from "../fixtures/arbitraries.ts"
import {
  type Member,
  misfit,
  natKinds,
  type Route,
  routeInUse,
  routes,
  workingRoutes,
  World
} from "../fixtures/linkNat.ts"

/** What is done to the network, one after the other. */
const action = Arbitrary.schema(
  Schema.Literals([
    "cut",
    "cutUsed",
    "cutUsed",
    "cutOneWay",
    "restore",
    "restoreAll",
    "blink",
    "rebind",
    "relayLost",
    "relayBack",
    "moved"
  ])
)
const step = Arbitrary.all([action, integer(0, routes.length - 1), integer(0, 1), integer(50, 14_000)])
const steps = Arbitrary.array(step, { minLength: 3, maxLength: 30 })
const nat = Arbitrary.schema(Schema.Literals(natKinds))
const setting = Arbitrary.all([integer(0, 0x7fff_ffff), nat, nat, boolean, integer(0, 3)])
type Step = readonly [string, number, number, number]

/** A second for the loss to be looked at, the loss itself, and another round of search. */
const stuckMillis = 6000
const quietMillis = 160_000

/** The route is gone for a quarter of the time, four times. */
const blink = (world: World, route: Route, millis: number): void => {
  for (let quarter = 0; quarter < 4; quarter++) {
    world.after((quarter * millis) / 4, () => world.cuts.add(route))
    world.after((quarter * millis) / 4 + millis / 8, () => world.cuts.delete(route))
  }
}

const apply = (world: World, [what, which, side, wait]: Step): void => {
  const route = routes[which] ?? "lan"
  const index = side === 0 ? 0 : 1
  const member = world.members[index]
  switch (what) {
    case "cut":
      world.cuts.add(route)
      break
    case "cutUsed":
      world.cuts.add(routeInUse(world, index) ?? route)
      break
    case "cutOneWay":
      world.cuts.add(`${routeInUse(world, index) ?? route}>${side === 0 ? 1 : 0}`)
      break
    case "blink":
      blink(world, routeInUse(world, index) ?? route, wait)
      break
    case "restore":
      for (const cut of [route, `${route}>0`, `${route}>1`] as const) world.cuts.delete(cut)
      break
    case "restoreAll":
      world.cuts.clear()
      break
    case "rebind":
      world.rebind(member)
      world.update(member)
      break
    case "relayLost":
      world.loseAllocation(member)
      world.update(member)
      break
    case "relayBack":
      if (member.allocation === undefined) world.allocate(member)
      world.update(member)
      break
    default:
      member.agent.localAddressesChanged([member.host.host, ...member.idleHosts], world.now)
  }
}

const assertReceives = (world: World, member: Member, from: number, what = ""): void => {
  const last = member.arrivals.at(-1) ?? 0
  if (world.now - from < stuckMillis || what === "blink" || workingRoutes(world).length === 0) return
  assert.isAbove(last, world.now - 1000, `nothing arrives, though ${workingRoutes(world).join()} work`)
}

const mostWithin = (times: ReadonlyArray<number>, millis: number): number =>
  times.reduce((most, from) => Math.max(most, times.filter((at) => at >= from && at < from + millis).length), 0)

const assertBounds = ({ agent, checksAt, events, peak }: Member): void => {
  checksAt.forEach((at, index) => assert.isAtLeast(at - (checksAt[index - 1] ?? -50), 50, `checks too fast at ${at}`))
  assert.isAtMost(peak.paths, 72)
  assert.isAtMost(peak.inFlight, peak.paths * 8)
  assert.isAtMost(agent.size.inFlight, agent.size.paths * 8)
  const chosen = events.filter(({ event }) => event._tag === "Switched" && event.reason !== "lost")
  assert.isAtMost(
    mostWithin(
      chosen.map(({ at }) => at),
      60_000
    ),
    12,
    "it flaps"
  )
}

/** Heals everything, waits until both use the same of the best, and sees that they stay there. */
const assertSettles = (world: World): void => {
  for (const member of world.members) {
    if (member.allocation === undefined) world.allocate(member)
    world.update(member)
  }
  world.cuts.clear()
  const end = world.now + quietMillis
  const from = world.now
  world.run(stuckMillis)
  for (const member of world.members) assertReceives(world, member, from)
  while (misfit(world) !== undefined && world.now < end) world.run(10_000)
  assert.isUndefined(misfit(world))
  const before = world.members.map((member) => member.switches().length)
  world.run(30_000)
  assert.isUndefined(misfit(world))
  assert.deepStrictEqual(
    world.members.map((member) => member.switches().length),
    before
  )
}

const runScript = (world: World, script: ReadonlyArray<Step>): void => {
  world.exchange()
  for (const one of script) {
    apply(world, one)
    const from = world.now
    world.run(one[3])
    for (const member of world.members) assertReceives(world, member, from, one[0])
  }
}

describe("two agents in a network that breaks and heals", () => {
  it.prop(
    "find what works, agree on the best of it, and never flap",
    [setting, steps],
    ([[seed, first, second, lan, idleHosts], script]) => {
      const members = [
        { nat: first, relay: true, idleHosts },
        { nat: second, relay: true }
      ] as const
      const world = new World({ seed, lan, members })
      runScript(world, script)
      assertSettles(world)
      for (const member of world.members) assertBounds(member)
    },
    { timeout: 120_000, arbitrary: { runs: 200, size: 1000 } }
  )

  it.prop(
    "do so over slow and lossy routes, too",
    [setting, steps, integer(0, 250), integer(0, 8)],
    ([[seed, first, second, lan, idleHosts], script, slow, percent]) => {
      const members = [
        { nat: first, relay: true, idleHosts },
        { nat: second, relay: true }
      ] as const
      const latency = (route: string) => (route === "lan" ? 2 : route === "udp-udp" ? slow : 250 - slow)
      const world = new World({ seed, lan, members, latency, loss: percent / 100 })
      runScript(world, script)
      world.cuts.clear()
      const from = world.now
      world.run(30_000)
      for (const member of world.members) {
        assertReceives(world, member, from)
        assertBounds(member)
      }
    },
    { timeout: 120_000, arbitrary: { runs: 200, size: 1000 } }
  )
})
