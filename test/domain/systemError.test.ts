import { assert, describe, it } from "@effect/vitest"
import { systemErrorCode, systemErrorText } from "../../src/domain/systemError.ts"

describe("system errors", () => {
  it("tell their code and their text", () => {
    const error = Object.assign(new Error("ENOENT: no such file or directory, open 'x'"), { code: "ENOENT" })
    assert.strictEqual(systemErrorCode(error), "ENOENT")
    assert.strictEqual(systemErrorText(error), "ENOENT: no such file or directory, open 'x'")
  })

  it("are told from anything else that can be thrown", () => {
    for (const thrown of [undefined, null, "ENOENT", { code: "ENOENT" }, Object.assign(new Error("x"), { code: 5 })]) {
      assert.strictEqual(systemErrorCode(thrown), "UNKNOWN")
    }
    assert.strictEqual(systemErrorText("gone"), "gone")
  })
})
