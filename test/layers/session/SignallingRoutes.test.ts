/** Which neighbours a member's answers go through when not all of them are honest. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { linkOfferTag } from "../../../src/domain/linkOffer.ts"
import { make as makeNetwork } from "../../../src/layers/session/memory/Network.ts"
import { encodeLinkOffer } from "../../../src/protocol/linkOffer.ts"
import { contentTo, offerOf } from "../../fixtures/linkOffers.ts"
import { makeSessionNode } from "../../fixtures/sessionNodes.ts"
import { makeRogue } from "../../fixtures/sessionRogue.ts"
import { makeSignaller, pass, passing } from "../../fixtures/signallers.ts"

const hostOf = (number: number): string => `198.51.100.${number}`

describe("a neighbour that swallows what it says that it delivered", () => {
  it.effect("keeps a member's answers from getting through once, though it always brings the offer first", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork({ latencyMillis: 1 })
      yield* makeSessionNode(network, { number: 10, host: hostOf(10), dialsHeardOf: false, linkPort: () => 5555 })
      const a = yield* makeSignaller(network, { number: 1, host: hostOf(1) })
      const b = yield* makeSignaller(network, { number: 2, host: hostOf(2) })
      const rogue = yield* makeRogue(network, {
        number: 20,
        host: hostOf(20),
        answer: (message) =>
          message._tag === "Signal" ? { _tag: "Signalled", id: message.id, result: "delivered" } : undefined
      })
      yield* passing(a.dial(10, hostOf(10)))
      for (const number of [10, 20]) yield* passing(b.dial(number, hostOf(number)))
      yield* pass(20)
      const brings = Effect.fnUntraced(function* (id: number) {
        const offer = encodeLinkOffer(offerOf(1, 2, yield* Clock.currentTimeMillis))
        const bytes = yield* passing(a.identity.seal(b.did, linkOfferTag, offer))
        const sealed = Buffer.from(bytes).toString("base64url")
        yield* rogue.sessions[0]?.send({ _tag: "Signal", id, to: b.did, sealed, hops: 1 }) ?? Effect.void
        yield* pass(50)
      })
      for (const id of [1, 2, 3]) {
        yield* brings(id)
        yield* passing(b.signalling.send(contentTo(1, { kind: "answer" })))
        yield* pass(2500)
      }
      assert.strictEqual(b.offers.length, 3)
      assert.strictEqual(a.offers.length, 2)
      // After a while the neighbour that brought the last one is preferred again.
      yield* pass(30_000)
      yield* passing(b.signalling.send(contentTo(1, { kind: "answer" })))
      yield* pass(100)
      assert.strictEqual(a.offers.length, 2)
    })
  )
})
