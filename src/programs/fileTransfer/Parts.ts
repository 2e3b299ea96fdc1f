/**
 * The unfinished files of a directory: `.name.checksum.part` beside where the file will be. Each is written by one
 * transfer at a time; the next try of the same transfer takes it over, and another transfer of the same content gets
 * one of its own. Nothing here follows a link or opens what this user did not make.
 */
import { Deferred, Effect, Option } from "effect"
import type { Hash } from "node:crypto"
import { constants } from "node:fs"
import { type FileHandle, lstat, readdir, unlink } from "node:fs/promises"
import { join } from "node:path"
import { partNumberMax, partsMax, releaseMillisMax } from "../../domain/fileTransferLimits.ts"
import { isPartName, partName } from "../../domain/fileTransferName.ts"
import { attempt, hashStart, openScoped } from "./files.ts"

/** Who writes an unfinished file: the same text for the next try of one transfer. */
export type PartOwner = string

interface Claim {
  readonly owner: PartOwner
  /** Completed when the owner is wanted to let go. */
  readonly wanted: Deferred.Deferred<void>
  /** Completed when it has. */
  readonly released: Deferred.Deferred<void>
}

/** An unfinished file that is this transfer's until the scope closes. */
export interface Part {
  readonly path: string
  readonly handle: FileHandle
  /** How much of it was there. */
  readonly bytes: number
  /** How much of it is there now; 0 when that cannot be read. */
  readonly length: Effect.Effect<number>
  /** Completes when the next try of the same transfer wants it. */
  readonly wanted: Effect.Effect<void>
  /** Keeps the first bytes only. */
  readonly truncate: (bytes: number) => ReturnType<typeof truncate>
  readonly hashStart: (bytes: number, hash: Hash) => ReturnType<typeof hashStart<never, never>>
}

const truncate = (handle: FileHandle, bytes: number) => attempt(() => handle.truncate(bytes))

const remove = (path: string) => Effect.ignore(attempt(() => unlink(path)))

/** Something is in the way: a link, a directory, a file of somebody else, or one that appeared just now. */
const inTheWay = new Set(["ELOOP", "EMLINK", "EISDIR", "ENXIO", "EACCES", "EPERM", "EEXIST", "ENOTDIR"])

interface Opened {
  readonly handle: FileHandle
  readonly bytes: number
  readonly isNew: boolean
}

/** Opens what is there if it is this user's ordinary file under one name; makes a new one where nothing is. */
const openPart = Effect.fnUntraced(
  function* (path: string) {
    const flags = constants.O_RDWR | constants.O_NOFOLLOW
    const existing = yield* openScoped(path, flags).pipe(
      Effect.asSome,
      Effect.catchIf(
        ({ code }) => code === "ENOENT",
        () => Effect.succeedNone
      )
    )
    const isNew = Option.isNone(existing)
    const handle = isNew ? yield* openScoped(path, flags | constants.O_CREAT | constants.O_EXCL, 0o600) : existing.value
    const stats = yield* attempt(() => handle.stat())
    const isOurs = stats.isFile() && stats.nlink === 1 && stats.uid === (process.getuid?.() ?? stats.uid)
    const opened: Opened = { handle, bytes: stats.size, isNew }
    return isOurs ? Option.some(opened) : Option.none<Opened>()
  },
  Effect.catchIf(
    ({ code }) => inTheWay.has(code),
    () => Effect.succeedNone
  )
)

/** Makes room for a new one: the oldest go, as long as nobody writes to them. */
const prune = Effect.fnUntraced(function* (directory: string, isBusy: (path: string) => boolean) {
  const names = (yield* attempt(() => readdir(directory))).filter(isPartName)
  if (names.length <= partsMax) return
  const parts = yield* Effect.forEach(names, (name) =>
    Effect.option(
      Effect.map(
        attempt(() => lstat(join(directory, name))),
        (stats) => ({ path: join(directory, name), stats })
      )
    )
  )
  const idle = parts
    .flatMap((part) => (Option.isSome(part) && part.value.stats.isFile() ? [part.value] : []))
    .filter(({ path }) => !isBusy(path))
    .toSorted((a, b) => a.stats.mtimeMs - b.stats.mtimeMs)
  yield* Effect.forEach(idle.slice(0, names.length - partsMax), ({ path }) => remove(path))
})

/** The unfinished files of all transfers of this node. */
export class Parts {
  readonly #claims = new Map<string, Claim>()

  /** The first free path for a content; takes over from an earlier try of the same transfer. */
  readonly #claim = Effect.fnUntraced(function* (
    this: Parts,
    directory: string,
    name: string,
    sha256: string,
    owner: PartOwner,
    from: number
  ) {
    for (let number = from; number <= partNumberMax; number++) {
      const path = join(directory, partName(name, sha256, number))
      const held = this.#claims.get(path)
      if (held !== undefined) {
        if (held.owner !== owner) continue
        yield* Deferred.succeed(held.wanted, undefined)
        yield* Effect.timeoutOption(Deferred.await(held.released), releaseMillisMax)
        // It is still giving its file a name, or its disk hangs; the sender asks again.
        if (this.#claims.has(path)) return undefined
      }
      const claim: Claim = { owner, wanted: Deferred.makeUnsafe(), released: Deferred.makeUnsafe() }
      this.#claims.set(path, claim)
      return { path, number, claim }
    }
    return undefined
  })

  readonly #release = (path: string, claim: Claim): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (this.#claims.get(path) === claim) this.#claims.delete(path)
      return Effect.asVoid(Deferred.succeed(claim.released, undefined))
    })

  /** An unfinished file for a transfer; none when too many are being written for the same content. */
  readonly open = Effect.fnUntraced(function* (
    this: Parts,
    directory: string,
    name: string,
    sha256: string,
    owner: PartOwner
  ) {
    for (let from = 0; from <= partNumberMax;) {
      const claimed = yield* Effect.acquireRelease(this.#claim(directory, name, sha256, owner, from), (claimed) =>
        claimed === undefined ? Effect.void : this.#release(claimed.path, claimed.claim)
      )
      if (claimed === undefined) return undefined
      from = claimed.number + 1
      const opened = yield* openPart(claimed.path)
      // Somebody put something else there; it stays, and the next name is tried.
      if (Option.isNone(opened)) continue
      const { bytes, handle, isNew } = opened.value
      if (isNew) yield* prune(directory, (path) => this.#claims.has(path))
      // What never got a byte is of no use to the next try.
      yield* Effect.addFinalizer(() => Effect.ignore(this.#removeEmpty(claimed.path, handle)))
      const part: Part = {
        path: claimed.path,
        handle,
        bytes,
        length: attempt(() => handle.stat()).pipe(
          Effect.map(({ size }) => size),
          Effect.orElseSucceed(() => 0)
        ),
        wanted: Deferred.await(claimed.claim.wanted),
        truncate: (bytes) => truncate(handle, bytes),
        hashStart: (bytes, hash) => hashStart(handle, bytes, hash, () => Effect.void)
      }
      return part
    }
    return undefined
  })

  readonly #removeEmpty = Effect.fnUntraced(function* (this: Parts, path: string, handle: FileHandle) {
    const [there, ours] = [yield* attempt(() => lstat(path)), yield* attempt(() => handle.stat())]
    if (there.size === 0 && there.ino === ours.ino && there.dev === ours.dev) yield* attempt(() => unlink(path))
  })
}
