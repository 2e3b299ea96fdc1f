import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Did } from "../../src/domain/did.ts"
import * as IdentityMemory from "../../src/layers/IdentityMemory.ts"
import { identityContract } from "../contract/Identity.ts"

identityContract("IdentityMemory", IdentityMemory.layer())

describe("IdentityMemory", () => {
  it.effect("is the same identity for the same seed, and a new one without", () =>
    Effect.gen(function* () {
      const seed = new Uint8Array(32).fill(1)
      const [first, second] = [yield* IdentityMemory.make(seed), yield* IdentityMemory.make(seed)]
      assert.isTrue(Did.equals(first.did, second.did))
      const [third, fourth] = [yield* IdentityMemory.make(), yield* IdentityMemory.make()]
      assert.isFalse(Did.equals(third.did, fourth.did))
    })
  )
})
