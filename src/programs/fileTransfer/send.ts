/**
 * Sending one file to a member: hashes it, offers it, sends what the member does not have yet, and tries again by
 * itself when the path is cut. The file is read twice, and has to be the same both times.
 */
import { Clock, Effect, Random } from "effect"
import { createHash } from "node:crypto"
import { constants } from "node:fs"
import type { FileHandle } from "node:fs/promises"
import { basename } from "node:path"
import type { Did } from "../../domain/did.ts"
import { chunkBytes, progressMillis, stallMillisMax } from "../../domain/fileTransferLimits.ts"
import * as Retry from "../../domain/fileTransferRetry.ts"
import {
  type FileOffer,
  fileTransferProtocol,
  receiver,
  type ReceiverMessage,
  sender
} from "../../protocol/fileTransfer.ts"
import {
  type SessionError,
  SessionManager,
  type SessionPath,
  type SessionStream
} from "../../services/SessionManager.ts"
import * as Conversation from "./conversation.ts"
import {
  describe,
  FileChanged,
  FileInaccessible,
  FileNotRegular,
  FileTransferError,
  type FileTransferReason,
  GivenUp,
  NotReceiving,
  NotStored,
  Refused,
  Unintelligible
} from "./errors.ts"
import { digestSoFar, type FileProblem, hashStart, kindOf, openScoped, readAt, attempt as tryFile } from "./files.ts"

/** What happens while a file is being sent; `bytes` counts from the beginning of the file. */
export type SendEvent =
  | { readonly _tag: "Hashing"; readonly bytes: number; readonly total: number }
  | { readonly _tag: "Connecting"; readonly total: number }
  | { readonly _tag: "Sending"; readonly bytes: number; readonly total: number }
  /** What the member had was not the beginning of the file, so it was thrown away. */
  | { readonly _tag: "PartDiscarded"; readonly bytes: number }
  | { readonly _tag: "Retrying"; readonly delayMillis: number; readonly error: string }

export interface SentFile {
  readonly bytes: number
  readonly sha256: string
  /** From the first try to reach the member until it had stored the file. */
  readonly seconds: number
  /** The path at the end; `undefined` when the session was gone by then. */
  readonly path: SessionPath | undefined
}

export interface SendOptions {
  readonly did: Did
  /** An absolute path. */
  readonly file: string
}

type Tell = (event: SendEvent) => Effect.Effect<void>
type Failure = SessionError | FileTransferError

interface OpenedFile {
  readonly path: string
  readonly handle: FileHandle
  readonly offer: FileOffer
  readonly failure: (reason: FileTransferReason) => FileTransferError
}

/** At most one event per `progressMillis`, and the last one always. */
const paced = (tell: (bytes: number) => Effect.Effect<void>, total: number) => {
  let toldAtMillis = Number.NEGATIVE_INFINITY
  return (bytes: number): Effect.Effect<void> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      if (bytes < total && now - toldAtMillis < progressMillis) return Effect.void
      toldAtMillis = now
      return tell(bytes)
    })
}

const inaccessible = ({ code, detail }: FileProblem) => new FileInaccessible({ code, detail })

/** 128 bits, so that no two transfers are ever taken for one. */
const transferId = Effect.map(
  Effect.all(Array.from({ length: 4 }, () => Random.nextIntBetween(0, 0xffff_ffff))),
  (words) => words.map((word) => word.toString(16).padStart(8, "0")).join("")
)

const openFile = Effect.fnUntraced(function* (path: string, tell: Tell) {
  const failure = (reason: FileTransferReason) => new FileTransferError({ file: path, reason })
  const refused = (problem: FileProblem) => failure(inaccessible(problem))
  const handle = yield* openScoped(path, constants.O_RDONLY).pipe(Effect.mapError(refused))
  const stats = yield* tryFile(() => handle.stat()).pipe(Effect.mapError(refused))
  const what = kindOf(stats)
  if (what !== undefined) return yield* failure(new FileNotRegular({ what }))
  const total = stats.size
  const hash = createHash("sha256")
  const progress = paced((bytes) => tell({ _tag: "Hashing", bytes, total }), total)
  const hashed = yield* hashStart(handle, total, hash, progress).pipe(Effect.mapError(refused))
  if (hashed < total) return yield* failure(new FileChanged({}))
  const offer: FileOffer = {
    _tag: "Offer",
    transfer: yield* transferId,
    // A name of 255 bytes has at most that many characters; whatever else a path ends in is cut by the receiver.
    name: basename(path),
    bytes: total,
    sha256: hash.digest("hex")
  }
  const opened: OpenedFile = { path, handle, offer, failure }
  return opened
})

const talk = (stream: SessionStream, { path }: OpenedFile) =>
  Conversation.make<ReceiverMessage>(stream, path, receiver.decode, sender.encode({ _tag: "Working" }))

type Talk = ReturnType<typeof talk>

/** Offers the file; gives where the member wants it from, and what it has until there. */
const offerFile = Effect.fnUntraced(function* (stream: SessionStream, file: OpenedFile, { failure, next }: Talk) {
  yield* stream.send(sender.encode(file.offer))
  const answer = yield* next(stallMillisMax)
  if (answer._tag === "Refuse") {
    yield* Effect.andThen(stream.end, Conversation.awaitEnd(stream))
    return yield* failure(new Refused({ reason: answer.reason, bytesMax: answer.bytesMax }))
  }
  if (answer._tag !== "Accept") return yield* failure(new Unintelligible({ detail: `${answer._tag} before Accept` }))
  if (answer.offset > file.offer.bytes) {
    return yield* failure(new Unintelligible({ detail: `it has ${answer.offset} bytes of ${file.offer.bytes}` }))
  }
  return answer
})

/** Sends the file from `from` on; `hash` has seen what is in front. */
const sendChunks = Effect.fnUntraced(function* (
  stream: SessionStream,
  { failure, handle, offer }: OpenedFile,
  hash: ReturnType<typeof createHash>,
  from: number,
  tell: Tell
) {
  const total = offer.bytes
  const progress = paced((bytes) => tell({ _tag: "Sending", bytes, total }), total)
  const changed = failure(new FileChanged({}))
  yield* tell({ _tag: "Sending", bytes: from, total })
  for (let position = from; position < total;) {
    const length = Math.min(chunkBytes, total - position)
    const chunk = yield* readAt(handle, position, length).pipe(
      Effect.mapError((problem) => failure(inaccessible(problem)))
    )
    if (chunk.length < length) return yield* changed
    hash.update(chunk)
    position += length
    // Before the last chunk, so that nobody takes a mixture for the file.
    if (position === total && digestSoFar(hash) !== offer.sha256) return yield* changed
    yield* stream.send(chunk).pipe(
      Effect.timeoutOrElse({
        duration: stallMillisMax,
        orElse: () => Effect.fail(failure(Conversation.stalled(stallMillisMax)))
      })
    )
    yield* progress(position)
  }
})

/** Reads the member's word on the whole file. */
const conclude = Effect.fnUntraced(function* (stream: SessionStream, file: OpenedFile, verdict: ReceiverMessage) {
  yield* Effect.andThen(Effect.ignore(stream.end), Conversation.awaitEnd(stream))
  if (verdict._tag === "Failed") return yield* file.failure(new NotStored({ reason: verdict.reason }))
  if (verdict._tag === "Done" && verdict.sha256 === file.offer.sha256) return
  return yield* file.failure(new Unintelligible({ detail: `${verdict._tag} in place of Done` }))
})

/** One try over one stream; `accepted` is told how much of the file the member had. */
const tryOnce = Effect.fnUntraced(function* (
  did: Did,
  file: OpenedFile,
  tell: Tell,
  accepted: (offset: number) => void
) {
  const manager = yield* SessionManager
  const stream = yield* manager.open(did, fileTransferProtocol)
  const conversation = talk(stream, file)
  const { offset, sha256 } = yield* offerFile(stream, file, conversation)
  let hash = createHash("sha256")
  const hashed = yield* conversation
    .working(hashStart(file.handle, offset, hash, () => Effect.void))
    .pipe(Effect.catchTag("FileProblem", (problem) => Effect.fail(file.failure(inaccessible(problem)))))
  if (hashed < offset) return yield* file.failure(new FileChanged({}))
  let from = offset
  if (digestSoFar(hash) !== sha256) {
    hash = createHash("sha256")
    from = 0
    yield* tell({ _tag: "PartDiscarded", bytes: offset })
  }
  accepted(from)
  yield* stream.send(sender.encode({ _tag: "Begin", offset: from }))
  // The member may give up in the middle, so its word is awaited all the while.
  const verdict = yield* Effect.raceFirst(
    conversation.nextWhenever,
    Effect.andThen(sendChunks(stream, file, hash, from, tell), conversation.silence(stallMillisMax))
  )
  yield* conclude(stream, file, verdict)
}, Effect.scoped)

/** What ends by itself between members that are there. */
const passing = new Set<SessionError["reason"]["_tag"]>([
  "SessionClosed",
  "StreamReset",
  "SessionTimeout",
  "SessionLimitReached",
  "DialFailed",
  "PeerUnknown"
])

/** Whether the same may go well a little later, once the member was reached. */
const isPassing = (error: Failure): boolean => {
  if (error._tag === "SessionError") return passing.has(error.reason._tag)
  const { reason } = error
  return (
    reason._tag === "NotReceiving" ||
    (reason._tag === "Refused" && reason.reason === "busy") ||
    (reason._tag === "NotStored" && reason.reason === "checksum")
  )
}

/** Nobody there who takes files: at first that is the answer; of a member that did, it is expected back. */
const isAbsence = ({ reason }: Failure): boolean =>
  reason._tag === "DialFailed" || reason._tag === "PeerUnknown" || reason._tag === "NotReceiving"

/** What went wrong, without the file's name in front. */
const reasonText = (error: Failure): string => (error._tag === "SessionError" ? error.message : describe(error.reason))

/** A member without the protocol has nobody who takes files. */
const explained = (file: OpenedFile, error: Failure): Failure =>
  error._tag === "SessionError" && error.reason._tag === "ProtocolUnsupported"
    ? file.failure(new NotReceiving())
    : error

/** Sends a file whole; every event until then goes to `tell`, which must not take long. */
export const send = Effect.fn("FileTransfer.send")(function* ({ did, file: path }: SendOptions, tell: Tell) {
  const manager = yield* SessionManager
  const file = yield* openFile(path, tell)
  const startedAtMillis = yield* Clock.currentTimeMillis
  yield* tell({ _tag: "Connecting", total: file.offer.bytes })
  let retries = Retry.initial
  let farthest = -1
  let reached = false
  for (;;) {
    let progressed = false
    const outcome = yield* Effect.result(
      tryOnce(did, file, tell, (offset) => {
        progressed = offset > farthest
        farthest = Math.max(farthest, offset)
        reached = true
      })
    )
    if (outcome._tag === "Success") break
    const error = explained(file, outcome.failure)
    if (!isPassing(error) || (isAbsence(error) && !reached)) return yield* error
    const decision = Retry.afterFailure(retries, progressed)
    if (decision._tag === "GiveUp") {
      return yield* file.failure(new GivenUp({ tries: retries.tries + 1, detail: reasonText(error) }))
    }
    retries = decision.state
    yield* tell({ _tag: "Retrying", delayMillis: decision.delayMillis, error: reasonText(error) })
    yield* Effect.sleep(decision.delayMillis)
  }
  const sessionPath = yield* manager.path(did)
  const sent: SentFile = {
    bytes: file.offer.bytes,
    sha256: file.offer.sha256,
    seconds: ((yield* Clock.currentTimeMillis) - startedAtMillis) / 1000,
    path: sessionPath._tag === "Some" ? sessionPath.value : undefined
  }
  return sent
}, Effect.scoped)
