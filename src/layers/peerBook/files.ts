/**
 * `peers.json` on disk (smallFile.ts), set aside when it is damaged. A book that is lost costs some dials, so nothing
 * here stops the node.
 */
import { Cause, Effect, Result, Schema } from "effect"
import * as Fs from "node:fs/promises"
import type { KeptPeer } from "../../domain/knownPeers.ts"
import { decode, peerBookFileBytesMax } from "../../domain/peerBookFile.ts"
import { systemErrorText } from "../../domain/systemError.ts"
import { report } from "../../services/Metrics.ts"
import * as SmallFile from "../smallFile.ts"

/** The file can't be read or written, or is not what this program writes. */
export class PeerBookFileError extends Schema.TaggedError<PeerBookFileError>()("PeerBookFileError", {
  path: Schema.String,
  reason: Schema.Literals(["unreadable", "damaged", "notSetAside", "unwritable"]),
  detail: Schema.String
}) {
  override get message() {
    return `known peers ${this.path}: ${this.detail}`
  }
}

/** As long as a problem with the file's content may be described in the log. */
const detailLengthMax = 300

const read = Effect.fnUntraced(function* (path: string) {
  const file = yield* Effect.tryPromise({
    try: () => SmallFile.read(path, peerBookFileBytesMax),
    catch: (error) => new PeerBookFileError({ path, reason: "unreadable", detail: systemErrorText(error) })
  })
  const peers = Result.flatMap(file, (found) => (found === undefined ? Result.succeed([]) : decode(found.text)))
  if (Result.isSuccess(peers)) return peers.success
  return yield* new PeerBookFileError({ path, reason: "damaged", detail: peers.failure.slice(0, detailLengthMax) })
})

const setAside = (path: string): Effect.Effect<void, PeerBookFileError> =>
  Effect.tryPromise({
    try: () => Fs.rename(path, `${path}.damaged`),
    catch: (error) => new PeerBookFileError({ path, reason: "notSetAside", detail: systemErrorText(error) })
  })

/**
 * The members in the file, none when there is no file. A file that can't be used is told of, set aside as
 * `peers.json.damaged` for whoever wants to know, and its members are met again.
 */
export const load = (path: string): Effect.Effect<ReadonlyArray<KeptPeer>> =>
  read(path).pipe(
    Effect.catch((error) =>
      report("peer_book", Cause.fail(error)).pipe(
        Effect.andThen(setAside(path)),
        Effect.andThen(Effect.logWarning(`starting without known peers; the file is now ${path}.damaged`)),
        Effect.catchCause((cause) => report("peer_book", cause)),
        Effect.as([])
      )
    )
  )

/** Puts a text in the place of the file, in one step, for this user alone. */
export const write = (path: string, text: string): Effect.Effect<void, PeerBookFileError> =>
  Effect.tryPromise({
    try: () => SmallFile.replace(path, text),
    catch: (error) => new PeerBookFileError({ path, reason: "unwritable", detail: systemErrorText(error) })
  })
