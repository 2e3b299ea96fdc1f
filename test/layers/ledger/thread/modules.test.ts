import { assert, describe, it } from "@effect/vitest"
import { readFileSync, readdirSync } from "node:fs"
import { dirname, join, relative } from "node:path"

const root = join(import.meta.dirname, "../../../..")
const folder = join(root, "src/layers/ledger/thread")

/** Modules that a file loads; imports of types alone are gone when it runs. */
const loads = (file: string): ReadonlyArray<string> =>
  [...readFileSync(file, "utf8").matchAll(/^(?:import|export) (?!type )[^"']*? from "([^"]+)"/gm)].map(
    ([, name = ""]) => name
  )

/** Packages that a module and all that it loads take, with the files that do. */
const packagesOf = (entry: string): ReadonlyMap<string, ReadonlyArray<string>> => {
  const found = new Map<string, Array<string>>()
  const seen = new Set([entry])
  for (const file of seen) {
    for (const name of loads(file)) {
      if (name.startsWith(".")) seen.add(join(dirname(file), name))
      else found.set(name, [...(found.get(name) ?? []), relative(root, file)])
    }
  }
  return found
}

describe("modules of the ledger's threads", () => {
  // Each thread has its own copy: all of Effect is 40 MB and a third of a second, Result next to nothing.
  it.each(readdirSync(folder).filter((name) => name.endsWith("Thread.ts") && name !== "Thread.ts"))(
    "%s loads no more than it needs",
    (name) => {
      const packages = packagesOf(join(folder, name))
      const needed = new Set(["effect/Result", "cborg"])
      for (const [one, files] of packages) {
        assert.isTrue(one.startsWith("node:") || needed.has(one), `${one} is loaded by ${files.join()}`)
      }
      assert.isTrue(packages.has("effect/Result"))
    }
  )
})
