/**
 * Where the local socket of a data directory is. Normally `<data_dir>/rpc.sock`; a Unix socket path is limited to about
 * a hundred bytes, so for deep directories it is a short name under a private directory of this user in /tmp, derived
 * from the data directory so that commands find it again.
 */
import { Effect, Schema } from "effect"
import { createHash } from "node:crypto"
import { lstatSync, mkdirSync, realpathSync } from "node:fs"
import { join } from "node:path"
import { systemErrorText } from "../../domain/systemError.ts"

/** sun_path holds 104 bytes on macOS and 108 on Linux, the closing zero included. */
const socketPathBytesMax = 103

export class SocketPathError extends Schema.TaggedError<SocketPathError>()("SocketPathError", {
  path: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `the local socket cannot be placed at ${this.path}: ${this.detail}`
  }
}

/** Not the `TMPDIR` of the environment: a service and the shell that asks it would disagree about that. */
const temporaryRoot = "/tmp"

/** The path alone; nothing is created or checked. */
export const socketPath = (dataDirectory: string, userId: number, root = temporaryRoot): string => {
  const inside = join(dataDirectory, "rpc.sock")
  if (Buffer.byteLength(inside) <= socketPathBytesMax) return inside
  const name = createHash("sha256").update(realpathOrSelf(dataDirectory)).digest("hex").slice(0, 24)
  return join(fallbackDirectory(userId, root), `${name}.sock`)
}

const fallbackDirectory = (userId: number, root: string): string => join(root, `icn-node-${userId}`)

const realpathOrSelf = (path: string): string => {
  try {
    return realpathSync(path)
  } catch {
    // The directory does not exist, so no node runs there and any path will do for saying so.
    return path
  }
}

/** The path for a server: makes the private directory of a fallback and refuses one that somebody else prepared. */
export const prepareSocketPath = Effect.fnUntraced(function* (
  dataDirectory: string,
  userId: number,
  root = temporaryRoot
) {
  const path = socketPath(dataDirectory, userId, root)
  const directory = fallbackDirectory(userId, root)
  if (!path.startsWith(`${directory}/`)) return path
  return yield* Effect.try({
    try: () => {
      mkdirSync(directory, { recursive: true, mode: 0o700 })
      const stat = lstatSync(directory)
      if (!stat.isDirectory() || stat.uid !== userId || (stat.mode & 0o077) !== 0) {
        throw new Error(`${directory} must be a directory of this user alone (mode 0700)`)
      }
      return path
    },
    catch: (error) => new SocketPathError({ path, detail: systemErrorText(error) })
  })
})
