/**
 * TOML 1.0 text to a tree of raw values with line numbers. Built from the parser's syntax tree instead of its plain
 * objects, since only the tree knows lines, keeps integers and floats apart, and has no trouble with `__proto__`.
 *
 * A syntax error does not hide the rest of the file: the faulty statement is blanked and parsing goes on. Messages hold
 * a position and never a line's text, which may be a secret.
 */
import { Result } from "effect"
import { type AST, ParseError, parseTOML } from "toml-eslint-parser"
import type { DocumentNode, DocumentTable } from "../../domain/nodeConfigSources.ts"
import type { RawValue } from "../../domain/nodeConfigValue.ts"

export interface SyntaxFault {
  readonly line: number | undefined
  readonly message: string
}

export interface TomlDocument {
  /** Empty when the text could not be made sense of. */
  readonly table: DocumentTable
  readonly faults: ReadonlyArray<SyntaxFault>
}

/** Somebody with more faults than this has given a file of another kind. */
const faultsMax = 10

/** How far above its first sign a mistake is looked for; each step parses the lines above. */
const statementLinesMax = 10

/** A larger file was not written by hand, and parsing it again and again would take seconds. */
const recoverableLengthMax = 32 * 1024

/** A `DocumentTable` in the making. */
interface MutableTable {
  readonly _tag: "Table"
  readonly line: number
  readonly entries: Map<string, MutableNode>
}

type Value = Exclude<DocumentNode, DocumentTable>
type MutableNode = MutableTable | Value

const emptyTable = (line: number): MutableTable => ({ _tag: "Table", line, entries: new Map() })

const toNode = (node: AST.TOMLContentNode): MutableNode => {
  const line = node.loc.start.line
  switch (node.type) {
    case "TOMLInlineTable": {
      const table = emptyTable(line)
      addAll(table, node.body)
      return table
    }
    case "TOMLArray":
    case "TOMLValue":
      return { _tag: "Value", line, raw: toRaw(node) }
  }
}

/** What a table inside an array holds is of no use to any key. */
const toRaw = (node: AST.TOMLContentNode): RawValue => {
  switch (node.type) {
    case "TOMLInlineTable":
      return { type: "table" }
    case "TOMLArray":
      return { type: "array", items: node.elements.map((item) => ({ raw: toRaw(item), line: item.loc.start.line })) }
    case "TOMLValue":
      return toRawScalar(node)
  }
}

const toRawScalar = (node: AST.TOMLValue): RawValue => {
  switch (node.kind) {
    case "string":
      return { type: "string", value: node.value }
    case "integer":
      return { type: "integer", value: node.bigint }
    case "float":
      return { type: "float", value: node.value }
    case "boolean":
      return { type: "boolean", value: node.value }
    case "offset-date-time":
    case "local-date-time":
    case "local-date":
    case "local-time":
      return { type: "date" }
  }
}

const keyNames = (key: AST.TOMLKey): ReadonlyArray<string> =>
  key.keys.map((part) => (part.type === "TOMLBare" ? part.name : part.value))

/** The table at a path below another one; the parser has made sure that there is no value in the way. */
const tableAt = (root: MutableTable, path: ReadonlyArray<string>, line: number): MutableTable => {
  let table = root
  for (const name of path) {
    const present = table.entries.get(name)
    const next = present?._tag === "Table" ? present : emptyTable(line)
    if (next !== present) table.entries.set(name, next)
    table = next
  }
  return table
}

const addAll = (table: MutableTable, body: ReadonlyArray<AST.TOMLKeyValue>): void => {
  for (const { key, loc, value } of body) {
    const names = keyNames(key)
    const name = names.at(-1)
    if (name !== undefined) {
      tableAt(table, names.slice(0, -1), loc.start.line).entries.set(name, { ...toNode(value), line: loc.start.line })
    }
  }
}

const build = (program: AST.TOMLProgram): DocumentTable => {
  const root = emptyTable(1)
  for (const node of program.body[0].body) {
    if (node.type === "TOMLKeyValue") {
      addAll(root, [node])
      continue
    }
    const line = node.loc.start.line
    const path = node.resolvedKey
    const array = path.findIndex((part) => typeof part === "number")
    if (array < 0) {
      addAll(tableAt(root, path.map(String), line), node.body)
    } else {
      // No key is an array of tables: that it is one says enough, whatever it holds.
      const name = String(path[array - 1])
      const above = tableAt(root, path.slice(0, array - 1).map(String), line)
      const raw: RawValue = { type: "array", items: [{ raw: { type: "table" }, line }] }
      if (!above.entries.has(name)) above.entries.set(name, { _tag: "Value", line, raw })
    }
  }
  return root
}

const setTwice = "this key or table is set twice"

/** Plainer words for the parser's messages about the commonest mistakes. */
const words: Readonly<Record<string, string>> = {
  "Defining a key multiple times is invalid": setTwice,
  "Expected equal (=) token": 'expected "=" after the key',
  "Unexpected character": "unexpected character; is this a text without quotes?",
  "Unspecified values are invalid": "the value is missing"
}

/** The parser throws its own error, or overflows the stack on deep nesting and on very long strings. */
const parseStrictly = (lines: ReadonlyArray<string>): Result.Result<DocumentTable, SyntaxFault> =>
  Result.try({
    try: () => build(parseTOML(lines.join("\n"), { tomlVersion: "1.0.0" })),
    catch: (error): SyntaxFault =>
      error instanceof ParseError
        ? { line: error.lineNumber, message: `${words[error.message] ?? error.message} (column ${error.column + 1})` }
        : {
            line: undefined,
            message: error instanceof RangeError ? "nested too deeply, or a value is too long" : "cannot be parsed"
          }
  })

/** Whether lines can be followed by a new statement; keys set twice are found only when all else is well. */
const isSound = (lines: ReadonlyArray<string>): boolean =>
  Result.match(parseStrictly(lines), {
    onSuccess: () => true,
    onFailure: ({ message }) => message.startsWith(setTwice)
  })

/** A fault with the lines of its statement; both ends count, from 1. */
interface Statement {
  readonly fault: SyntaxFault
  readonly first: number
  readonly last: number
}

/** The beginning of a value that may go over several lines. */
const opensLines = /=\s*(?:\[|"""|''')/

/** What a new statement looks like: a header, or a key with its "=". */
const looksLikeStatement = /^\s*(?:\[|[\w."'-]+\s*=)/

/**
 * Looks for the statement that a fault belongs to: the parser tells where it noticed, which for a missing "=" or
 * bracket is below the mistake. Gives up when that would be far above.
 */
const findStatement = (lines: ReadonlyArray<string>, fault: SyntaxFault, noticed: number): Statement | undefined => {
  for (let first = noticed; first > 0 && first > noticed - statementLinesMax; first--) {
    if (!isSound(lines.slice(0, first - 1))) continue
    const opens = opensLines.test(lines[first - 1] ?? "")
    const next = opens ? lines.findIndex((line, index) => index >= first && looksLikeStatement.test(line)) : first
    const last = next < 0 ? lines.length : next
    // Noticed below the statement: what is said of it without the lines that follow is nearer to the mistake.
    const alone = noticed > last ? parseStrictly(lines.slice(0, last)) : undefined
    return { fault: alone !== undefined && Result.isFailure(alone) ? alone.failure : fault, first, last }
  }
  return undefined
}

const isHeader = (line: string | undefined): boolean => line?.trimStart().startsWith("[") === true

/** Blanks a faulty statement; a faulty table header takes its table along, or its keys would fall to the one above. */
const blank = (lines: ReadonlyArray<string>, { first, last }: Statement): ReadonlyArray<string> => {
  const following = lines.findIndex((line, index) => index >= last && isHeader(line))
  const end = !isHeader(lines[first - 1]) ? last : following < 0 ? lines.length : following
  return lines.map((line, index) => (index >= first - 1 && index < end ? "" : line))
}

/** Reads TOML, as much of it as can be read. */
export const parseToml = (text: string): TomlDocument => {
  const faults: Array<SyntaxFault> = []
  let lines: ReadonlyArray<string> = text.split("\n")
  for (;;) {
    const result = parseStrictly(lines)
    if (Result.isSuccess(result)) return { table: result.success, faults }
    const { line } = result.failure
    const more = line !== undefined && faults.length < faultsMax - 1 && text.length <= recoverableLengthMax
    const statement = more ? findStatement(lines, result.failure, line) : undefined
    faults.push(statement?.fault ?? result.failure)
    if (statement === undefined) return { table: emptyTable(1), faults }
    lines = blank(lines, statement)
  }
}
