import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import * as Base58 from "../../src/domain/base58.ts"
import { bytes, integer, thorough } from "../fixtures/arbitraries.ts"

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"))

describe("base58", () => {
  // draft-msporny-base58-03, section 5.
  it.each([
    ["2NEpo7TZRRrLZSi2U", Buffer.from("Hello World!").toString("hex")],
    [
      "USm3fpXnKG5EUBx2ndxBDMPVciP5hGey2Jh4NDv6gmeo1LkMeiKrLJUUBk6Z",
      Buffer.from("The quick brown fox jumps over the lazy dog.").toString("hex")
    ],
    ["11233QC4", "0000287fb4cd"],
    ["", ""]
  ])("writes and reads the published vector %s", (text, encoded) => {
    assert.strictEqual(Base58.encode(hex(encoded)), text)
    assert.deepStrictEqual(Base58.decode(text, 64), hex(encoded))
  })

  it.prop(
    "reads back what it wrote, leading zeros included",
    [bytes(0, 80), integer(0, 4)],
    ([tail, zeros]) => {
      const value = Uint8Array.from([...Array.from({ length: zeros }, () => 0), ...tail])
      assert.deepStrictEqual(Base58.decode(Base58.encode(value), value.length), value)
    },
    thorough
  )

  it.prop(
    "has one text for each sequence of bytes",
    [Arbitrary.array(integer(0, 57), { maxLength: 40 })],
    ([digits]) => {
      const text = digits.map((digit) => Base58.encode(Uint8Array.of(digit)).at(-1)).join("")
      const value = Base58.decode(text, 40)
      assert.isDefined(value)
      assert.strictEqual(Base58.encode(value ?? Uint8Array.of()), text)
    },
    thorough
  )

  it.prop(
    "answers any text at all with bytes or with nothing",
    [Schema.String],
    ([text]) => {
      const value = Base58.decode(text, 64)
      if (value !== undefined) assert.strictEqual(Base58.encode(value), text)
    },
    thorough
  )

  it.each(["0", "O", "I", "l", " 2", "2 ", "+", "é", "\u{1f600}", "2\n"])(
    "refuses %j, which is not of the alphabet",
    (text) => {
      assert.isUndefined(Base58.decode(text, 64))
    }
  )

  it("refuses more bytes than are allowed", () => {
    const longest = Base58.encode(new Uint8Array(32).fill(255))
    assert.isDefined(Base58.decode(longest, 32))
    assert.isUndefined(Base58.decode(longest, 31))
    assert.isUndefined(Base58.decode("1".repeat(33), 32))
  })

  it("does no work on a text that is far too long", () => {
    assert.isUndefined(Base58.decode("z".repeat(10_000_000), 34))
  })
})
