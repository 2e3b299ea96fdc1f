/**
 * `peers.json` on disk: read with suspicion, set aside when it is damaged, and written so that at every moment there is
 * either the old file or the whole new one. A book that is lost costs some dials, so nothing here stops the node.
 */
import { Cause, Effect, Result, Schema } from "effect"
import * as Fs from "node:fs/promises"
import { constants } from "node:fs"
import { dirname } from "node:path"
import type { KeptPeer } from "../../domain/knownPeers.ts"
import { decode, peerBookFileBytesMax } from "../../domain/peerBookFile.ts"
import { systemErrorCode, systemErrorText } from "../../domain/systemError.ts"
import { report } from "../../services/Metrics.ts"

/** The file can't be read or written, or is not what this program writes. */
export class PeerBookFileError extends Schema.TaggedError<PeerBookFileError>()("PeerBookFileError", {
  path: Schema.String,
  reason: Schema.Literals(["unreadable", "damaged", "notSetAside", "unwritable"]),
  detail: Schema.String
}) {
  override get message() {
    return `known peers ${this.path}: ${this.detail}`
  }
}

/** As long as a problem with the file's content may be described in the log. */
const detailLengthMax = 300

const open = async (path: string): Promise<Fs.FileHandle | undefined> => {
  try {
    // Without O_NONBLOCK a named pipe in that place would hold the program for ever.
    return await Fs.open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return undefined
    throw error
  }
}

/** The text of a file, `undefined` when there is none; reads no more than such a file may have. */
const readText = async (path: string): Promise<Result.Result<string | undefined, string>> => {
  const handle = await open(path)
  if (handle === undefined) return Result.succeed(undefined)
  try {
    if (!(await handle.stat()).isFile()) return Result.fail("it is not a file")
    const buffer = Buffer.alloc(peerBookFileBytesMax + 1)
    let length = 0
    while (length < buffer.length) {
      const { bytesRead } = await handle.read(buffer, length, buffer.length - length, length)
      if (bytesRead === 0) return Result.succeed(buffer.toString("utf8", 0, length))
      length += bytesRead
    }
    return Result.fail(`it is larger than ${peerBookFileBytesMax} bytes`)
  } finally {
    await handle.close()
  }
}

const read = Effect.fnUntraced(function* (path: string) {
  const text = yield* Effect.tryPromise({
    try: () => readText(path),
    catch: (error) => new PeerBookFileError({ path, reason: "unreadable", detail: systemErrorText(error) })
  })
  const peers = Result.flatMap(text, (found) => (found === undefined ? Result.succeed([]) : decode(found)))
  if (Result.isSuccess(peers)) return peers.success
  return yield* new PeerBookFileError({ path, reason: "damaged", detail: peers.failure.slice(0, detailLengthMax) })
})

const setAside = (path: string): Effect.Effect<void, PeerBookFileError> =>
  Effect.tryPromise({
    try: () => Fs.rename(path, `${path}.damaged`),
    catch: (error) => new PeerBookFileError({ path, reason: "notSetAside", detail: systemErrorText(error) })
  })

/**
 * The members in the file, none when there is no file. A file that can't be used is told of, set aside as
 * `peers.json.damaged` for whoever wants to know, and its members are met again.
 */
export const load = (path: string): Effect.Effect<ReadonlyArray<KeptPeer>> =>
  read(path).pipe(
    Effect.catch((error) =>
      report("peer_book", Cause.fail(error)).pipe(
        Effect.andThen(setAside(path)),
        Effect.andThen(Effect.logWarning(`starting without known peers; the file is now ${path}.damaged`)),
        Effect.catchCause((cause) => report("peer_book", cause)),
        Effect.as([])
      )
    )
  )

const writeText = async (path: string, text: string): Promise<void> => {
  // A name of its own that is always the same, so that crashes leave one file at most.
  const temporary = `${path}.tmp`
  await Fs.rm(temporary, { force: true })
  try {
    const handle = await Fs.open(temporary, "wx", 0o600)
    try {
      await handle.writeFile(text)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await Fs.rename(temporary, path)
  } catch (error) {
    await Fs.rm(temporary, { force: true })
    throw error
  }
  const directory = await Fs.open(dirname(path), "r")
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** Puts a text in the place of the file, in one step, for this user alone. */
export const write = (path: string, text: string): Effect.Effect<void, PeerBookFileError> =>
  Effect.tryPromise({
    try: () => writeText(path, text),
    catch: (error) => new PeerBookFileError({ path, reason: "unwritable", detail: systemErrorText(error) })
  })
