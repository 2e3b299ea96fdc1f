/**
 * Receiving one file: takes or refuses the offer, goes on where an earlier try stopped, writes what comes, and lets the
 * file have its name only when its checksum is right.
 */
import { Clock, Effect, Option } from "effect"
import { createHash, type Hash } from "node:crypto"
import { statfs } from "node:fs/promises"
import type { Did } from "../../domain/did.ts"
import { freeBytesMin, offerMillisMax, progressMillis, stallMillisMax } from "../../domain/fileTransferLimits.ts"
import { safeFileName } from "../../domain/fileTransferName.ts"
import {
  chunkBytesMax,
  type Failure as FailureReason,
  type FileOffer,
  receiver,
  type ReceiverMessage,
  type Refusal,
  sender,
  type SenderMessage
} from "../../protocol/fileTransfer.ts"
import { SessionError, type SessionStream, StreamReset } from "../../services/SessionManager.ts"
import * as Conversation from "./conversation.ts"
import { type FileTransferError, Unintelligible } from "./errors.ts"
import { attempt, digestSoFar, type FileProblem, isFull, writeAt } from "./files.ts"
import type { Part, PartOwner, Parts } from "./Parts.ts"
import { store } from "./store.ts"

/** What all events of one transfer say. */
interface About {
  /** Counts transfers, so that several at once can be told apart. */
  readonly transfer: number
  readonly did: Did
  /** The name as it is used here. */
  readonly name: string
  readonly total: number
}

/** What happens to one file that a member sends; `bytes` counts from the beginning of the file. */
export type IncomingEvent =
  | (About & { readonly _tag: "Started"; readonly bytes: number })
  | (About & { readonly _tag: "Progress"; readonly bytes: number })
  /** What an earlier try had left was not the beginning of the file. */
  | (About & { readonly _tag: "PartDiscarded"; readonly bytes: number })
  | (About & {
      readonly _tag: "Received"
      /** Its absolute path. */
      readonly file: string
      readonly sha256: string
      readonly seconds: number
    })
  | (About & { readonly _tag: "Refused"; readonly reason: Refusal })
  /** It will not come in this try, and what came was thrown away or could not be kept. */
  | (About & { readonly _tag: "Failed"; readonly error: string })
  /** The sender is gone; what came is kept for its next try. */
  | (About & { readonly _tag: "Interrupted"; readonly bytes: number; readonly error: string })

export type Admission =
  | { readonly _tag: "Admitted" }
  | { readonly _tag: "Refused"; readonly reason: Refusal; readonly bytesMax: number | null }

/** Who is let in, and what has come. */
export interface Reception {
  /** Takes a place for a transfer, to be given back with `leave`, or says why there is none. */
  readonly enter: (did: Did, offer: FileOffer) => Admission
  readonly leave: (did: Did) => void
  /** A number for a new transfer. */
  readonly next: () => number
  /** A transfer's file is stored. */
  readonly complete: (owner: PartOwner) => void
  /** Whether it was stored already, and its sender did not hear of it. */
  readonly isComplete: (owner: PartOwner) => boolean
}

export interface IncomingParts {
  readonly directory: string
  readonly reception: Reception
  readonly parts: Parts
  readonly tell: (event: IncomingEvent) => Effect.Effect<void>
}

type Failure = SessionError | FileTransferError
type Talk = Conversation.Conversation<SenderMessage>

interface Transfer {
  readonly stream: SessionStream
  readonly talk: Talk
  readonly about: About
  readonly offer: FileOffer
  readonly owner: PartOwner
  readonly tell: IncomingParts["tell"]
}

const failureOf = (problem: FileProblem): FailureReason & Refusal => (isFull(problem) ? "noSpace" : "cannotWrite")

const say = (stream: SessionStream, message: ReceiverMessage) => stream.send(receiver.encode(message))

const readOffer = Effect.fnUntraced(function* (talk: Talk) {
  const offer = yield* talk.next(offerMillisMax)
  if (offer._tag === "Offer") return offer
  return yield* talk.failure(new Unintelligible({ detail: `${offer._tag} before Offer` }))
})

const refuse = Effect.fnUntraced(function* (
  { about, stream, tell }: Transfer,
  reason: Refusal,
  bytesMax: number | null = null
) {
  yield* say(stream, { _tag: "Refuse", reason, bytesMax })
  yield* tell({ ...about, _tag: "Refused", reason })
  yield* Conversation.awaitEnd(stream)
})

/** The last word on a file that was taken and is not going to be stored. */
const fail = Effect.fnUntraced(function* ({ about, stream, tell }: Transfer, reason: FailureReason, error: string) {
  yield* tell({ ...about, _tag: "Failed", error })
  // A sender that is gone has nobody who needs to hear it, and its failure was told.
  yield* Effect.ignore(say(stream, { _tag: "Failed", reason }))
  yield* Conversation.awaitEnd(stream)
})

/** Whether the rest of the file fits, with some room for everything else. */
const hasRoom = (directory: string, bytes: number) =>
  Effect.map(
    attempt(() => statfs(directory)),
    ({ bavail, bsize }) => bavail * bsize - bytes >= freeBytesMin
  )

/** Tells the sender what is there, and hears where it goes on: behind that, or at the beginning. */
const settle = Effect.fnUntraced(function* ({ stream, talk }: Transfer, offset: number, sha256: string) {
  yield* say(stream, { _tag: "Accept", offset, sha256 })
  const begin = yield* talk.next(stallMillisMax)
  if (begin._tag === "Begin" && (begin.offset === offset || begin.offset === 0)) return begin.offset
  return yield* talk.failure(new Unintelligible({ detail: `${begin._tag} in place of Begin` }))
})

/** Agrees with the sender on where the file goes on; gives the hash of what is in front. */
const agree = Effect.fnUntraced(function* (transfer: Transfer, part: Part) {
  const { about, offer, talk, tell } = transfer
  const hash = createHash("sha256")
  // What is longer is not the beginning of this file.
  const isUsable = part.bytes <= offer.bytes
  if (!isUsable) yield* part.truncate(0)
  const had = isUsable ? yield* talk.working(part.hashStart(part.bytes, hash)) : 0
  const offset = yield* settle(transfer, had, digestSoFar(hash))
  if (offset === had) return { hash, offset }
  yield* part.truncate(0)
  yield* tell({ ...about, _tag: "PartDiscarded", bytes: had })
  return { hash: createHash("sha256"), offset }
})

/** Writes chunks until the file is whole; false when something else came. */
const writeChunks = Effect.fnUntraced(function* (
  { about, offer, stream, talk, tell }: Transfer,
  part: Part,
  hash: Hash,
  from: number
) {
  let toldAtMillis = yield* Clock.currentTimeMillis
  for (let position = from; position < offer.bytes;) {
    const chunk = yield* stream.receive.pipe(
      Effect.timeoutOrElse({
        duration: stallMillisMax,
        orElse: () => Effect.fail(talk.failure(Conversation.stalled(stallMillisMax)))
      })
    )
    const bytes = Option.isSome(chunk) ? chunk.value : new Uint8Array()
    if (bytes.length === 0 || bytes.length > chunkBytesMax || position + bytes.length > offer.bytes) return false
    hash.update(bytes)
    yield* writeAt(part.handle, bytes, position)
    position += bytes.length
    const now = yield* Clock.currentTimeMillis
    if (now - toldAtMillis < progressMillis) continue
    toldAtMillis = now
    yield* tell({ ...about, _tag: "Progress", bytes: position })
  }
  return true
})

/** A whole file in its part gets its name, once and for all, whatever becomes of the sender meanwhile. */
const complete = Effect.fnUntraced(function* (
  { about, offer, owner, stream, talk, tell }: Transfer,
  part: Part,
  { directory, reception }: IncomingParts,
  startedAtMillis: number
) {
  const storing = Effect.tap(store(part.path, part.handle, directory, about.name), () =>
    Effect.sync(() => reception.complete(owner))
  )
  const file = yield* talk.working(Effect.uninterruptible(storing))
  const seconds = ((yield* Clock.currentTimeMillis) - startedAtMillis) / 1000
  // A sender that does not hear it asks again, and is told then.
  yield* Effect.ignore(say(stream, { _tag: "Done", sha256: offer.sha256 }))
  yield* tell({ ...about, _tag: "Received", file, sha256: offer.sha256, seconds })
  // A sender that tries again did not hear it, and is not to be kept waiting.
  yield* Effect.raceFirst(Conversation.awaitEnd(stream), part.wanted)
})

/** The file into its part; true when it is whole and right. */
const take = Effect.fnUntraced(function* (transfer: Transfer, part: Part) {
  const { about, offer, tell } = transfer
  const { hash, offset } = yield* agree(transfer, part)
  yield* tell({ ...about, _tag: "Started", bytes: offset })
  const isWhole = yield* writeChunks(transfer, part, hash, offset)
  if (isWhole && digestSoFar(hash) === offer.sha256) return true
  if (isWhole) {
    yield* part.truncate(0)
    yield* fail(transfer, "checksum", "what arrived is not what was sent (checksum); it was thrown away")
  } else yield* fail(transfer, "malformed", "the sender sent something else than the file")
  return false
})

type Prepared = { readonly _tag: "Ready"; readonly part: Part } | { readonly _tag: "Refused"; readonly reason: Refusal }

/** A part for an admitted offer, and room on the disk for the rest of the file. */
const prepare = Effect.fnUntraced(
  function* ({ about, offer, owner }: Transfer, { directory, parts }: IncomingParts) {
    const part = yield* parts.open(directory, about.name, offer.sha256, owner)
    if (part === undefined) return { _tag: "Refused", reason: "busy" } satisfies Prepared
    const isRoomy = yield* hasRoom(directory, offer.bytes - Math.min(part.bytes, offer.bytes))
    const prepared: Prepared = isRoomy ? { _tag: "Ready", part } : { _tag: "Refused", reason: "noSpace" }
    return prepared
  },
  Effect.catchTag("FileProblem", (problem) =>
    Effect.as(Effect.logWarning(`a file cannot be received: ${problem.detail}`), {
      _tag: "Refused",
      reason: failureOf(problem)
    } satisfies Prepared)
  )
)

/** The sender of a stored file did not hear that it is, and tries again. */
const confirm = Effect.fnUntraced(function* (transfer: Transfer) {
  const { offer, stream, talk } = transfer
  const begun = yield* settle(transfer, offer.bytes, offer.sha256)
  if (begun !== offer.bytes) return yield* talk.failure(new Unintelligible({ detail: "the file has changed" }))
  yield* say(stream, { _tag: "Done", sha256: offer.sha256 })
  yield* Conversation.awaitEnd(stream)
})

const takeIntoPart = Effect.fnUntraced(function* (transfer: Transfer, shared: IncomingParts) {
  const { about, owner, stream, tell } = transfer
  const startedAtMillis = yield* Clock.currentTimeMillis
  const prepared: Prepared = yield* prepare(transfer, shared)
  if (prepared._tag === "Refused") return yield* refuse(transfer, prepared.reason)
  // The try before this one may just have come to its end.
  if (shared.reception.isComplete(owner)) return yield* confirm(transfer)
  const { part } = prepared
  const reset = new SessionError({ peer: about.did.text, reason: new StreamReset({ protocol: stream.protocol }) })
  // Once the file is whole, no later try changes anything.
  const superseded = Effect.andThen(part.wanted, Effect.fail(reset))
  yield* Effect.raceFirst(take(transfer, part), superseded).pipe(
    Effect.flatMap((isWhole) => (isWhole ? complete(transfer, part, shared, startedAtMillis) : Effect.void)),
    Effect.catchTag("FileProblem", (problem) => fail(transfer, failureOf(problem), problem.detail)),
    Effect.tapError(({ message }) =>
      Effect.flatMap(part.length, (bytes) => tell({ ...about, _tag: "Interrupted", bytes, error: message }))
    )
  )
}, Effect.scoped)

const receiveFile = Effect.fnUntraced(function* (
  stream: SessionStream,
  shared: IncomingParts
): Effect.fn.Return<void, Failure> {
  const { reception, tell } = shared
  const decode = sender.decode
  const working = receiver.encode({ _tag: "Working" })
  const offer = yield* readOffer(Conversation.make<SenderMessage>(stream, "a file", decode, working))
  const name = safeFileName(offer.name)
  const transfer: Transfer = {
    stream,
    talk: Conversation.make<SenderMessage>(stream, name, decode, working),
    about: { transfer: reception.next(), did: stream.peer, name, total: offer.bytes },
    offer,
    // The checksum belongs to it, so that nothing is confirmed that was not stored.
    owner: `${stream.peer.text} ${offer.transfer} ${offer.sha256}`,
    tell
  }
  if (reception.isComplete(transfer.owner)) return yield* confirm(transfer)
  yield* Effect.acquireUseRelease(
    Effect.sync(() => reception.enter(stream.peer, offer)),
    (admission) =>
      admission._tag === "Admitted"
        ? takeIntoPart(transfer, shared)
        : refuse(transfer, admission.reason, admission.bytesMax),
    (admission) =>
      Effect.sync(() => {
        if (admission._tag === "Admitted") reception.leave(stream.peer)
      })
  )
})

/**
 * Serves one stream that a member opened to send a file. That the member goes away is no error of this node: whoever
 * receives was told, and the stream is given up as by an interruption.
 */
export const receiveOne = (stream: SessionStream, shared: IncomingParts): Effect.Effect<void, FileTransferError> =>
  receiveFile(stream, shared).pipe(Effect.catchTag("SessionError", () => Effect.interrupt))
