import { assert, describe, it } from "@effect/vitest"
import { Arbitrary } from "effect"
import { isPartName, numberedName, partName, safeFileName } from "../../src/domain/fileTransferName.ts"
import { integer, thorough } from "../fixtures/arbitraries.ts"

const bytesOf = (text: string): number => Buffer.byteLength(text)

/** Texts made of what is dangerous in a name, and of what is not. */
const pieces = [
  "/",
  "\\",
  "..",
  ".",
  " ",
  "-",
  "\0",
  "\n",
  "\u001b[2J",
  "\u202e",
  "\u2066",
  "\u200b",
  "\u200d",
  "\ufeff",
  "\u2028",
  "\ud800",
  "\u{e0041}",
  "CON",
  "nul",
  "com1",
  ":",
  "|",
  "a",
  "B",
  "ü",
  "u\u0308",
  "文",
  "👩\u200d🚀",
  ".txt",
  ".tar.gz",
  "x".repeat(120),
  "é".repeat(90)
]
const hostile: Arbitrary.Arbitrary<string> = Arbitrary.map(
  Arbitrary.array(integer(0, pieces.length - 1), { minLength: 0, maxLength: 12 }),
  (indices) => indices.map((index) => pieces[index]).join("")
)

describe("safeFileName", () => {
  it.prop(
    "gives one visible name that every system can hold, whatever it is given",
    [hostile],
    ([text]) => {
      const name = safeFileName(text)
      assert.isAtLeast(bytesOf(name), 1)
      assert.isAtMost(bytesOf(name), 255)
      assert.notMatch(name, /[/\\<>:"|?*]/)
      assert.notMatch(name, /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]/u)
      assert.notMatch(name.replace(/[\u200c\u200d]/g, ""), /\p{Cf}/u)
      assert.notMatch(name, /^[.\s-]|[.\s]$/u)
      assert.isFalse(isPartName(name))
    },
    thorough
  )

  it.prop(
    "leaves its own names alone",
    [hostile],
    ([text]) => {
      const name = safeFileName(text)
      assert.strictEqual(safeFileName(name), name)
    },
    thorough
  )

  it.each([
    ["report.pdf", "report.pdf"],
    ["Jahresbericht März.pdf", "Jahresbericht März.pdf"],
    ["../../etc/passwd", "passwd"],
    ["C:\\Windows\\system32\\cmd.exe", "cmd.exe"],
    ["/absolute/path", "path"],
    [".bashrc", "bashrc"],
    ["..", "file"],
    ["", "file"],
    ["\u200d", "file"],
    ["dir/", "file"],
    ["-rf", "_rf"],
    ["CON", "_CON"],
    ["aux.txt", "_aux.txt"],
    ["console.log", "console.log"],
    ["invoice\u202efdp.exe", "invoicefdp.exe"],
    ["a\u0000b\nc", "abc"],
    ["name. ", "name"],
    ["what?", "what_"]
  ])("makes %j %j", (given, expected) => {
    assert.strictEqual(safeFileName(given), expected)
  })

  it("cuts a long name between characters and keeps its extension", () => {
    const name = safeFileName(`${"文".repeat(200)}.tar`)
    assert.strictEqual(name, `${"文".repeat(83)}.tar`)
    assert.strictEqual(bytesOf(safeFileName(`x.${"y".repeat(300)}`)), 255)
  })
})

describe("numberedName", () => {
  it("puts the number in front of the extension", () => {
    assert.strictEqual(numberedName("a.txt", 0), "a.txt")
    assert.strictEqual(numberedName("a.txt", 1), "a (1).txt")
    assert.strictEqual(numberedName("README", 12), "README (12)")
  })

  it.prop(
    "gives different names that fit",
    [hostile, integer(1, 9999)],
    ([text, number]) => {
      const name = safeFileName(text)
      const numbered = numberedName(name, number)
      assert.isAtMost(bytesOf(numbered), 255)
      assert.notStrictEqual(numbered, numberedName(name, number + 1))
      assert.notStrictEqual(numbered, name)
      assert.notMatch(numbered, /[/\0]/)
    },
    thorough
  )
})

describe("partName", () => {
  const sha256 = "0123456789abcdef".repeat(4)

  it("is hidden beside the file and names its content", () => {
    assert.strictEqual(partName("a.txt", sha256, 0), ".a.txt.0123456789abcdef.part")
    assert.strictEqual(partName("a.txt", sha256, 3), ".a.txt.0123456789abcdef.3.part")
  })

  it.prop(
    "fits and is known again",
    [hostile, integer(0, 9)],
    ([text, number]) => {
      const part = partName(safeFileName(text), sha256, number)
      assert.isAtMost(bytesOf(part), 255)
      assert.isTrue(isPartName(part))
    },
    thorough
  )
})
