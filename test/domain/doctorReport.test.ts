import { assert, describe, it } from "@effect/vitest"
import { reportOf, reportText, reportUnreadable } from "../../src/domain/doctorReport.ts"
import { healthy, stunSilence, turnFailed, overTcp } from "../fixtures/doctorFacts.ts"

describe("reportText", () => {
  it("prints a mark, a check and a detail per line, and what it comes to", () => {
    const report = reportOf(healthy)
    assert.isTrue(report.ok)
    const lines = reportText(report).split("\n")
    assert.strictEqual(lines[0], "ok    configuration  icn.toml")
    assert.include(lines, "ok    STUN           203.0.113.10:3478 sees 198.51.100.1:40001, 12 ms")
    assert.include(lines, "-     DNS            the configuration names no hosts by name")
    assert.strictEqual(lines.at(-1), "Nothing is wrong.")
  })

  it("puts what to do below what failed, and counts", () => {
    const report = reportOf({
      ...healthy,
      stun: [stunSilence],
      turn: [turnFailed("udp"), turnFailed("tcp")],
      bootstrap: overTcp(healthy)
    })
    assert.isFalse(report.ok)
    const lines = reportText(report).split("\n")
    const at = lines.findIndex((line) => line.startsWith("FAIL  UDP"))
    assert.match(lines[at + 1] ?? "", /^ {21}what to do: let UDP out/)
    assert.strictEqual(lines.at(-1), "3 failures, 2 warnings.")
  })

  it("tells all problems of a configuration that cannot be read, and nothing else", () => {
    const report = reportUnreadable("icn.toml has 2 problems:\n  a\n  b")
    assert.deepStrictEqual(
      [report.ok, reportText(report).split("\n").slice(0, 3)],
      [false, ["FAIL  configuration  icn.toml has 2 problems:", `${" ".repeat(21)}  a`, `${" ".repeat(21)}  b`]]
    )
  })
})
