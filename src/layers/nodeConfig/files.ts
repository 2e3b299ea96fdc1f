/**
 * Reading the few small files that a configuration consists of, with every failure as a sentence: missing, no regular
 * file, too big, not UTF-8.
 */
import { Effect, FileSystem, type PlatformError, Result, Stream } from "effect"

export interface TextFile {
  readonly text: string
  /** Permission bits. */
  readonly mode: number
}

/** Reasons that an operator meets, by the tag of the platform's error. */
const reasons: Readonly<Record<string, string>> = {
  NotFound: "does not exist",
  PermissionDenied: "cannot be read: permission denied",
  BadResource: "cannot be read: its path leads through a file or a loop of links"
}

const describe = ({ reason }: PlatformError.PlatformError): string =>
  reasons[reason._tag] ?? `cannot be read: ${reason._tag}`

/** `ignoreBOM: false` drops the mark that some Windows editors put first. */
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false })

const concat = (chunks: ReadonlyArray<Uint8Array>): Uint8Array => Buffer.concat(chunks)

/** Reads a regular file of at most `bytesMax` bytes; a device or pipe could block or never end. */
export const readText = Effect.fnUntraced(function* (path: string, bytesMax: number) {
  const fs = yield* FileSystem.FileSystem
  const info = yield* fs.stat(path).pipe(Effect.mapError(describe))
  if (info.type === "Directory") return yield* Effect.fail("is a directory, not a file")
  if (info.type !== "File") return yield* Effect.fail("is no regular file")
  // One byte more than allowed tells a file that is too big, even one that grows meanwhile.
  const bytes = yield* fs
    .stream(path, { bytesToRead: bytesMax + 1 })
    .pipe(Stream.runCollect, Effect.mapBoth({ onSuccess: concat, onFailure: describe }))
  if (bytes.length > bytesMax) return yield* Effect.fail(`is larger than ${bytesMax} bytes`)
  const text = Result.try({ try: () => utf8.decode(bytes), catch: () => "is not UTF-8 text" })
  const file: TextFile = { text: yield* Effect.fromResult(text), mode: info.mode & 0o777 }
  return file
})

/** What a file mode lets others do. */
export const readableBy = (mode: number): "everybody" | "group" | undefined =>
  (mode & 0o004) !== 0 ? "everybody" : (mode & 0o040) !== 0 ? "group" : undefined
