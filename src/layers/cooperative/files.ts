/**
 * `cooperative.json` on disk: read with suspicion, and written so that at every moment there is either the old file or
 * the whole new one. It holds keys that nobody else can give back, so a file that can't be used stops the start and is
 * never written over.
 */
import { Effect, Result } from "effect"
import { constants } from "node:fs"
import * as Fs from "node:fs/promises"
import { dirname } from "node:path"
import type { CoopState } from "../../domain/coopState.ts"
import { systemErrorCode, systemErrorText } from "../../domain/systemError.ts"
import { coopFileBytesMax, decodeCoopFile, encodeCoopFile } from "../../protocol/coopFile.ts"
import { type CooperativeError, CooperativeFileFailed } from "../../services/Cooperative.ts"
import { failure } from "./Context.ts"
import type { CoopStore } from "./Keeper.ts"

type Reason = CooperativeFileFailed["reason"]

/** Why a file can't be used. */
interface Problem {
  readonly reason: Reason
  readonly detail: string
}

const open = async (path: string): Promise<Fs.FileHandle | undefined> => {
  try {
    // Without O_NONBLOCK a named pipe in that place would hold the program for ever.
    return await Fs.open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return undefined
    throw error
  }
}

/** The text of the file, `undefined` when there is none; reads no more than such a file may have. */
const readText = async (path: string): Promise<Result.Result<string | undefined, Problem>> => {
  const handle = await open(path)
  if (handle === undefined) return Result.succeed(undefined)
  try {
    const stats = await handle.stat()
    if (!stats.isFile()) return Result.fail({ reason: "damaged", detail: "it is not a file" })
    if ((stats.mode & 0o077) !== 0) {
      const mode = (stats.mode & 0o777).toString(8).padStart(4, "0")
      return Result.fail({ reason: "exposed", detail: `it has mode ${mode}` })
    }
    if (stats.size > coopFileBytesMax) {
      return Result.fail({ reason: "damaged", detail: `it is larger than ${coopFileBytesMax} bytes` })
    }
    const buffer = Buffer.alloc(stats.size)
    let length = 0
    while (length < buffer.length) {
      const { bytesRead } = await handle.read(buffer, length, buffer.length - length, length)
      if (bytesRead === 0) break
      length += bytesRead
    }
    return Result.succeed(buffer.toString("utf8", 0, length))
  } finally {
    await handle.close()
  }
}

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

const decode = (text: string | undefined): Result.Result<ReadonlyArray<CoopState>, Problem> =>
  text === undefined
    ? Result.succeed([])
    : Result.mapError(decodeCoopFile(text), (detail) => ({ reason: "damaged", detail }))

/** Keeps the state in a file of this user alone. */
export const fileStore = (path: string): CoopStore => {
  const failed = ({ detail, reason }: Problem): CooperativeError =>
    failure(new CooperativeFileFailed({ path, reason, detail }))
  const attempt = <A>(reason: Reason, run: () => Promise<A>): Effect.Effect<A, CooperativeError> =>
    Effect.tryPromise({ try: run, catch: (error) => failed({ reason, detail: systemErrorText(error) }) })
  return {
    load: Effect.flatMap(
      attempt("unreadable", () => readText(path)),
      (text) => Effect.fromResult(Result.mapError(Result.flatMap(text, decode), failed))
    ),
    save: (states) => attempt("unwritable", () => writeText(path, encodeCoopFile(states)))
  }
}
