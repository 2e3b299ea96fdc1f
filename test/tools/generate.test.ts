import { assert, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { generated, stale } from "../../tools/generate.ts"

const root = join(import.meta.dirname, "../..")

describe("generated files", () => {
  it("are up to date; otherwise run node tools/generate.ts", () => {
    assert.deepStrictEqual(stale(root), [])
  })

  it("are named when they are stale or missing, written when asked, and then up to date", () => {
    const copy = mkdtempSync(join(tmpdir(), "icn-generate-"))
    const run = (...flags: ReadonlyArray<string>) =>
      execFileSync(process.execPath, [join(copy, "tools/generate.ts"), ...flags], { encoding: "utf8", stdio: "pipe" })
    try {
      for (const folder of ["src", "tools"]) cpSync(join(root, folder), join(copy, folder), { recursive: true })
      cpSync(join(root, "package.json"), join(copy, "package.json"))
      symlinkSync(join(root, "node_modules"), join(copy, "node_modules"))
      assert.throws(() => run("--check"), /icn\.example\.toml is stale/)
      run()
      assert.strictEqual(run("--check"), "")
      writeFileSync(join(copy, "icn.schema.json"), "{}")
      assert.throws(() => run("--check"), /icn\.schema\.json is stale/)
      assert.deepStrictEqual(stale(copy), ["icn.schema.json"])
      assert.sameMembers(
        [...generated.keys()],
        ["docs/configuration.md", "docs/metrics.md", "icn.example.toml", "icn.schema.json"]
      )
    } finally {
      rmSync(copy, { recursive: true, force: true })
    }
  })
})
