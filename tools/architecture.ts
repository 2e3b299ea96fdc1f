/**
 * The rules of the house, executable: who may import whom, no cycles, time and randomness only at named edges, files of
 * a readable size with a header, and for every service a layer, a memory layer and a test. Run by `npm run check`;
 * prints each violation and exits 1. Pure rules first, the file system at the end.
 */
import { readdirSync, readFileSync } from "node:fs"
import { dirname, join, normalize, relative } from "node:path"

export interface Violation {
  readonly file: string
  readonly rule: string
}

type Sources = ReadonlyMap<string, string>

// Built from letters, so that this file does not break its own rule.
const openEnds = new RegExp(`\\b(?:${["T.O.D.O", "F.I.X.M.E", "X.X.X", "H.A.C.K"].join("|").replaceAll(".", "")})\\b`)
const linesMax = 400
const columnsMax = 120

/** Arrows only go down: a room may import itself and rooms of a lower rank. */
const ranks: Readonly<Record<string, number>> = { domain: 0, protocol: 1, services: 2, layers: 3, programs: 4, top: 5 }

/** What pure code may take from Effect: data and its description, nothing that runs. */
const pureEffect = new Set(
  (
    "Array BigInt Boolean Brand Data Duration Encoding Equal Equivalence Function Hash HashMap HashSet Number Option " +
    "Order Pipeable Predicate Record Redacted Result Schema SchemaAST SchemaGetter SchemaIssue SchemaTransformation " +
    "String Struct Tuple Types"
  ).split(" ")
)

/** Where plain time, randomness, console and environment may appear, and why. */
const edges: Readonly<Record<string, { readonly names: ReadonlyArray<string>; readonly why: string }>> = {
  "src/layers/UdpNode.ts": { names: ["setImmediate"], why: "hands on together what was read in one turn" },
  "src/layers/ledger/thread/serve.ts": {
    names: ["performance.now"],
    why: "a thread stays awake for a moment; nothing that it does depends on it"
  },
  "src/main.ts": { names: ["process.exit"], why: "refuses an old Node before anything is loaded" },
  "src/programs/cli/environment.ts": { names: ["process.env"], why: "the one reader of the environment" },
  "src/programs/signals.ts": { names: ["process.exit"], why: "a forced end must not depend on the runtime" }
}

const banned: Readonly<Record<string, RegExp>> = {
  "Date.now": /\bDate\.now\b/,
  "new Date": /\bnew Date\(/,
  setTimeout: /\bsetTimeout\b/,
  setInterval: /\bsetInterval\b/,
  setImmediate: /\bsetImmediate\b/,
  "Math.random": /\bMath\.random\b/,
  "performance.now": /\bperformance\.now\b/,
  "process.env": /\bprocess\.env\b/,
  "process.exit": /\bprocess\.exit\b/
}

const room = (file: string): string | undefined => {
  const parts = file.split("/")
  if (parts[0] !== "src") return undefined
  if (parts[1] === "sdk") return "sdk"
  return parts.length === 2 ? "top" : parts[1]
}

/** Code without comments, so that prose about `Date.now` is no use of it. */
const withoutComments = (text: string): string =>
  text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|[^:"'`])\/\/.*$/gm, "$1")

interface Import {
  readonly specifier: string
  readonly names: ReadonlyArray<string>
  readonly typeOnly: boolean
}

const importsOf = (text: string): ReadonlyArray<Import> => {
  const code = withoutComments(text)
  const found: Array<Import> = []
  for (const match of code.matchAll(
    /(?:^|\n)\s*(?:import|export)\s+(type\s+)?([^'"()]*?)\s*from\s*["']([^"']+)["']/g
  )) {
    const clause = match[2] ?? ""
    const names = [...clause.matchAll(/(type\s+)?([A-Za-z_$][\w$]*)(?:\s+as\s+\w+)?/g)]
      .filter((name) => name[1] === undefined && name[2] !== "type" && name[2] !== "as")
      .map((name) => name[2] ?? "")
    found.push({ specifier: match[3] ?? "", names, typeOnly: match[1] !== undefined })
  }
  for (const match of code.matchAll(/import\(\s*["']([^"']+)["']\s*\)/g)) {
    found.push({ specifier: match[1] ?? "", names: [], typeOnly: false })
  }
  for (const match of code.matchAll(/(?:^|\n)\s*import\s+["']([^"']+)["']/g)) {
    found.push({ specifier: match[1] ?? "", names: [], typeOnly: false })
  }
  return found
}

const resolve = (file: string, specifier: string): string => normalize(join(dirname(file), specifier))

const firstWord = (name: string): string => /^[A-Za-z][a-z]*/.exec(name)?.[0]?.toLowerCase() ?? name

/** `src/layers/turn/Transactions.ts` is the inside of the Turn layers: only those and their folder may import it. */
const insideOfAnotherLayer = (file: string, target: string): boolean => {
  const [, , folder, rest] = target.split("/")
  if (!target.startsWith("src/layers/") || rest === undefined || folder === undefined) return false
  if (!file.startsWith("src/layers/")) return false
  if (file.startsWith(`src/layers/${folder}/`)) return false
  const base = (file.split("/").at(-1) ?? "").toLowerCase()
  // A folder is named after a service (`turn/`), or after the technology of several layers (`libp2p/`), which may have
  // parts in the folders of their services (`session/libp2p/`).
  if (file.split("/").slice(3, -1).includes(folder)) return false
  return !base.startsWith(folder.toLowerCase()) && !base.endsWith(`${folder.toLowerCase()}.ts`)
}

const checkImport = (file: string, { names, specifier, typeOnly }: Import): string | undefined => {
  const from = room(file)
  if (from === undefined || from === "top") return undefined
  if (specifier.startsWith(".")) {
    const target = resolve(file, specifier)
    const to = room(target)
    if (to === undefined) return `imports ${target}, which is outside src`
    if (from === "sdk") {
      return to === "sdk" || to === "domain" || target.endsWith("/Api.ts") ? undefined : `the SDK imports ${target}`
    }
    if (to === "sdk" || (ranks[to] ?? 0) > (ranks[from] ?? 0)) return `${from} imports ${to}: ${target}`
    if (insideOfAnotherLayer(file, target)) return `imports the inside of another layer: ${target}`
    return undefined
  }
  const pure = from === "domain" || from === "protocol"
  if (specifier === "effect") {
    const running = pure && !typeOnly ? names.filter((name) => !pureEffect.has(name)) : []
    return running.length === 0 ? undefined : `pure code imports what runs from effect: ${running.join(", ")}`
  }
  // A part of effect by itself, where loading all of it would be dear.
  const part = /^effect\/(\w+)$/.exec(specifier)?.[1]
  if (pure && part !== undefined && (typeOnly || pureEffect.has(part))) return undefined
  if (pure) return specifier === "node:crypto" || specifier === "cborg" ? undefined : `pure code imports ${specifier}`
  if (from === "services") return `a service interface imports ${specifier}`
  return undefined
}

const cycles = (graph: ReadonlyMap<string, ReadonlyArray<string>>): ReadonlyArray<ReadonlyArray<string>> => {
  const done = new Set<string>()
  const found: Array<ReadonlyArray<string>> = []
  const visit = (file: string, path: ReadonlyArray<string>): void => {
    const at = path.indexOf(file)
    if (at >= 0) {
      found.push([...path.slice(at), file])
      return
    }
    if (done.has(file)) return
    for (const next of graph.get(file) ?? []) visit(next, [...path, file])
    done.add(file)
  }
  for (const file of graph.keys()) visit(file, [])
  return found
}

const checkText = (file: string, text: string): ReadonlyArray<string> => {
  const rules: Array<string> = []
  const lines = text.split("\n")
  if (lines.length - 1 > linesMax) rules.push(`has ${lines.length - 1} lines; ${linesMax} at most`)
  lines.forEach((line, index) => {
    if (line.length > columnsMax) rules.push(`line ${index + 1} has ${line.length} columns; ${columnsMax} at most`)
  })
  if (openEnds.test(text)) rules.push("leaves something open (a marker such as TO-DO)")
  if (file.startsWith("src/")) {
    if (!/^(?:#!.*\n)?\/\*\*/.test(text)) rules.push("has no header that says what the module is for")
    const code = withoutComments(text)
    const allowed = edges[file]?.names ?? []
    for (const [name, pattern] of Object.entries(banned)) {
      if (pattern.test(code) && !allowed.includes(name)) rules.push(`uses ${name} outside the named edges`)
    }
  }
  return rules
}

/** Each service of `src/services` has a layer in memory (perhaps its only one) and a test. */
const checkNouns = (files: Sources): ReadonlyArray<Violation> => {
  const names = [...files.keys()]
  return names
    .filter((file) => /^src\/services\/[A-Z]\w*\.ts$/.test(file))
    .flatMap((file) => {
      // Files that offer no service (shared errors and the like) have no layers to look for.
      if (!/extends Context\.Service|Context\.Reference/.test(files.get(file) ?? "")) return []
      const noun = firstWord(file.slice("src/services/".length))
      const layers = names.filter((name) => name.startsWith("src/layers/") && firstWord(name.slice(11)) === noun)
      const tests = names.filter((name) => name.startsWith("test/") && name.toLowerCase().includes(`/${noun}`))
      return [
        ...(layers.some((name) => name.endsWith("Memory.ts")) ? [] : [{ file, rule: "has no memory layer" }]),
        ...(tests.length > 0 ? [] : [{ file, rule: "has no test" }])
      ]
    })
}

/** Every violation of the rules in a set of files, given as path from the root and text. */
export const check = (files: Sources): ReadonlyArray<Violation> => {
  const violations: Array<Violation> = []
  const graph = new Map<string, ReadonlyArray<string>>()
  for (const [file, text] of files) {
    for (const rule of checkText(file, text)) violations.push({ file, rule })
    const imports = importsOf(text)
    for (const one of imports) {
      const rule = checkImport(file, one)
      if (rule !== undefined) violations.push({ file, rule })
    }
    graph.set(
      file,
      imports.filter((one) => one.specifier.startsWith(".")).map((one) => resolve(file, one.specifier))
    )
  }
  for (const cycle of cycles(graph))
    violations.push({ file: cycle[0] ?? "", rule: `import cycle: ${cycle.join(" -> ")}` })
  for (const file of Object.keys(edges)) {
    if (files.size > 20 && !files.has(file)) violations.push({ file, rule: "is a named edge but does not exist" })
  }
  return [...violations, ...checkNouns(files)]
}

const read = (root: string, folder: string): ReadonlyArray<readonly [string, string]> =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts") && !entry.parentPath.includes("node_modules"))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => [relative(root, path), readFileSync(path, "utf8")] as const)

if (import.meta.main) {
  const root = join(import.meta.dirname, "..")
  const files = new Map(["src", "test", "tools", "bench", "examples"].flatMap((folder) => read(root, folder)))
  const violations = check(files)
  for (const { file, rule } of violations) process.stderr.write(`${file}: ${rule}\n`)
  process.stdout.write(`architecture: ${files.size} files, ${violations.length} violations\n`)
  process.exitCode = violations.length === 0 ? 0 : 1
}
