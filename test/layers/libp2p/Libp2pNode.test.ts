import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger } from "effect"
import { availableTransports, Libp2pFailed } from "../../../src/layers/libp2p/Libp2pNode.ts"

describe("availableTransports", () => {
  it.effect("has QUIC where there is a binary for the platform", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* availableTransports(["quic", "tcp"]), ["quic", "tcp"])
      assert.deepStrictEqual(yield* availableTransports(["tcp"]), ["tcp"])
    })
  )

  it.effect("goes on over TCP where there is none, and says so", () =>
    Effect.gen(function* () {
      const missing = Effect.fail(new Libp2pFailed({ detail: "QUIC is not available on toaster-mips" }))
      const lines: Array<string> = []
      const capture = Logger.make(({ message }) => void lines.push(String(message)))
      const available = yield* availableTransports(["quic", "tcp"], missing).pipe(
        Effect.provide(Logger.layer([capture]))
      )
      assert.deepStrictEqual(available, ["tcp"])
      assert.deepStrictEqual(lines, ["QUIC is not available on toaster-mips; sessions go over TCP alone"])
      const failure = yield* Effect.flip(availableTransports(["quic"], missing))
      assert.strictEqual(failure.detail, "QUIC is not available on toaster-mips")
    })
  )
})
