import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import { leaves } from "../../src/domain/nodeConfig.ts"
import { didYouMean, distance, nearest } from "../../src/domain/nodeConfigSuggest.ts"
import { integer, thorough } from "../fixtures/arbitraries.ts"

const paths = leaves.map(({ path }) => path)

describe("nearest", () => {
  it.each([
    ["network.turn_sever", "network.turn_server"],
    ["network.turn_srever", "network.turn_server"],
    ["network.turnServer", "network.turn_server"],
    ["network.turn-server", "network.turn_server"],
    ["network.TURN_SERVER", "network.turn_server"],
    ["network.turn_timeout", "network.turn_timeout_ms"],
    ["metrics_port", "observability.metrics_port"],
    ["network.log_levl", "observability.log_level"],
    ["data_dirs", "data_dir"],
    ["observability.enabled", "observability.tracing.enabled"],
    ["rate_limiting.burst_capacity", "rate_limiting.fallback.burst_capacity"],
    ["network.listen", "network.listen_addr"],
    ["network.bootstrap_peer", "network.bootstrap_peers"]
  ])("finds what %s means", (typed, meant) => {
    assert.strictEqual(nearest(typed, paths), meant)
  })

  it.each(["network.port", "x", "", "network.completely_different", `network.${"turn_server".repeat(10)}`])(
    "makes nothing up for %s",
    (typed) => {
      assert.isUndefined(nearest(typed, paths))
      assert.strictEqual(didYouMean(typed, paths), "")
    }
  )

  it("prefers the same table, then one inside it or around it", () => {
    assert.strictEqual(nearest("b.port", ["a.part", "b.part"]), "b.part")
    assert.strictEqual(nearest("b.port", ["a.part", "b.c.part", "b.part"]), "b.part")
    assert.strictEqual(nearest("b.port", ["a.part", "b.c.part"]), "b.c.part")
    assert.strictEqual(nearest("b.c.port", ["a.part", "b.part"]), "b.part")
  })

  it.prop(
    "finds every key with one letter missing",
    [integer(0, paths.length - 1), integer(0, 1000)],
    ([which, at]) => {
      const path = paths[which] ?? ""
      const start = path.lastIndexOf(".") + 1
      const position = start + (at % (path.length - start))
      assert.strictEqual(nearest(path.slice(0, position) + path.slice(position + 1), paths), path)
    },
    thorough
  )
})

describe("distance", () => {
  it.each([
    ["", "", 0],
    ["", "abc", 3],
    ["port", "prot", 1],
    ["kitten", "sitting", 3],
    ["flaw", "lawn", 2]
  ] as const)("from %s to %s is %i", (a, b, expected) => {
    assert.strictEqual(distance(a, b), expected)
  })

  it.prop(
    "is symmetric, zero only for equal texts, and at most the longer length",
    [Arbitrary.schema(Schema.String), Arbitrary.schema(Schema.String)],
    ([a, b]) => {
      assert.strictEqual(distance(a, b), distance(b, a))
      assert.strictEqual(distance(a, b) === 0, a === b)
      assert.isAtMost(distance(a, b), Math.max(a.length, b.length))
    },
    { arbitrary: { runs: 300, size: 30 } }
  )
})
