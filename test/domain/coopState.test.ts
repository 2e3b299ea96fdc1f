import { assert, describe, it } from "@effect/vitest"
import { groupKeyId, groupKeysMax } from "../../src/domain/coopGroupKey.ts"
import { coopsMax, emptyState, isNewer, rankOf, withState } from "../../src/domain/coopState.ts"
import { hash, keyOfText, stateAfter } from "../fixtures/coops.ts"

describe("the state of a cooperative", () => {
  it("has the key of its roster first, and those before it for a while", () => {
    const state = stateAfter(groupKeysMax + 2)
    assert.strictEqual(state.keys.length, groupKeysMax)
    assert.deepStrictEqual(
      state.keys.map(({ epoch }) => epoch),
      Array.from({ length: groupKeysMax }, (_, index) => groupKeysMax + 2 - index)
    )
    assert.strictEqual(state.keys[0]?.id, state.roster?.roster.keyId)
    for (const { epoch, id, key } of state.keys) {
      assert.deepStrictEqual(key, keyOfText(`key ${epoch}`))
      assert.strictEqual(id, groupKeyId(key))
    }
  })

  it("takes any roster where it has none, and then those in force before its own only", () => {
    assert.isTrue(isNewer(emptyState(hash("coop")), { epoch: 1, keyId: "ff" }))
    const state = stateAfter(2)
    const { epoch, keyId } = rankOf(state)
    assert.isFalse(isNewer(state, { epoch, keyId }))
    assert.isFalse(isNewer(state, { epoch: epoch - 1, keyId: "00" }))
    assert.isTrue(isNewer(state, { epoch: epoch + 1, keyId: "ff" }))
    assert.isTrue(isNewer(state, { epoch, keyId: "00" }))
    assert.isFalse(isNewer(state, { epoch, keyId: "ff".repeat(16) }))
  })

  it("is one of a few, of which the one that changed last comes first", () => {
    const states = Array.from({ length: coopsMax }, (_, index) => emptyState(hash(`${index}`)))
    const changed = { ...emptyState(hash("3")), left: true }
    const after = withState(states, changed)
    assert.strictEqual(after.length, coopsMax)
    assert.strictEqual(after[0], changed)
    assert.strictEqual(after.filter(({ coop }) => coop === changed.coop).length, 1)
    const more = withState(states, emptyState(hash("new")))
    assert.strictEqual(more.length, coopsMax)
    assert.isFalse(more.some(({ coop }) => coop === hash(`${coopsMax - 1}`)))
  })
})
