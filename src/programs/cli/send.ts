/**
 * `icn-node send`: sends a file to a member that receives, with progress on standard error and the result on standard
 * output.
 */
import { Effect, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import { resolve } from "node:path"
import { formatBytes, formatSeconds, Pace } from "../../domain/fileTransferProgress.ts"
import type { SendEvent } from "../rpc/Api.ts"
import { workWithNode } from "../rpc/client.ts"
import { configFlag, dataDirectory, dataDirFlag } from "./dataDir.ts"
import { ProcessEnvironment } from "./environment.ts"
import { failing } from "./failing.ts"
import { didArgument, pathText } from "./member.ts"
import { CommandFailed, exitCodes, json, print } from "./output.ts"
import { type ProgressPainter, progressPainter } from "./progress.ts"

const file = Flag.String("file").pipe(
  Flag.withAlias("f"),
  Flag.withMetavar("path"),
  Flag.withDescription("The file to send; the node reads it, so it has to be readable for the node's user")
)

type Sent = Extract<SendEvent, { readonly _tag: "Sent" }>

/** Tells events as they come; gives the last one. */
const follow = (painter: ProgressPainter) => {
  const pace = new Pace()
  let label = ""
  const paint = (next: string, bytes: number, total: number) => {
    if (next !== label) pace.restart()
    label = next
    return painter.paint({ label, bytes, total, pace })
  }
  return (event: SendEvent): Effect.Effect<void> => {
    switch (event._tag) {
      case "Hashing":
        return paint("checksum", event.bytes, event.total)
      case "Connecting":
        return painter.note(`sending ${formatBytes(event.total)}`)
      case "Sending":
        return paint("sending", event.bytes, event.total)
      case "PartDiscarded":
        return painter.note(`what the member had (${formatBytes(event.bytes)}) was damaged; beginning again`)
      case "Retrying":
        pace.restart()
        return painter.note(`${event.error}; trying again in ${formatSeconds(event.delayMillis / 1000)}`)
      case "Sent":
        return Effect.void
    }
  }
}

const text = ({ bytes, path, seconds, sha256 }: Sent): string => {
  const speed = seconds > 0 ? `, ${formatBytes(Math.round(bytes / seconds))}/s` : ""
  return [
    `sent ${bytes} bytes in ${seconds.toFixed(2)} s${speed}`,
    ...(path === null ? [] : [pathText(path)]),
    `sha256 ${sha256}`
  ].join("\n")
}

export const send = Command.make(
  "send",
  { did: didArgument, file, config: configFlag, dataDir: dataDirFlag, json },
  Effect.fnUntraced(function* ({ config, dataDir, did, file, json }) {
    const directory = yield* dataDirectory({ config, dataDir })
    const { workingDirectory } = yield* ProcessEnvironment
    const tell = follow(yield* progressPainter)
    const last = yield* workWithNode(directory, (client) =>
      client.Send({ did, file: resolve(workingDirectory, file) }).pipe(Stream.tap(tell), Stream.runLast)
    ).pipe(failing(json))
    const sent = last._tag === "Some" && last.value._tag === "Sent" ? last.value : undefined
    if (sent === undefined) {
      const text = "the node ended the transfer without a result"
      return yield* failing(json)(Effect.fail(new CommandFailed({ text, exitCode: exitCodes.failed })))
    }
    const { bytes, path, seconds, sha256 } = sent
    yield* print(json, { ok: true, bytes, sha256, seconds, path }, () => text(sent))
  }, Effect.scoped)
).pipe(
  Command.withDescription('Send a file to a member on which "icn-node receive" runs; again to go on where it stopped'),
  Command.withExamples([
    { command: "icn-node send did:key:z6Mk… --file report.pdf", description: "With a progress bar" },
    { command: "icn-node send did:key:z6Mk… --file report.pdf --json", description: "With the result as JSON" }
  ])
)
