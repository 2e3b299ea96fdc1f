/**
 * Key files on disk: read with suspicion, written so that at every moment there is either the old file or the whole new
 * one. A new file is written under another name, flushed, and then linked (which never overwrites, so that processes
 * that start at once agree on one identity) or renamed (which replaces). What a crash leaves is a `.tmp` file that
 * nobody reads.
 */
import { Effect, Option, Result } from "effect"
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import { dirname } from "node:path"
import { decodeKeyFile, encodeKeyFile, type KeyFile, keyFileBytesMax } from "../../domain/keyFile.ts"
import { systemErrorCode, systemErrorText } from "../../domain/systemError.ts"
import { IdentityError } from "../../services/Identity.ts"

const withDescriptor = <A>(path: string, flags: number | string, use: (descriptor: number) => A): A => {
  const descriptor = Fs.openSync(path, flags, 0o600)
  try {
    return use(descriptor)
  } finally {
    Fs.closeSync(descriptor)
  }
}

const refuse = (
  keyFile: string,
  reason: IdentityError["reason"],
  detail: string
): Result.Result<never, IdentityError> => Result.fail(new IdentityError({ keyFile, reason, detail }))

/** Reads no more than a key file may have; refuses what is not a file or is open to others. */
const readText = (path: string, mustBePrivate: boolean): Result.Result<string, IdentityError> =>
  // Without O_NONBLOCK a named pipe in that place would hold the program for ever.
  withDescriptor(path, Fs.constants.O_RDONLY | Fs.constants.O_NONBLOCK, (descriptor) => {
    const stats = Fs.fstatSync(descriptor)
    if (!stats.isFile()) return refuse(path, "malformed", "it is not a file")
    if (mustBePrivate && (stats.mode & 0o077) !== 0) {
      const mode = (stats.mode & 0o777).toString(8).padStart(4, "0")
      return refuse(path, "exposed", `its mode ${mode} gives others access to the key; run "chmod 600 ${path}"`)
    }
    const buffer = Buffer.alloc(keyFileBytesMax + 1)
    const length = Fs.readSync(descriptor, buffer, 0, buffer.length, 0)
    if (length > keyFileBytesMax) return refuse(path, "malformed", `it is larger than ${keyFileBytesMax} bytes`)
    return Result.succeed(buffer.toString("utf8", 0, length))
  })

const readKeyFile = (path: string, mustBePrivate: boolean): Result.Result<Option.Option<KeyFile>, IdentityError> => {
  try {
    return Result.flatMap(readText(path, mustBePrivate), (text) =>
      decodeKeyFile(text).pipe(
        Result.map(Option.some),
        Result.mapError(({ detail, reason }) => new IdentityError({ keyFile: path, reason, detail }))
      )
    )
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return Result.succeed(Option.none())
    return refuse(path, "unreadable", systemErrorText(error))
  }
}

/**
 * The key file at a path; none when there is none. A file that others can access is refused, as ssh does, except where
 * it is a backup that came by other ways (`mustBePrivate: false`).
 */
export const read = (
  path: string,
  options: { readonly mustBePrivate: boolean }
): Effect.Effect<Option.Option<KeyFile>, IdentityError> =>
  Effect.suspend(() => Effect.fromResult(readKeyFile(path, options.mustBePrivate)))

const flushDirectory = (path: string): void => withDescriptor(path, "r", Fs.fsyncSync)

/** Writes the file under a name of its own, lets `place` put it where it belongs, and takes that name away again. */
const publish = <A>(path: string, file: KeyFile, place: (temporary: string) => A): Effect.Effect<A, IdentityError> =>
  Effect.try({
    try: () => {
      const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`
      try {
        withDescriptor(temporary, "wx", (descriptor) => {
          Fs.writeFileSync(descriptor, encodeKeyFile(file))
          Fs.fsyncSync(descriptor)
        })
        const placed = place(temporary)
        flushDirectory(dirname(path))
        return placed
      } finally {
        Fs.rmSync(temporary, { force: true })
      }
    },
    catch: (error) => new IdentityError({ keyFile: path, reason: "unwritable", detail: systemErrorText(error) })
  })

/** Writes a file where there is none; false when there is one, which is left as it is. */
export const create = (path: string, file: KeyFile): Effect.Effect<boolean, IdentityError> =>
  publish(path, file, (temporary) => {
    try {
      Fs.linkSync(temporary, path)
      return true
    } catch (error) {
      if (systemErrorCode(error) === "EEXIST") return false
      throw error
    }
  })

/** Puts a file in the place of another one, in one step. */
export const replace = (path: string, file: KeyFile): Effect.Effect<void, IdentityError> =>
  publish(path, file, (temporary) => Fs.renameSync(temporary, path))

/** Gives the file at `path` a second name, under which it stays when it is replaced. */
export const keepAs = (path: string, name: string): Effect.Effect<void, IdentityError> =>
  Effect.try({
    try: () => Fs.linkSync(path, name),
    catch: (error) => new IdentityError({ keyFile: path, reason: "unwritable", detail: systemErrorText(error) })
  })
