import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { opaqueString } from "../../src/protocol/opaqueString.ts"

const reasonOf = (text: string): string | undefined =>
  Result.match(opaqueString(text), { onSuccess: () => undefined, onFailure: ({ reason }) => reason })

describe("OpaqueString", () => {
  // RFC 8265 section 4.3, examples 12 to 16.
  const examples: ReadonlyArray<readonly [text: string, prepared: string]> = [
    ["correct horse battery staple", "correct horse battery staple"],
    ["Correct Horse Battery Staple", "Correct Horse Battery Staple"],
    ["\u{3c0}\u{df}\u{e5}", "\u{3c0}\u{df}\u{e5}"],
    ["Jack of \u{2666}s", "Jack of \u{2666}s"],
    ["foo\u{1680}bar", "foo bar"],
    ["a\u{a0}b\u{3000}c", "a b c"],
    ["e\u{301}", "\u{e9}"],
    ["\u{2168}", "\u{2168}"],
    ["\u{ff21}", "\u{ff21}"],
    ["\u{5d0}a\u{1f511}", "\u{5d0}a\u{1f511}"]
  ]
  for (const [text, prepared] of examples) {
    it(`makes "${prepared}" of ${JSON.stringify(text)}`, () => {
      assert.deepStrictEqual(opaqueString(text), Result.succeed(prepared))
    })
  }

  it("refuses an empty text", () => {
    assert.strictEqual(reasonOf(""), "empty")
  })

  it("refuses what FreeformClass does not contain", () => {
    const disallowed = [
      [0x09, 0x7f, 0x85, 0xad, 0x34f, 0x200b, 0x200c, 0x200d, 0x200e, 0x2028, 0x2029, 0x2060, 0xfe00, 0xfeff],
      [0x1100, 0x11ff, 0xa960, 0xd7fb],
      [0xe000, 0xfdd0, 0xffff, 0xd800, 0x378],
      [0x640, 0x7fa, 0x302e, 0x302f, 0x3031, 0x3035, 0x303b]
    ].flat()
    for (const codePoint of disallowed) {
      assert.strictEqual(reasonOf(`a${String.fromCodePoint(codePoint)}`), "prohibited", codePoint.toString(16))
    }
  })

  it("allows contextual characters in their context only", () => {
    for (const text of [
      "l\u{b7}l",
      "\u{375}\u{3b1}",
      "\u{5d0}\u{5f3}",
      "\u{30a2}\u{30fb}",
      "\u{660}\u{669}",
      "\u{6f0}"
    ]) {
      assert.isUndefined(reasonOf(text), text)
    }
    for (const text of [
      "a\u{b7}l",
      "l\u{b7}",
      "\u{375}a",
      "a\u{5f4}",
      "a\u{30fb}",
      "\u{660}a\u{6f0}",
      "\u{6f9}\u{669}"
    ]) {
      assert.strictEqual(reasonOf(text), "prohibited", text)
    }
  })
})
