/**
 * `icn-node receive`: takes files that members send, into a directory, until it is interrupted or enough have come. The
 * node serves them only while this command runs.
 */
import { Console, Effect, Option, Result, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import { resolve } from "node:path"
import { Did } from "../../domain/did.ts"
import { defaultBytesMax } from "../../domain/fileTransferLimits.ts"
import { formatBytes, Pace } from "../../domain/fileTransferProgress.ts"
import type { ReceiveEvent } from "../rpc/Api.ts"
import { workWithNode } from "../rpc/client.ts"
import { configFlag, dataDirectory, dataDirFlag } from "./dataDir.ts"
import { ProcessEnvironment } from "./environment.ts"
import { failing } from "./failing.ts"
import { exitCodes } from "./output.ts"
import { type ProgressPainter, progressPainter } from "./progress.ts"

const out = Flag.String("out").pipe(
  Flag.withAlias("o"),
  Flag.withMetavar("directory"),
  Flag.withDescription("Where to put the files; a directory that exists. Nothing in it is ever overwritten")
)

const from = Flag.String("from").pipe(
  Flag.withMetavar("did"),
  Flag.withDescription("Take files from this member only"),
  Flag.filterMap(
    (text) => Option.fromNullishOr(Result.getOrUndefined(Did.parse(text))),
    (text) => Result.match(Did.parse(text), { onSuccess: () => text, onFailure: ({ message }) => message })
  ),
  Flag.optional
)

const positive = (name: string) =>
  Flag.Int(name).pipe(
    Flag.filter(
      (value) => value >= 1,
      () => "a number from 1 on"
    )
  )

const count = positive("count").pipe(
  Flag.withAlias("n"),
  Flag.withDescription("End after this many files; otherwise when interrupted"),
  Flag.optional
)

const maxBytes = positive("max-bytes").pipe(
  Flag.withDescription(`The longest file to take, in bytes; ${defaultBytesMax} unless given`),
  Flag.withDefault(defaultBytesMax)
)

const json = Flag.Boolean("json").pipe(
  Flag.withDescription("Print one JSON document per file instead of text"),
  Flag.withDefault(false)
)

type Of<Tag extends ReceiveEvent["_tag"]> = Extract<ReceiveEvent, { readonly _tag: Tag }>

/** Results are one line each on standard output. */
const result = (event: Of<"Received"> | Of<"Failed">, json: boolean): string => {
  if (event._tag === "Failed") {
    const { did, error, name } = event
    return json ? JSON.stringify({ ok: false, did, name, error }) : `${name} from ${did}: ${error}`
  }
  const { did, file, name, seconds, sha256, total: bytes } = event
  return json
    ? JSON.stringify({ ok: true, did, name, file, bytes, sha256, seconds })
    : `${file}\n  ${bytes} bytes from ${did} in ${seconds.toFixed(2)} s, sha256 ${sha256}`
}

const refusalTexts: Readonly<Record<Of<"Refused">["reason"], string>> = {
  notWanted: "only files of another member are wanted",
  tooLarge: "it is longer than --max-bytes",
  noSpace: "the disk has not enough room",
  busy: "as many files as there is room for are being received",
  cannotWrite: "the directory cannot be written to"
}

interface Running {
  readonly name: string
  readonly bytes: number
  readonly total: number
}

/** Tells events as they come; what is under way is one line, whatever it consists of. */
const follow = (painter: ProgressPainter, json: boolean) => {
  const pace = new Pace()
  const running = new Map<number, Running>()
  const paint = () => {
    const files = [...running.values()]
    const [first] = files
    if (first === undefined) return Effect.void
    const sum = (pick: (file: Running) => number) => files.reduce((total, file) => total + pick(file), 0)
    return painter.paint({
      label: files.length === 1 ? first.name : `${files.length} files`,
      bytes: sum(({ bytes }) => bytes),
      total: sum(({ total }) => total),
      pace
    })
  }
  const ended = (transfer: number, told: Effect.Effect<void>) =>
    Effect.suspend(() => {
      if (running.delete(transfer)) pace.restart()
      return Effect.andThen(told, paint())
    })
  return (event: ReceiveEvent): Effect.Effect<void> => {
    switch (event._tag) {
      case "Serving":
        return painter.note(`receiving into ${event.directory}; end with Ctrl-C`)
      case "Started":
      case "Progress":
        if (!running.has(event.transfer)) pace.restart()
        running.set(event.transfer, event)
        return paint()
      case "PartDiscarded":
        return painter.note(`${event.name}: what was there of it (${formatBytes(event.bytes)}) was damaged`)
      case "Refused":
        return painter.note(`refused ${event.name} from ${event.did}: ${refusalTexts[event.reason]}`)
      case "Interrupted":
        return ended(
          event.transfer,
          painter.note(`${event.name}: stopped at ${formatBytes(event.bytes)}: ${event.error}`)
        )
      case "Received":
      case "Failed":
        return ended(event.transfer, Effect.andThen(painter.wipe, Console.log(result(event, json))))
    }
  }
}

/** Without a number to reach, interruption is how this command ends, and it has done its work. */
const endsByInterruption = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.onInterrupt(self, () => Effect.sync(() => void (process.exitCode ??= exitCodes.ok)))

export const receive = Command.make(
  "receive",
  { out, from, count, maxBytes, config: configFlag, dataDir: dataDirFlag, json },
  Effect.fnUntraced(function* ({ config, count, dataDir, from, json, maxBytes, out }) {
    const directory = yield* dataDirectory({ config, dataDir })
    const { workingDirectory } = yield* ProcessEnvironment
    const tell = follow(yield* progressPainter, json)
    const request = {
      directory: resolve(workingDirectory, out),
      from: Option.getOrNull(from),
      count: Option.getOrNull(count),
      bytesMax: maxBytes
    }
    const serving = workWithNode(directory, (client) => Stream.runForEach(client.Receive(request), tell)).pipe(
      failing(json)
    )
    yield* Option.isNone(count) ? endsByInterruption(serving) : serving
  }, Effect.scoped)
).pipe(
  Command.withDescription("Take files that members send into a directory, for as long as this command runs"),
  Command.withExamples([
    { command: "icn-node receive --out ~/Downloads", description: "From anybody, until Ctrl-C" },
    {
      command: "icn-node receive --out inbox --from did:key:z6Mk… --count 1 --json",
      description: "One file of one member, with the result as JSON"
    }
  ])
)
