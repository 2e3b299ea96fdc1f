/** What a member may say through a neighbour that has passed on much to it and from it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { make as makeNetwork } from "../../../src/layers/session/memory/Network.ts"
import type { SignalFailed } from "../../../src/layers/session/Signalling.ts"
import { contentTo } from "../../fixtures/linkOffers.ts"
import { makeSessionNode } from "../../fixtures/sessionNodes.ts"
import { makeSignaller, pass, passing, type Signaller } from "../../fixtures/signallers.ts"

const hostOf = (number: number): string => `198.51.100.${number}`

const resultOf = <A>(sent: Effect.Effect<A, SignalFailed>) =>
  Effect.map(Effect.result(passing(sent)), (result) => (Result.isFailure(result) ? result.failure.reason : "sent"))

describe("a member that has said and heard all that is let through", () => {
  it.effect("can still answer whoever asks it, once for each time", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork({ latencyMillis: 1 })
      const n = yield* makeSessionNode(network, { number: 10, host: hostOf(10), dialsHeardOf: false })
      const [a, b, c] = [
        yield* makeSignaller(network, { number: 1, host: hostOf(1) }),
        yield* makeSignaller(network, { number: 2, host: hostOf(2) }),
        yield* makeSignaller(network, { number: 3, host: hostOf(3) })
      ]
      for (const member of [a, b, c]) yield* passing(member.dial(10, hostOf(10)))
      yield* pass(20)
      const floods = (from: Signaller, to: Signaller) =>
        passing(
          Effect.forEach(
            Array.from({ length: 40 }, (_, index) => `garbage${index}`),
            (sealed) => from.ask(n.did, { to: to.did, sealed, hops: 0 }),
            { concurrency: "unbounded" }
          )
        )
      yield* floods(c, a)
      yield* floods(a, c)
      assert.strictEqual(yield* resultOf(a.signalling.send(contentTo(3))), "limited")
      assert.strictEqual(yield* resultOf(b.signalling.send(contentTo(1))), "sent")
      assert.strictEqual(yield* resultOf(a.signalling.send(contentTo(2, { kind: "answer" }))), "sent")
      assert.deepStrictEqual(
        b.offers.map(({ kind }) => kind),
        ["answer"]
      )
      assert.strictEqual(yield* resultOf(a.signalling.send(contentTo(2, { kind: "update" }))), "limited")
    })
  )
})
