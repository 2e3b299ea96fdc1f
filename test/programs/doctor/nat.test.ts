import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { lookAtNat } from "../../../src/programs/doctor/nat.ts"
import * as UdpMemory from "../../../src/layers/UdpMemory.ts"
import * as NatUdp from "../../fixtures/natUdp.ts"
import * as StunServer from "../../fixtures/stunServer.ts"
import { timed } from "../../layers/turn/world.ts"

const first = { host: "203.0.113.1", port: 3478 }
const second = { host: "203.0.113.2", port: 3479 }
const own = "192.168.1.2"
const probe = { port: 0, udp4: own, udp6: false } as const
const behind = (mapping: "endpointIndependent" | "addressAndPortDependent") =>
  NatUdp.make({ inside: "192.168.", outside: "198.51.100.7", mapping, filtering: "addressAndPortDependent" }).layer

const look = (servers: ReadonlyArray<typeof first>) => timed(lookAtNat(servers, [own], probe), "50 millis")

describe("lookAtNat", () => {
  it.effect("measures where a server offers tests, in time", () =>
    Effect.gen(function* () {
      yield* StunServer.start({ address: first, other: second })
      const { atMillis, exit } = yield* look([first])
      const { nat, stun } = yield* exit
      assert.strictEqual(nat.kind, "port-restricted cone")
      assert.strictEqual(nat.filtering.confidence, "measured")
      assert.match(stun[0]?.mapped ?? "", /^198\.51\.100\.7:/)
      assert.isAtMost(atMillis, 7500)
    }).pipe(Effect.scoped, Effect.provide(behind("endpointIndependent")))
  )

  it.effect("compares two servers otherwise", () =>
    Effect.gen(function* () {
      yield* StunServer.start({ address: first })
      yield* StunServer.start({ address: second })
      const { nat } = yield* (yield* look([first, second])).exit
      assert.deepStrictEqual([nat.kind, nat.mapping.confidence], ["symmetric", "inferred"])
    }).pipe(Effect.scoped, Effect.provide(behind("addressAndPortDependent")))
  )

  it.effect("tells of silence and of refusals apart", () =>
    Effect.gen(function* () {
      const refusing = yield* StunServer.start({ address: first })
      refusing.behave("refusing")
      const { atMillis, exit } = yield* look([first, second])
      const { nat, stun } = yield* exit
      assert.deepStrictEqual(
        stun.map(({ problem, server }) => [server, problem?.split(":")[0]]),
        [
          ["203.0.113.1:3478", "refused"],
          ["203.0.113.2:3479", "timeout"]
        ]
      )
      assert.strictEqual(nat.kind, "unknown")
      assert.isAtMost(atMillis, 3100)
    }).pipe(Effect.scoped, Effect.provide(behind("endpointIndependent")))
  )

  it.effect("says why it has no socket", () =>
    Effect.gen(function* () {
      const taken = { port: 7000, udp4: own, udp6: false } as const
      const { exit } = yield* timed(
        Effect.andThen(lookAtNat([], [own], taken), lookAtNat([first], [own], { ...taken, udp4: "nowhere" })),
        "50 millis"
      )
      const { nat, stun } = yield* exit
      assert.match(stun[0]?.problem ?? "", /^no UDP socket: /)
      assert.strictEqual(nat.kind, "unknown")
    }).pipe(Effect.scoped, Effect.provide(UdpMemory.layer()))
  )
})
