import { assert, describe, it } from "@effect/vitest"
import { Duration, Schema } from "effect"
import { turnFailureReasons } from "../../src/domain/metrics.ts"
import * as TurnConfig from "../../src/domain/turnConfig.ts"
import * as Upkeep from "../../src/domain/turnUpkeep.ts"

const config = TurnConfig.make({ host: "127.0.0.1", port: 3478 })
const sum = (values: ReadonlyArray<number>): number => values.reduce((total, value) => total + value, 0)
const ratio = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 0.999 }))

const asked = (lifetime: Duration.Input): number =>
  Upkeep.requestedLifetimeSeconds(config.pipe(TurnConfig.withAllocationLifetime(lifetime)))

describe("retransmissionWaits", () => {
  it("is the schedule of RFC 8489 by default: 39.5 s in all", () => {
    const waits = Upkeep.retransmissionWaits(config, 39_500)
    assert.deepStrictEqual(waits, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 8_000])
    assert.strictEqual(sum(waits), 39_500)
  })

  it("ends with the time-out", () => {
    assert.deepStrictEqual(Upkeep.retransmissionWaits(config, 1_000), [500, 500])
    assert.deepStrictEqual(Upkeep.retransmissionWaits(config, 400), [400])
  })

  it.prop(
    "sends at least once, never waits longer than the time-out, and is finite for any configuration",
    {
      timeout: Schema.Int.check(Schema.isBetween({ minimum: -10, maximum: 1_000_000 })),
      rto: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 100_000 })),
      count: Schema.Int.check(Schema.isBetween({ minimum: -1, maximum: 1_000_000 })),
      finalWait: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000 }))
    },
    ({ count, finalWait, rto, timeout }) => {
      const changed = config.pipe(TurnConfig.withRetransmission({ timeout: rto, count, finalWait }))
      const waits = Upkeep.retransmissionWaits(changed, timeout)
      assert.isTrue(waits.length >= 1 && waits.length <= 16)
      assert.isAtMost(sum(waits), Math.max(1, timeout))
      assert.isTrue(waits.every((wait) => wait > 0))
    },
    { arbitrary: { runs: 500, size: 1_000_000 } }
  )
})

describe("refreshDelayMillis", () => {
  it("is the keepalive, when that comes first", () => {
    assert.strictEqual(Upkeep.refreshDelayMillis(600, Duration.seconds(25), 0.5), 25_000)
    assert.strictEqual(Upkeep.refreshDelayMillis(5, Duration.seconds(25), 0.5), 2_500)
  })

  it("knows no keepalive of zero or infinity", () => {
    assert.strictEqual(Upkeep.refreshDelayMillis(600, Duration.zero, 0.5), 300_000)
    assert.strictEqual(Upkeep.refreshDelayMillis(600, Duration.infinity, 0.5), 300_000)
  })

  it.prop(
    "leaves 40 % of the lifetime for retransmissions, is never below 0.4 s and never above an hour",
    { lifetime: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffff_ffff })), random: ratio },
    ({ lifetime, random }) => {
      const delay = Upkeep.refreshDelayMillis(lifetime, Duration.zero, random)
      assert.isTrue(delay >= 400 && delay <= 3_600_000)
      if (lifetime > 1) assert.isAtMost(delay, lifetime * 600)
    },
    { arbitrary: { runs: 500, size: 1_000_000_000 } }
  )
})

describe("reallocationDelayMillis", () => {
  it.each([...turnFailureReasons])("asks at once first, then waits longer and longer, within bounds (%s)", (reason) => {
    assert.strictEqual(Upkeep.reallocationDelayMillis(reason, 0, 0.5), 0)
    let previous = 0
    for (const failures of [1, 2, 3, 10, 50, 100, 1_000, 1_000_000]) {
      const delay = Upkeep.reallocationDelayMillis(reason, failures, 0.5)
      assert.isTrue(delay >= previous && delay <= 300_000, `${delay} ms after ${failures} failures`)
      previous = delay
    }
  })

  it("waits about a tenth of an outage that refuses the port, and at most 5 s", () => {
    let outage = 0
    for (let failures = 1; failures < 200; failures++) {
      const delay = Upkeep.reallocationDelayMillis("unreachable", failures, 0.5)
      if (outage > 1_000) assert.isAtMost(delay, outage * 0.15 + 50)
      assert.isAtMost(delay, 5_000)
      outage += delay
    }
  })

  it("spans the second in which coturn frees a quota", () => {
    assert.isAtLeast(sum([1, 2].map((failures) => Upkeep.reallocationDelayMillis("quota", failures, 0))), 1_100)
  })
})

describe("permissionBatches", () => {
  it("puts 64 IPv4 or 32 IPv6 hosts into one request", () => {
    const v4 = Array.from({ length: 65 }, (_, index) => `10.0.0.${index}`)
    const v6 = Array.from({ length: 33 }, (_, index) => `2001:db8::${index}`)
    assert.deepStrictEqual(
      Upkeep.permissionBatches(v4).map(({ length }) => length),
      [64, 1]
    )
    assert.deepStrictEqual(
      Upkeep.permissionBatches(v6).map(({ length }) => length),
      [32, 1]
    )
    assert.deepStrictEqual(Upkeep.permissionBatches([]), [])
  })

  it.prop(
    "keeps every host once and in order, in batches that fit",
    [Schema.Array(Schema.Literals(["10.0.0.1", "2001:db8::1"]))],
    ([hosts]) => {
      const batches = Upkeep.permissionBatches(hosts)
      assert.deepStrictEqual(batches.flat(), Array.from(hosts))
      for (const batch of batches) {
        assert.isAtLeast(batch.length, 1)
        assert.isAtMost(sum(batch.map((host) => (host.includes(":") ? 24 : 12))), Upkeep.peerAddressBytesMax)
      }
    },
    { arbitrary: { runs: 200, size: 300 } }
  )
})

describe("losses", () => {
  it("is every failed Refresh but a senseless answer, and that the third time", () => {
    for (const reason of turnFailureReasons) {
      assert.strictEqual(Upkeep.isLoss(reason, 1), reason !== "protocol")
      assert.isTrue(Upkeep.isLoss(reason, 3))
    }
  })

  it("is suspected behind 437, an unreachable server and 400, not behind other refusals", () => {
    assert.isTrue(Upkeep.hintsLoss("mismatch", 437))
    assert.isTrue(Upkeep.hintsLoss("unreachable", 0))
    assert.isTrue(Upkeep.hintsLoss("protocol", 400))
    assert.isFalse(Upkeep.hintsLoss("protocol", 500))
    assert.isFalse(Upkeep.hintsLoss("peer_refused", 403))
    assert.isFalse(Upkeep.hintsLoss("quota", 486))
  })
})

describe("requestedLifetimeSeconds", () => {
  it("is in whole seconds and never the zero that releases", () => {
    assert.strictEqual(asked("1500 millis"), 2)
    assert.strictEqual(asked(0), 1)
    assert.strictEqual(asked(Duration.infinity), 0xffff_ffff)
  })
})

describe("udpLookDelayMillis", () => {
  it("begins with a minute and doubles up to a quarter of an hour, with a tenth to either side", () => {
    const delays = [0, 1, 2, 3, 4, 1e9].map((looks) => Upkeep.udpLookDelayMillis(looks, 0.5))
    assert.deepStrictEqual(delays, [60_000, 120_000, 240_000, 480_000, 900_000, 900_000])
    assert.deepStrictEqual([Upkeep.udpLookDelayMillis(0, 0), Upkeep.udpLookDelayMillis(0, 1)], [54_000, 66_000])
  })
})
