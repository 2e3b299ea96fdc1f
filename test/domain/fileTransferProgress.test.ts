import { assert, describe, it } from "@effect/vitest"
import { formatBytes, formatSeconds, Pace, progressLine } from "../../src/domain/fileTransferProgress.ts"
import { integer, thorough } from "../fixtures/arbitraries.ts"

describe("formatBytes", () => {
  it.each([
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1.0 KiB"],
    [1_500_000, "1.4 MiB"],
    [1_048_575, "1.0 MiB"],
    [2 ** 53 - 1, "8.0 PiB"]
  ])("writes %d as %s", (bytes, expected) => {
    assert.strictEqual(formatBytes(bytes), expected)
  })
})

describe("formatSeconds", () => {
  it.each([
    [0, "0 s"],
    [0.2, "1 s"],
    [59, "59 s"],
    [59.5, "1:00"],
    [187, "3:07"],
    [7387, "2:03:07"]
  ])("writes %d as %s", (seconds, expected) => {
    assert.strictEqual(formatSeconds(seconds), expected)
  })
})

describe("Pace", () => {
  it("measures over the last seconds", () => {
    const pace = new Pace()
    assert.isUndefined(pace.bytesPerSecond)
    pace.observe(0, 0)
    assert.isUndefined(pace.secondsLeft(100))
    pace.observe(1000, 1000)
    assert.strictEqual(pace.bytesPerSecond, 1000)
    pace.observe(1000, 4000)
    pace.observe(3000, 9000)
    assert.strictEqual(pace.bytesPerSecond, 400)
    assert.strictEqual(pace.secondsLeft(3800), 2)
  })

  it("begins again with what begins again, or when it is told to", () => {
    const pace = new Pace()
    pace.observe(0, 0)
    pace.observe(5000, 1000)
    pace.observe(10, 1100)
    assert.isUndefined(pace.bytesPerSecond)
    pace.observe(110, 1200)
    assert.strictEqual(pace.bytesPerSecond, 1000)
    pace.restart()
    assert.isUndefined(pace.bytesPerSecond)
  })
})

const going = (bytes: number, total: number) => {
  const pace = new Pace()
  pace.observe(0, 0)
  pace.observe(bytes, 2000)
  return { label: "sending", bytes, total, pace }
}

describe("progressLine", () => {
  it("tells share, amount, speed and the time that is left", () => {
    assert.strictEqual(
      progressLine(going(26_214_400, 104_857_600), 80),
      "sending  25 % [#####               ] 25.0 MiB of 100.0 MiB, 12.5 MiB/s, 6 s left"
    )
  })

  it("leaves the bar out where it has no room", () => {
    assert.strictEqual(
      progressLine(going(26_214_400, 104_857_600), 64),
      "sending  25 % 25.0 MiB of 100.0 MiB, 12.5 MiB/s, 6 s left"
    )
  })

  it("is whole for an empty file", () => {
    assert.match(progressLine(going(0, 0), 80), /^sending 100 % \[#+\] 0 B of 0 B, 0 B\/s$/)
  })

  it.prop(
    "is never wider than it may be",
    [integer(0, 2 ** 40), integer(0, 2 ** 40), integer(1, 200)],
    ([a, b, columns]) => {
      const line = progressLine(going(Math.min(a, b), Math.max(a, b)), columns)
      assert.isAtMost(line.length, columns)
    },
    thorough
  )
})
