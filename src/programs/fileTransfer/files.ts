/**
 * Files as transfers need them: opened without waiting and without following links from outside, read and hashed in
 * pieces, and every error of the operating system with its code.
 */
import { Effect, Schema } from "effect"
import type { Hash } from "node:crypto"
import { constants, type Stats } from "node:fs"
import { type FileHandle, open } from "node:fs/promises"
import { systemErrorCode, systemErrorText } from "../../domain/systemError.ts"

/** What the operating system said to an operation. */
export class FileProblem extends Schema.TaggedError<FileProblem>()("FileProblem", {
  code: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return this.detail
  }
}

/** An operation of `node:fs`; interruption does not wait for it, so whoever closes the file does. */
export const attempt = <A>(operation: () => Promise<A>): Effect.Effect<A, FileProblem> =>
  Effect.tryPromise({
    try: operation,
    catch: (thrown) => new FileProblem({ code: systemErrorCode(thrown), detail: systemErrorText(thrown) })
  })

/** Whether the disk or the quota is full. */
export const isFull = ({ code }: FileProblem): boolean => code === "ENOSPC" || code === "EDQUOT"

/** A pipe or a device must not hold the open call up. */
export const openFlags = constants.O_NONBLOCK

/** Opens until the scope closes, which waits for what is under way. */
export const openScoped = (path: string, flags: number, mode?: number) =>
  Effect.acquireRelease(
    attempt(() => open(path, flags | openFlags, mode)),
    // What was written is checked before; there is nothing to be done about a descriptor that does not close.
    (handle) => Effect.ignore(attempt(() => handle.close()))
  )

/** What something is that is no ordinary file. */
export const kindOf = (stats: Stats): string | undefined => {
  if (stats.isFile()) return undefined
  if (stats.isDirectory()) return "a directory"
  if (stats.isFIFO()) return "a pipe"
  if (stats.isSocket()) return "a socket"
  return "a device"
}

/** Bytes that are read at a time for hashing. */
const pieceBytes = 262_144

/** Reads up to `length` bytes into new memory; fewer only at the end of the file. */
export const readAt = Effect.fnUntraced(function* (handle: FileHandle, position: number, length: number) {
  const buffer = Buffer.allocUnsafe(length)
  let filled = 0
  while (filled < length) {
    const { bytesRead } = yield* attempt(() => handle.read(buffer, filled, length - filled, position + filled))
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return buffer.subarray(0, filled)
})

/** Writes all of it. */
export const writeAt = Effect.fnUntraced(function* (handle: FileHandle, bytes: Uint8Array, position: number) {
  let written = 0
  while (written < bytes.length) {
    const { bytesWritten } = yield* attempt(() =>
      handle.write(bytes, written, bytes.length - written, position + written)
    )
    written += bytesWritten
  }
})

/** Adds the first `bytes` bytes to a hash and says how many there were; fewer when the file is shorter. */
export const hashStart = Effect.fnUntraced(function* <E, R>(
  handle: FileHandle,
  bytes: number,
  hash: Hash,
  progress: (bytes: number) => Effect.Effect<void, E, R>
) {
  let position = 0
  while (position < bytes) {
    const piece = yield* readAt(handle, position, Math.min(pieceBytes, bytes - position))
    if (piece.length === 0) break
    hash.update(piece)
    position += piece.length
    yield* progress(position)
  }
  return position
})

/** The checksum of what a hash has seen so far; more can be added afterwards. */
export const digestSoFar = (hash: Hash): string => hash.copy().digest("hex")
