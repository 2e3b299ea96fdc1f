import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as LinksMemory from "../../src/layers/LinksMemory.ts"
import { Links } from "../../src/services/Links.ts"

describe("LinksMemory", () => {
  it.effect("has no links unless told otherwise", () =>
    Effect.gen(function* () {
      const links = yield* Links
      const status = yield* links.status
      assert.deepInclude(status, { port: 0, servers: [], links: [] })
      assert.strictEqual(status.nat.kind, "unknown")
      assert.deepStrictEqual(yield* links.refresh, status)
    }).pipe(Effect.provide(LinksMemory.layer()))
  )

  it.effect("shows what it is given", () =>
    Effect.gen(function* () {
      const servers = [{ server: "192.0.2.1:3478", mapped: undefined, rttMs: undefined, problem: "timeout" }]
      const { links, port, servers: shown } = yield* (yield* Links).status
      assert.deepStrictEqual([port, shown, links], [7778, servers, []])
    }).pipe(
      Effect.provide(
        LinksMemory.layer({
          port: 7778,
          servers: [{ server: "192.0.2.1:3478", mapped: undefined, rttMs: undefined, problem: "timeout" }]
        })
      )
    )
  )
})
