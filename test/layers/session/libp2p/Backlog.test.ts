import { assert, describe, it } from "@effect/vitest"
import { Arbitrary } from "effect"
import { Backlog } from "../../../../src/layers/session/libp2p/Backlog.ts"
import { integer } from "../../../fixtures/arbitraries.ts"

const piece = 65_536

describe("Backlog", () => {
  it("passes on what comes at once in pieces, and stops between two of them", () => {
    const delivered: Array<number> = []
    const backlog: Backlog = new Backlog(({ length }) => {
      delivered.push(length)
      if (delivered.length === 2) backlog.hold()
    })
    backlog.push(new Uint8Array(3 * piece + 5))
    assert.deepStrictEqual(delivered, [piece, piece])
    assert.isTrue(backlog.isHeld)
    backlog.release()
    assert.deepStrictEqual(delivered, [piece, piece, piece, 5])
  })

  it("tells the end only after what came before it", () => {
    const heard: Array<string> = []
    const backlog = new Backlog(({ length }) => void heard.push(String(length)))
    backlog.hold()
    backlog.push(new Uint8Array(1))
    backlog.afterwards(() => void heard.push("finished"))
    backlog.afterwards(() => void heard.push("closed"))
    assert.deepStrictEqual(heard, [])
    backlog.release()
    assert.deepStrictEqual(heard, ["1", "finished", "closed"])
    backlog.afterwards(() => void heard.push("at once"))
    assert.deepStrictEqual(heard.at(-1), "at once")
  })

  it("forgets what is given up", () => {
    const heard: Array<string> = []
    const backlog = new Backlog(() => void heard.push("bytes"))
    backlog.hold()
    backlog.push(new Uint8Array(1))
    backlog.afterwards(() => void heard.push("finished"))
    backlog.drop()
    backlog.release()
    assert.deepStrictEqual(heard, [])
  })

  it.prop(
    "loses and reorders nothing, whenever it is held",
    [Arbitrary.array(integer(0, 200_000), { maxLength: 6 }), integer(1, 5)],
    ([sizes, holdAfter]) => {
      const whole = Buffer.concat(sizes.map((size, index) => Buffer.alloc(size, index + 1)))
      const parts: Array<Uint8Array> = []
      const backlog: Backlog = new Backlog((bytes) => {
        parts.push(bytes)
        if (parts.length % holdAfter === 0) backlog.hold()
      })
      let at = 0
      for (const size of sizes) {
        backlog.push(whole.subarray(at, at + size))
        at += size
      }
      while (backlog.isHeld) backlog.release()
      assert.isTrue(Buffer.concat(parts).equals(whole))
    }
  )
})
