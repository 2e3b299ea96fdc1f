/**
 * Small files of this user alone, for layers that keep something in the data directory: read with suspicion, and
 * written so that at every moment there is either the old file or the whole new one. Failures of the file system are
 * rejections; what they mean is for the layer to say.
 */
import { Result } from "effect"
import { constants } from "node:fs"
import * as Fs from "node:fs/promises"
import { dirname } from "node:path"
import { systemErrorCode } from "../domain/systemError.ts"

export interface SmallFile {
  readonly text: string
  /** Permission bits. */
  readonly mode: number
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

/** A file, `undefined` when there is none, or why it is not read; never more than `bytesMax` bytes of it. */
export const read = async (path: string, bytesMax: number): Promise<Result.Result<SmallFile | undefined, string>> => {
  const handle = await open(path)
  if (handle === undefined) return Result.succeed(undefined)
  try {
    const stats = await handle.stat()
    if (!stats.isFile()) return Result.fail("it is not a file")
    const buffer = Buffer.alloc(bytesMax + 1)
    let length = 0
    while (length < buffer.length) {
      const { bytesRead } = await handle.read(buffer, length, buffer.length - length, length)
      if (bytesRead === 0) {
        return Result.succeed({ text: buffer.toString("utf8", 0, length), mode: stats.mode & 0o777 })
      }
      length += bytesRead
    }
    return Result.fail(`it is larger than ${bytesMax} bytes`)
  } finally {
    await handle.close()
  }
}

/** Makes what happened in a directory survive a power cut. */
export const syncDirectory = async (path: string): Promise<void> => {
  const directory = await Fs.open(path, "r")
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** Puts a text in the place of the file, in one step. */
export const replace = async (path: string, text: string): Promise<void> => {
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
  await syncDirectory(dirname(path))
}
