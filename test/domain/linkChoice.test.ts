import { assert, describe, it } from "@effect/vitest"
import {
  answersWell,
  bestUsable,
  isBetter,
  isFaster,
  isUsable,
  provingMillis,
  upgradeAt
} from "../../src/domain/linkChoice.ts"
import { type LinkCandidateKind } from "../../src/domain/linkCandidate.ts"
import { PathState } from "../../src/domain/linkPathState.ts"
import { defaultLinkTimings as timings } from "../../src/domain/linkTimings.ts"

let port = 1

/** A path that answered at 0 and at 1000. */
const valid = (kind: LinkCandidateKind, rtt = 20, base: "udp" | "relay" = "udp"): PathState => {
  const one = new PathState(base, { host: "10.0.0.2", port: port++ }, kind, 0, timings, () => 0.5)
  for (const at of [0, 1000]) {
    one.sent(at - rtt, true)
    one.answered(at, rtt, "10.0.0.1")
  }
  one.classify(new Set(["10.0.0.1"]))
  return one
}

const silence = (path: PathState, from: number, sends: number): PathState => {
  for (let send = 0; send < sends; send++) path.sent(from + 250 * send, true)
  return path
}

describe("the choice of a path", () => {
  it("prefers the nearer kind, whatever its speed, and fewer relays", () => {
    const ordered = [
      valid("host", 300),
      valid("serverReflexive", 200),
      valid("relayed", 100),
      valid("relayed", 10, "relay")
    ]
    for (const [index, better] of ordered.entries()) {
      for (const worse of ordered.slice(index + 1)) {
        assert.isTrue(isBetter(better, worse))
        assert.isFalse(isBetter(worse, better))
        assert.strictEqual(bestUsable([worse, better], 1000), better)
      }
    }
  })

  it("calls a path faster from 30 % and 5 ms on", () => {
    assert.isTrue(isFaster(70, 100))
    assert.isFalse(isFaster(71, 100))
    assert.isTrue(isFaster(5, 10))
    assert.isFalse(isFaster(1, 5))
    assert.isFalse(isFaster(undefined, 10))
    assert.isFalse(isBetter(valid("host", 80), valid("host", 100)))
    assert.isTrue(isBetter(valid("host", 60), valid("host", 100)))
  })

  it("takes a better path once it has had consent for a moment, longer after losses", () => {
    const relayed = valid("relayed")
    const direct = valid("host")
    assert.strictEqual(upgradeAt(timings, direct, relayed, 0, 0), 250)
    assert.deepStrictEqual(
      [0, 1, 2, 3, 6, 7, 20].map((losses) => provingMillis(timings, losses)),
      [250, 1000, 2000, 4000, 32_000, 60_000, 60_000]
    )
    assert.strictEqual(upgradeAt(timings, direct, relayed, 0, 3), 4000)
    direct.holdUntil = 9000
    assert.strictEqual(upgradeAt(timings, direct, relayed, 0, 3), 9000)
    assert.strictEqual(upgradeAt(timings, relayed, direct, 0, 0), Number.POSITIVE_INFINITY)
  })

  it("takes a faster path of the same kind only ten seconds after the last change", () => {
    assert.strictEqual(upgradeAt(timings, valid("relayed", 20), valid("relayed", 100), 500, 0), 10_500)
  })

  it("wants two answers, the last one just now", () => {
    const direct = valid("host")
    assert.isTrue(answersWell(timings, direct, 1000))
    assert.isTrue(answersWell(timings, direct, 2200))
    assert.isFalse(answersWell(timings, direct, 2201))
    assert.isFalse(answersWell(timings, silence(direct, 1100, 3), 1700))
    const once = new PathState("udp", { host: "10.0.0.2", port: 1 }, "host", 0, timings, () => 0)
    assert.isFalse(answersWell(timings, once, 0))
    once.answered(0, 10, "10.0.0.1")
    assert.isFalse(answersWell(timings, once, 0))
  })

  it("takes what is not silent, and has not just been lost, when one is needed at once", () => {
    const silent = silence(valid("host"), 2000, 3)
    const held = valid("serverReflexive")
    held.holdUntil = 5000
    const relayed = valid("relayed", 100)
    const slower = valid("relayed", 110)
    assert.strictEqual(bestUsable([silent, held, slower, relayed], 3000), relayed)
    assert.strictEqual(bestUsable([silent, held], 3000), held)
    assert.strictEqual(bestUsable([silent], 3000), silent)
    assert.strictEqual(bestUsable([silent, held, relayed], 5000), held)
  })

  it("does not take what would be lost at once", () => {
    const silent = silence(valid("host"), 2000, 3)
    assert.isTrue(isUsable(silent, 3299))
    assert.isFalse(isUsable(silent, 3300))
    assert.isUndefined(bestUsable([silent], 3300))
    assert.isUndefined(bestUsable([], 0))
  })
})
