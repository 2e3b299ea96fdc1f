/**
 * Giving a received file its name: on disk for good first, then under the first free name, never in place of anything
 * that is there.
 */
import { Effect } from "effect"
import { constants } from "node:fs"
import { type FileHandle, link, lstat, open, rename, unlink } from "node:fs/promises"
import { join } from "node:path"
import { numberedNamesMax } from "../../domain/fileTransferLimits.ts"
import { numberedName } from "../../domain/fileTransferName.ts"
import { attempt, FileProblem, openScoped } from "./files.ts"

/** What a new file may be read and written by, before the user's umask. */
const fileMode = 0o644

/** File systems that have no second names for a file (FAT, some network ones) say one of these. */
const withoutLinks = new Set(["EPERM", "ENOSYS", "ENOTSUP", "EOPNOTSUPP", "EMLINK"])

/** Takes a name with an empty file first, where a second name cannot be had. */
const renameTo = Effect.fnUntraced(function* (from: string, to: string) {
  const placeholder = yield* attempt(() => open(to, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600))
  yield* attempt(() => placeholder.close())
  yield* attempt(() => rename(from, to)).pipe(Effect.tapError(() => Effect.ignore(attempt(() => unlink(to)))))
})

const linkTo = Effect.fnUntraced(function* (from: string, to: string) {
  yield* attempt(() => link(from, to))
  yield* attempt(() => unlink(from))
})

const nameIt = (from: string, to: string): Effect.Effect<void, FileProblem> =>
  linkTo(from, to).pipe(
    Effect.catchIf(
      ({ code }) => withoutLinks.has(code),
      () => renameTo(from, to)
    )
  )

/** Not to be found under its name any more, or something else is. */
const checkInPlace = Effect.fnUntraced(function* (path: string, handle: FileHandle) {
  const [there, ours] = [yield* attempt(() => lstat(path)), yield* attempt(() => handle.stat())]
  if (there.ino === ours.ino && there.dev === ours.dev) return
  return yield* new FileProblem({ code: "ESTALE", detail: `${path} was replaced while it was being written` })
})

/** Also the name is on disk then; where directories cannot be synced, that is left to the system. */
const syncDirectory = (directory: string) =>
  Effect.ignore(
    Effect.scoped(
      Effect.flatMap(openScoped(directory, constants.O_RDONLY | constants.O_DIRECTORY), (handle) =>
        attempt(() => handle.sync())
      )
    )
  )

/** Makes a finished part the file `name` of its directory, or `name (1)` and so on; gives its path. */
export const store = Effect.fnUntraced(function* (part: string, handle: FileHandle, directory: string, name: string) {
  yield* attempt(() => handle.chmod(fileMode & ~process.umask()))
  yield* attempt(() => handle.sync())
  yield* checkInPlace(part, handle)
  for (let number = 0; number < numberedNamesMax; number++) {
    const file = join(directory, numberedName(name, number))
    const named = yield* nameIt(part, file).pipe(
      Effect.as(true),
      Effect.catchIf(
        ({ code }) => code === "EEXIST",
        () => Effect.succeed(false)
      )
    )
    if (!named) continue
    yield* syncDirectory(directory)
    return file
  }
  return yield* new FileProblem({ code: "EEXIST", detail: `there are ${numberedNamesMax} files called ${name}` })
})
