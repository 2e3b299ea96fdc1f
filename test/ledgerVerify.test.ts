import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawnSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { Coop } from "./fixtures/ledgerCoop.ts"
import { exportOf } from "./fixtures/ledgerExports.ts"
import { temporaryDirectory } from "./fixtures/temporaryDirectory.ts"

const program = fileURLToPath(new URL("../src/ledgerVerify.ts", import.meta.url))

const run = (args: ReadonlyArray<string>, input = "") => {
  const { status, stderr, stdout } = spawnSync(process.execPath, [program, ...args], { input, encoding: "utf8" })
  return { status, stderr, stdout }
}

const coop = new Coop(["ann", "ben"])
coop.pay("ann", "ben", 30)
const text = exportOf(coop.replica, "jsonl")
const sound = `sound: Test (${coop.replica.history.coop}), 4 entries, 2 balances\n`

describe("the program that verifies exports", () => {
  it.live("says that a genuine export is sound", () =>
    Effect.gen(function* () {
      const file = `${yield* temporaryDirectory}/ledger.jsonl`
      writeFileSync(file, text)
      assert.deepStrictEqual(run([file]), { status: 0, stdout: sound, stderr: "" })
      assert.deepStrictEqual(run(["-"], text), { status: 0, stdout: sound, stderr: "" })
    })
  )

  it("says where another one is not", () => {
    const { status, stdout } = run(["-"], text.replace('"posted":30', '"posted":31'))
    assert.strictEqual(status, 1)
    assert.match(stdout, /^unsound: line 6: the balance of [0-9a-f]{64} does not follow from the entries\n$/)
  })

  it.live("says what it cannot read", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      for (const file of [directory, `${directory}/none.jsonl`]) {
        const { status, stderr } = run([file])
        assert.strictEqual(status, 2)
        assert.include(stderr, `${file} cannot be read`)
      }
      for (const args of [[], ["--help"]]) {
        const { status, stderr } = run(args)
        assert.strictEqual(status, 2)
        assert.match(stderr, /^usage: /)
      }
    })
  )
})
