/**
 * The program that checks an exported ledger by itself: `node dist/ledgerVerify.js FILE` ("-" for standard input). It
 * prints one line and exits with 0 when the export is sound, with 1 when it is not, and with 2 when it cannot be read.
 * It has no part of the node: protocol/ledgerVerify.ts does the work.
 */
import { open } from "node:fs/promises"
import { createInterface } from "node:readline"
import { ExportVerifier, type ExportVerdict } from "./protocol/ledgerVerify.ts"

const verdictOf = async (lines: AsyncIterable<string>): Promise<ExportVerdict> => {
  const verifier = new ExportVerifier()
  let line = 0
  for await (const text of lines) {
    line++
    const problem = verifier.line(text)
    if (problem !== undefined) return { _tag: "Unsound", line, problem }
  }
  return verifier.verdict()
}

const linesOf = async (file: string): Promise<AsyncIterable<string>> => {
  if (file === "-") return createInterface({ input: process.stdin, crlfDelay: Infinity })
  const opened = await open(file)
  if ((await opened.stat()).isDirectory()) throw new Error("it is a directory")
  return opened.readLines()
}

const say = (verdict: ExportVerdict): void => {
  if (verdict._tag === "Unsound") {
    process.stdout.write(`unsound: line ${verdict.line}: ${verdict.problem}\n`)
    process.exitCode = 1
    return
  }
  const { balances, coop, forked, name, version } = verdict
  const forks = forked.length === 0 ? "" : `, ${forked.length} members wrote two chains`
  process.stdout.write(`sound: ${name} (${coop}), ${version} entries, ${balances.length} balances${forks}\n`)
}

const [file] = process.argv.slice(2)
if (file === undefined || file.startsWith("--")) {
  process.stderr.write("usage: node ledgerVerify.js FILE   (an export of the ledger in JSON lines; - for stdin)\n")
  process.exitCode = 2
} else {
  try {
    say(await verdictOf(await linesOf(file)))
  } catch (error) {
    process.stderr.write(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 2
  }
}
