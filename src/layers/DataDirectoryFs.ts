/**
 * `DataDirectory` in the file system: made with mode 0700 when it is missing, refused when others can write to it. The
 * lock is `node.lock` (dataDirectory/lock.ts); `node.pid` beside it only says who has it, for the message to whoever
 * comes second, and is never trusted. Both are removed by a clean end.
 */
import { DateTime, Effect, Equal, Layer, Option, Schema } from "effect"
import * as Fs from "node:fs"
import { hostname } from "node:os"
import { dirname, join, resolve } from "node:path"
import { systemErrorCode, systemErrorText } from "../domain/systemError.ts"
import { DataDirectory, DataDirectoryError, DataDirectoryInUse, LockHolder } from "../services/DataDirectory.ts"
import { type FileLock, tryLock } from "./dataDirectory/lock.ts"

const lockFileName = "node.lock"
const pidFileName = "node.pid"
const pidFileBytesMax = 1024

/** Makes a directory and its parents. Node's own `recursive` never returns where the file system denies with ENOENT. */
const makeDirectory = (path: string): void => {
  if (Fs.existsSync(path)) return
  makeDirectory(dirname(path))
  try {
    Fs.mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    // Another process was faster.
    if (systemErrorCode(error) !== "EEXIST") throw error
  }
}

/** Makes the directory when it is missing; says why it is not one that the node can have to itself. */
const prepare = (path: string): DataDirectoryError | undefined => {
  const refused = (reason: DataDirectoryError["reason"], detail: string) =>
    new DataDirectoryError({ path, reason, detail })
  try {
    makeDirectory(path)
  } catch (error) {
    return refused("notCreated", systemErrorText(error))
  }
  try {
    const stats = Fs.statSync(path)
    if (!stats.isDirectory()) return refused("notADirectory", "it is not a directory")
    if ((stats.mode & 0o022) !== 0) {
      return refused("exposed", `others can write to it; run "chmod go-w ${path}", or use a directory inside it`)
    }
    Fs.accessSync(path, Fs.constants.R_OK | Fs.constants.W_OK | Fs.constants.X_OK)
  } catch (error) {
    return refused("notWritable", systemErrorText(error))
  }
  return undefined
}

const decodeHolder = Schema.decodeUnknownOption(Schema.fromJsonString(LockHolder))

/** Who says that it has the lock; none when that can't be read, which only costs a detail of a message. */
const readHolder = (path: string): Option.Option<LockHolder> => {
  try {
    if (Fs.statSync(path).size > pidFileBytesMax) return Option.none()
    return decodeHolder(Fs.readFileSync(path, "utf8"))
  } catch {
    return Option.none()
  }
}

/** Takes the lock and says so; `undefined` when another process has it. */
const take = (directory: string, holder: LockHolder): FileLock | undefined => {
  const pidFile = join(directory, pidFileName)
  const lock = tryLock(join(directory, lockFileName))
  if (lock === undefined) return undefined
  const release = () => {
    try {
      // Somebody may have deleted the files, and a successor have written its own.
      const named = readHolder(pidFile)
      if (Option.isNone(named) || Equal.equals(named.value, holder)) Fs.rmSync(pidFile, { force: true })
    } finally {
      lock.release()
    }
  }
  try {
    Fs.writeFileSync(pidFile, `${JSON.stringify(holder)}\n`, { mode: 0o600 })
    return { release }
  } catch (error) {
    release()
    throw error
  }
}

export const make: (directory: string) => Effect.Effect<DataDirectory["Service"], DataDirectoryError> =
  Effect.fnUntraced(function* (directory) {
    const path = resolve(directory)
    const problem = yield* Effect.sync(() => prepare(path))
    if (problem !== undefined) return yield* problem
    const acquire = Effect.gen(function* () {
      const startedAt = DateTime.formatIso(yield* DateTime.now)
      const lock = yield* Effect.try({
        try: () => take(path, { pid: process.pid, hostname: hostname(), startedAt }),
        catch: (error) => new DataDirectoryError({ path, reason: "lockFailed", detail: systemErrorText(error) })
      })
      if (lock !== undefined) return lock
      const holder = readHolder(join(path, pidFileName))
      return yield* new DataDirectoryInUse({ path, ...(Option.isSome(holder) ? { holder: holder.value } : {}) })
    })
    return DataDirectory.of({
      path,
      lock: Effect.acquireRelease(acquire, (lock) => Effect.sync(() => lock.release())).pipe(Effect.asVoid)
    })
  })

/** The directory at a path, which is taken from the working directory when it is relative. */
export const layer = (directory: string): Layer.Layer<DataDirectory, DataDirectoryError> =>
  Layer.effect(DataDirectory, make(directory))
