import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import {
  formatOrigin,
  formatProblem,
  inFileOrder,
  problemAt,
  redacted,
  shortDid,
  shown,
  shownKey,
  withoutCredentials
} from "../../src/domain/nodeConfigProblem.ts"

const did = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"

const inFile = (line: number | undefined) => ({ _tag: "File", file: "icn.toml", line }) as const

describe("problems", () => {
  it("say key, place, value and what is wrong", () => {
    const problem = problemAt(inFile(3), { key: "data_dir", found: "1", problem: "expected a path" })
    assert.strictEqual(formatProblem(problem), "data_dir (icn.toml:3) = 1: expected a path")
    assert.strictEqual(problem.line, 3)
  })

  it("come in the order of the file, those from elsewhere last and as they were", () => {
    const flag = { _tag: "Flag", flag: "--data-dir" } as const
    const problems = [
      problemAt(flag, { key: "a", problem: "" }),
      problemAt(inFile(7), { key: "b", problem: "" }),
      problemAt(inFile(undefined), { key: "c", problem: "" }),
      problemAt(inFile(2), { key: "d", problem: "" }),
      problemAt(inFile(7), { key: "e", problem: "" })
    ]
    assert.deepStrictEqual(
      inFileOrder(problems)
        .map(({ key }) => key)
        .join(""),
      "dbeac"
    )
  })

  it("name a long path in full", () => {
    const file = `/${"x".repeat(200)}/icn.toml`
    assert.strictEqual(formatOrigin({ _tag: "File", file, line: 1 }), `${file}:1`)
  })
})

describe("text from outside", () => {
  it.prop(
    "is shown on one line, short, and without characters that act on a terminal",
    [Arbitrary.schema(Schema.String)],
    ([text]) => {
      assert.match(shown(text), /^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]*$/u)
      assert.isAtMost(Array.from(shown(text).replace(/\\u\{[\da-f]+\}/g, "?")).length, 61)
    },
    { arbitrary: { runs: 500, size: 200 } }
  )

  it("is shown as it is when it is short and harmless, and cut between characters", () => {
    assert.strictEqual(shown("bücher 📚"), "bücher 📚")
    assert.strictEqual(shown("📚".repeat(60)), "📚".repeat(60))
    assert.strictEqual(shown("📚".repeat(61)), `${"📚".repeat(60)}…`)
    assert.strictEqual(shown("a\u001b[2J\u202eb"), "a\\u{1b}[2J\\u{202e}b")
  })

  it("is quoted where it is no bare key", () => {
    assert.deepStrictEqual(["turn-server_1", "a.b", ""].map(shownKey), ["turn-server_1", '"a.b"', '""'])
  })

  it.each([
    ["http://user:pass@word@host/x", `http://${redacted}@host/x`],
    ["turn:user:pass@host", `turn:${redacted}@host`],
    ["user:pass@host:3478", `${redacted}@host:3478`],
    ["https://host/x?token=secret", `https://host/x?${redacted}`],
    ["turn:host?transport=tcp", "turn:host?transport=tcp"],
    ["host:3478", "host:3478"],
    [`icn://${did}@host:1`, `icn://${did}@host:1`],
    [`icn://${did}@user:pass@host:1`, `icn://${did}@${redacted}@host:1`],
    ["icn://alice:pass@host:1", `icn://${redacted}@host:1`],
    [`did:key:pass@host:1`, `${redacted}@host:1`]
  ])("loses the credentials in %s", (text, expected) => {
    assert.strictEqual(withoutCredentials(text), expected)
  })

  it("shows the ends of a DID, so that the address after it is seen", () => {
    const short = shortDid(`icn://${did}@[2001:db8::1]:77777`)
    assert.strictEqual(short, "icn://did:key:z6MkhaXg…2doK@[2001:db8::1]:77777")
    assert.strictEqual(shown(withoutCredentials(short)), short)
    for (const text of [did, `icn://${did}`, "icn://did:key:z6Mk@host:1"]) assert.strictEqual(shortDid(text), text)
  })
})
