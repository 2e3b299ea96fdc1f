/**
 * `icn-node ledger export`: the whole ledger, for accounting (hledger), a spreadsheet (CSV) or to be checked without a
 * node (JSON lines). On standard output, or into a file that is there as a whole or not at all.
 */
import { Console, Effect, Option, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs"
import { resolve } from "node:path"
import { exportFormats } from "../../../domain/ledgerExport.ts"
import { systemErrorText } from "../../../domain/systemError.ts"
import * as LedgerSqlite from "../../../layers/LedgerSqlite.ts"
import { exportLedger, type ExportPiece } from "../../ledger/export.ts"
import { dataDirectory } from "../dataDir.ts"
import { ProcessEnvironment } from "../environment.ts"
import { failing } from "../failing.ts"
import { CommandFailed, exitCodes, print } from "../output.ts"
import { progressPainter } from "../progress.ts"
import { countLine } from "./counting.ts"
import { nodeFlags } from "./flags.ts"

const format = Flag.Literals("format", exportFormats).pipe(
  Flag.withDescription("hledger: a journal with balance assertions; csv: a line per leg; jsonl: with all signatures"),
  Flag.withDefault("hledger" as const)
)

const output = Flag.String("output").pipe(
  Flag.withAlias("o"),
  Flag.withMetavar("file"),
  Flag.withDescription("Where to write it, in place of what is there; standard output unless given"),
  Flag.optional
)

const failed = (text: string) => new CommandFailed({ text, exitCode: exitCodes.failed })

/** A file beside the one that is asked for, which takes its place in the end. */
const wholeFile = Effect.fnUntraced(function* (path: string) {
  const attempt = <A>(body: () => A) =>
    Effect.try({ try: body, catch: (error) => failed(`cannot write ${path}: ${systemErrorText(error)}`) })
  const temporary = `${path}.part`
  let complete = false
  const descriptor = yield* Effect.acquireRelease(
    // The books are the cooperative's own.
    attempt(() => openSync(temporary, "w", 0o600)),
    (descriptor) =>
      Effect.sync(() => {
        closeSync(descriptor)
        if (!complete) rmSync(temporary, { force: true })
      })
  )
  const write = (text: string) =>
    attempt(() => {
      const bytes = Buffer.from(text)
      for (let written = 0; written < bytes.length;) written += writeSync(descriptor, bytes, written)
    })
  const finish = attempt(() => {
    fsyncSync(descriptor)
    renameSync(temporary, path)
    complete = true
  })
  return { write, finish }
})

/** Pieces end with the end of a line, which `Console.log` writes itself. */
const toStandardOutput = {
  write: (text: string) => (text === "" ? Effect.void : Console.log(text.slice(0, -1))),
  finish: Effect.void
}

export const exportCommand = Command.make(
  "export",
  { format, output, ...nodeFlags },
  Effect.fnUntraced(function* ({ config, dataDir, format, json, output }) {
    const directory = yield* dataDirectory({ config, dataDir })
    const { workingDirectory } = yield* ProcessEnvironment
    const books = yield* LedgerSqlite.readOffline(directory).pipe(failing(json))
    if (books === undefined) return yield* failing(json)(Effect.fail(failed(`there is no ledger in ${directory} yet`)))
    const file = Option.map(output, (path) => resolve(workingDirectory, path))
    const painter = yield* progressPainter
    let last: ExportPiece = { text: "", done: 0, total: 0 }
    yield* Effect.gen(function* () {
      const { finish, write } = Option.isNone(file) ? toStandardOutput : yield* wholeFile(file.value)
      yield* Stream.runForEach(exportLedger(books, format), (piece) => {
        last = piece
        const told = Option.isNone(file) ? Effect.void : painter.line(countLine("exporting", piece))
        return Effect.andThen(write(piece.text), told)
      })
      yield* finish
    }).pipe(Effect.scoped, failing(json))
    yield* painter.wipe
    if (Option.isNone(file)) return
    const document = { file: file.value, format, entries: last.total, version: last.total }
    yield* print(json, document, () => `${last.total} entries in ${file.value}`)
  }, Effect.scoped)
).pipe(
  Command.withDescription("Write out the whole ledger, while a node runs or not"),
  Command.withExamples([
    { command: "icn-node ledger export --format hledger | hledger -f - balance", description: "Balances by hledger" },
    { command: "icn-node ledger export --format jsonl --output ledger.jsonl", description: "With all that proves it" }
  ])
)
