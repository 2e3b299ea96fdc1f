import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { saslprep } from "../../src/protocol/saslprep.ts"

const reasonOf = (text: string): string | undefined =>
  Result.match(saslprep(text), { onSuccess: () => undefined, onFailure: ({ reason }) => reason })

describe("SASLprep", () => {
  // RFC 4013 section 3, then RFC 5769 section 2.4.
  const examples: ReadonlyArray<readonly [text: string, prepared: string]> = [
    ["I\u{ad}X", "IX"],
    ["user", "user"],
    ["USER", "USER"],
    ["\u{aa}", "a"],
    ["\u{2168}", "IX"],
    ["The\u{ad}M\u{aa}tr\u{2168}", "TheMatrIX"],
    ["\u{30de}\u{30c8}\u{30ea}\u{30c3}\u{30af}\u{30b9}", "\u{30de}\u{30c8}\u{30ea}\u{30c3}\u{30af}\u{30b9}"],
    ["", ""],
    [`p:a"s's\\w$ö%r d~`, `p:a"s's\\w$ö%r d~`]
  ]
  for (const [text, prepared] of examples) {
    it(`makes "${prepared}" of ${JSON.stringify(text)}`, () => {
      assert.deepStrictEqual(saslprep(text), Result.succeed(prepared))
    })
  }

  it("maps every non-ASCII space to a space", () => {
    for (const space of "\u{a0}\u{1680}\u{2000}\u{200a}\u{200b}\u{202f}\u{205f}\u{3000}") {
      assert.deepStrictEqual(saslprep(`a${space}b`), Result.succeed("a b"), space.codePointAt(0)?.toString(16))
    }
  })

  it("drops what is commonly mapped to nothing", () => {
    const nothing = [0xad, 0x34f, 0x1806, 0x180b, 0x180d, 0x200c, 0x200d, 0x2060, 0xfe00, 0xfe0f, 0xfeff]
    for (const codePoint of nothing) {
      const text = `a${String.fromCodePoint(codePoint)}b`
      assert.deepStrictEqual(saslprep(text), Result.succeed("ab"), codePoint.toString(16))
    }
  })

  it("composes, so that a password typed in two ways has one key", () => {
    assert.deepStrictEqual(saslprep("e\u{301}"), Result.succeed("\u{e9}"))
  })

  it("prohibits each class of RFC 4013 section 2.3, up to its bounds", () => {
    const prohibited = [
      [0x00, 0x1f, 0x7f, 0x80, 0x9f, 0x6dd, 0x70f, 0x180e, 0x2028, 0x2029, 0x2061, 0x2063, 0x206a, 0x206f],
      [0xfff9, 0xfffc, 0x1d173, 0x1d17a],
      [0xe000, 0xf8ff, 0xf0000, 0xffffd, 0x100000, 0x10fffd],
      [0xfdd0, 0xfdef, 0xfffe, 0xffff, 0x1fffe, 0x10ffff],
      [0xd800, 0xdfff],
      [0xfffd],
      [0x2ff0, 0x2ffb],
      [0x200e, 0x200f, 0x202a, 0x202e],
      [0xe0001, 0xe0020, 0xe007f]
    ].flat()
    for (const codePoint of prohibited) {
      assert.strictEqual(reasonOf(`a${String.fromCodePoint(codePoint)}`), "prohibited", codePoint.toString(16))
    }
    for (const codePoint of [0x20, 0x7e, 0xa1, 0x2fef, 0x2ffc, 0x2070, 0x20ac, 0x1d172, 0xe0080]) {
      assert.isUndefined(reasonOf(`a${String.fromCodePoint(codePoint)}`), codePoint.toString(16))
    }
  })

  it("lets through code points that Unicode 3.2 did not know", () => {
    assert.deepStrictEqual(saslprep("pass\u{1f511}"), Result.succeed("pass\u{1f511}"))
  })

  it("keeps right-to-left text that begins and ends right-to-left", () => {
    for (const text of ["\u{5d0}", "\u{5d0}\u{5d1}", "\u{627}1\u{628}", "\u{5d0} - \u{5d1}"]) {
      assert.deepStrictEqual(saslprep(text), Result.succeed(text))
    }
  })

  it("refuses text of mixed directions", () => {
    for (const text of ["\u{627}1", "1\u{627}", "\u{5d0}a\u{5d0}", "a\u{5d0}", "\u{5d0}\u{3b1}\u{5d0}"]) {
      assert.strictEqual(reasonOf(text), "bidirectional", text)
    }
  })
})
