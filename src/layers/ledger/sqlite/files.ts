/**
 * The files of the ledger in a data directory: `ledger/serving.json` names the cooperative that is served, with its
 * first entry, so that books that were lost can be begun again; and each cooperative has a directory of its own with
 * `ledger.sqlite` in it. They are this user's alone.
 */
import { Effect, Result } from "effect"
import * as Fs from "node:fs/promises"
import { dirname, join } from "node:path"
import type { EntryId } from "../../../domain/ledgerEntry.ts"
import { systemErrorCode, systemErrorText } from "../../../domain/systemError.ts"
import { LedgerError, LedgerStorageFailed } from "../../../services/Ledger.ts"
import * as SmallFile from "../../smallFile.ts"
import type { SealedBytes } from "../Journal.ts"

export const directoryOf = (dataDirectory: string): string => join(dataDirectory, "ledger")
export const servingFile = (dataDirectory: string): string => join(directoryOf(dataDirectory), "serving.json")

/** The books of a cooperative. */
export const booksFile = (dataDirectory: string, coop: EntryId): string => {
  // It becomes the name of a directory that is made and removed.
  if (!isCoop(coop)) throw new RangeError(`not the id of a cooperative: ${String(coop)}`)
  return join(directoryOf(dataDirectory), coop, "ledger.sqlite")
}

/** More than it has with the largest entry there can be, as hex. */
const servingBytesMax = 64 * 1024

const isCoop = (text: unknown): text is EntryId => typeof text === "string" && /^[0-9a-f]{64}$/.test(text)

/** What the file system did not do, as what a person can do about it. */
export const failureOf = (path: string, error: unknown): LedgerError => {
  const code = systemErrorCode(error)
  const reason =
    code === "ENOSPC" || code === "EDQUOT"
      ? "full"
      : code === "EACCES" || code === "EPERM" || code === "EROFS"
        ? "readOnly"
        : "other"
  return new LedgerError({ reason: new LedgerStorageFailed({ path, reason, detail: systemErrorText(error) }) })
}

const attempt = <A>(path: string, body: () => Promise<A>): Effect.Effect<A, LedgerError> =>
  Effect.tryPromise({ try: body, catch: (error) => failureOf(path, error) })

interface ServingFile {
  readonly coop: EntryId
  /** Files that people wrote have none. */
  readonly genesis: SealedBytes | undefined
}

const bytesIn = (value: object, name: string): Uint8Array | undefined => {
  const text: unknown = Reflect.get(value, name)
  return typeof text === "string" && /^([0-9a-f]{2})+$/.test(text) ? Buffer.from(text, "hex") : undefined
}

const servingIn = (text: string): ServingFile | undefined => {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== "object" || value === null || !("coop" in value) || !isCoop(value.coop)) return undefined
    const [body, signature] = [bytesIn(value, "genesis"), bytesIn(value, "signature")]
    const genesis = body === undefined || signature === undefined ? undefined : { body, signature }
    return { coop: value.coop, genesis }
  } catch {
    // Text that is no JSON names no cooperative; whoever asks tells so.
    return undefined
  }
}

/** What the file says; empty where there is something that it cannot be read from. */
const readText = async (path: string): Promise<string | undefined> => {
  const file = await SmallFile.read(path, servingBytesMax)
  return Result.isFailure(file) ? "" : file.success?.text
}

/** The cooperative that is served, if any is; a file that does not say is not guessed at. */
export const readServing = Effect.fnUntraced(function* (dataDirectory: string) {
  const path = servingFile(dataDirectory)
  const text = yield* attempt(path, () => readText(path))
  if (text === undefined) return undefined
  const serving = servingIn(text)
  if (serving !== undefined) return serving.coop
  return yield* new LedgerError({
    reason: new LedgerStorageFailed({
      path,
      reason: "serving",
      detail: 'it does not name a cooperative, as {"coop": "64 hex digits"}'
    })
  })
})

const exists = async (path: string): Promise<boolean> => {
  try {
    await Fs.stat(path)
    return true
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return false
    throw error
  }
}

/** The cooperative that the configuration names, which has to be there. */
export const chosen = Effect.fnUntraced(function* (dataDirectory: string, coop: EntryId) {
  const path = booksFile(dataDirectory, coop)
  const isThere = yield* attempt(path, () => exists(dirname(path)))
  if (isThere) return coop
  const detail = "no such cooperative is in the data directory, and cooperative.coop of the configuration names it"
  return yield* new LedgerError({ reason: new LedgerStorageFailed({ path, reason: "other", detail }) })
})

/** The first entry of the cooperative that is served, if the file has it. */
export const readGenesis = (
  dataDirectory: string,
  coop: EntryId
): Effect.Effect<SealedBytes | undefined, LedgerError> => {
  const path = servingFile(dataDirectory)
  return Effect.map(
    attempt(path, () => readText(path)),
    (text) => {
      const serving = text === undefined ? undefined : servingIn(text)
      return serving?.coop === coop ? serving.genesis : undefined
    }
  )
}

/** Makes a directory in one that is there. (Node's `recursive` does not return where a file system denies oddly.) */
const makeDirectory = async (path: string): Promise<void> => {
  try {
    await Fs.mkdir(path, { mode: 0o700 })
  } catch (error) {
    if (systemErrorCode(error) !== "EEXIST") throw error
  }
}

const writeText = async (path: string, text: string): Promise<void> => {
  await makeDirectory(dirname(path))
  await SmallFile.replace(path, text)
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

/** Puts another cooperative in the place of the one that is served, in one step. */
export const writeServing = (
  dataDirectory: string,
  coop: EntryId,
  { body, signature }: SealedBytes
): Effect.Effect<void, LedgerError> => {
  const path = servingFile(dataDirectory)
  const text = JSON.stringify({ coop, genesis: hex(body), signature: hex(signature) })
  return attempt(path, () => writeText(path, `${text}\n`))
}

/** Makes the directory of a cooperative's books; says where the books are. */
export const makePlace = (dataDirectory: string, coop: EntryId): Effect.Effect<string, LedgerError> => {
  const path = booksFile(dataDirectory, coop)
  return attempt(path, async () => {
    await makeDirectory(directoryOf(dataDirectory))
    await makeDirectory(dirname(path))
    // Else the new directory could be gone after a power cut, with what was committed in it.
    await SmallFile.syncDirectory(directoryOf(dataDirectory))
    await SmallFile.syncDirectory(dataDirectory)
    return path
  })
}

/** Removes the books of a cooperative. */
export const removePlace = (dataDirectory: string, coop: EntryId): Effect.Effect<void, LedgerError> => {
  const path = booksFile(dataDirectory, coop)
  return attempt(path, () => Fs.rm(dirname(path), { recursive: true, force: true }))
}
