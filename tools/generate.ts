/**
 * Writes the files that follow from the table of configuration keys (the reference page, the example file and the JSON
 * Schema) and from the catalogue of metrics. `node tools/generate.ts --check` writes nothing, names the stale ones and
 * exits 1.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { jsonSchemaText } from "../src/domain/nodeConfigJsonSchema.ts"
import { referenceMarkdown } from "../src/domain/nodeConfigReference.ts"
import { exampleToml } from "../src/domain/nodeConfigToml.ts"
import { metricsMarkdown } from "./metricsDocs.ts"

/** Generated files by their path from the root, with what they should hold. */
export const generated: ReadonlyMap<string, () => string> = new Map([
  ["docs/configuration.md", referenceMarkdown],
  ["docs/metrics.md", metricsMarkdown],
  ["icn.example.toml", exampleToml],
  ["icn.schema.json", jsonSchemaText]
])

const present = (file: string): string | undefined => {
  try {
    return readFileSync(file, "utf8")
  } catch {
    // A missing file is as stale as a different one; a file that cannot be read fails at writing.
    return undefined
  }
}

/** The generated files under a root that are missing or not as they should be. */
export const stale = (root: string): ReadonlyArray<string> =>
  [...generated].flatMap(([file, text]) => (present(join(root, file)) === text() ? [] : [file]))

if (import.meta.main) {
  const root = join(import.meta.dirname, "..")
  const files = stale(root)
  if (process.argv.includes("--check")) {
    for (const file of files) process.stderr.write(`${file} is stale; run "node tools/generate.ts"\n`)
    process.exitCode = files.length === 0 ? 0 : 1
  } else {
    for (const file of files) {
      mkdirSync(dirname(join(root, file)), { recursive: true })
      writeFileSync(join(root, file), generated.get(file)?.() ?? "")
      process.stdout.write(`wrote ${file}\n`)
    }
  }
}
