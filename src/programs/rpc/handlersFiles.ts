/**
 * Sending and receiving files for a command: each is a stream of events that lives as long as somebody reads it. A
 * reader that falls behind misses progress, never results; those wait for it.
 */
import { Clock, Effect, Queue, type Scope, Stream } from "effect"
import { Rpc } from "effect/rpc"
import type { Did } from "../../domain/did.ts"
import { outgoingMax } from "../../domain/fileTransferLimits.ts"
import type { SessionError, SessionManager } from "../../services/SessionManager.ts"
import { FileTransferError, TooManyTransfers } from "../fileTransfer/errors.ts"
import { receive } from "../fileTransfer/receive.ts"
import { send } from "../fileTransfer/send.ts"
import type { ReceiveEvent, SendEvent } from "./Api.ts"
import { pathOf } from "./handlersNetwork.ts"

/** Events on their way to the command; a quarter of them progress. */
const eventsMax = 32
const progressMax = 8

const isProgress = ({ _tag }: { readonly _tag: string }): boolean =>
  _tag === "Hashing" || _tag === "Sending" || _tag === "Progress"

/** What a transfer tells, as a stream that ends with it. */
const told = <Event extends { readonly _tag: string }, E, R>(
  transfer: (tell: (event: Event) => Effect.Effect<void>) => Effect.Effect<void, E, R | Scope.Scope>
): Stream.Stream<Event, E, Exclude<R, Scope.Scope>> =>
  Stream.callback<Event, E, R>(
    (queue) => {
      const tell = (event: Event): Effect.Effect<void> =>
        isProgress(event)
          ? Effect.sync(() => {
              if (Queue.sizeUnsafe(queue) < progressMax) Queue.offerUnsafe(queue, event)
            })
          : Effect.asVoid(Queue.offer(queue, event))
      return Effect.andThen(transfer(tell), Queue.end(queue))
    },
    { bufferSize: eventsMax, strategy: "suspend" }
  )

interface SendRequest {
  readonly did: Did
  readonly file: string
}

interface ReceiveRequest {
  readonly directory: string
  readonly from: Did | null
  readonly count: number | null
  readonly bytesMax: number
}

const sending = (request: SendRequest) =>
  told<SendEvent, SessionError | FileTransferError, SessionManager>(
    Effect.fnUntraced(function* (tell) {
      const { bytes, path, seconds, sha256 } = yield* send(request, tell)
      const now = yield* Clock.currentTimeMillis
      yield* tell({ _tag: "Sent", bytes, sha256, seconds, path: path === undefined ? null : pathOf(path, now) })
    })
  )

const receiving = ({ bytesMax, count, directory, from }: ReceiveRequest) =>
  told<ReceiveEvent, SessionError | FileTransferError, SessionManager | Scope.Scope>((tell) =>
    receive({ directory, bytesMax, from: from ?? undefined, count: count ?? undefined }, (event) =>
      tell("did" in event ? { ...event, did: event.did.text } : event)
    )
  )

/** What `NodeRpcs` answers about files, for the node whose services are given. */
export const fileHandlers = Effect.gen(function* () {
  const context = yield* Effect.context<SessionManager>()
  let outgoing = 0
  const limited = (request: SendRequest) =>
    Effect.acquireRelease(
      Effect.suspend(() => {
        if (outgoing < outgoingMax) return Effect.sync(() => void outgoing++)
        const reason = new TooManyTransfers({ max: outgoingMax })
        return Effect.fail(new FileTransferError({ file: request.file, reason }))
      }),
      () => Effect.sync(() => void outgoing--)
    )
  return {
    Send: (request: SendRequest) =>
      Rpc.fork(
        Stream.scoped(Stream.unwrap(Effect.as(limited(request), sending(request)))).pipe(Stream.provideContext(context))
      ),
    Receive: (request: ReceiveRequest) => Rpc.fork(receiving(request).pipe(Stream.provideContext(context)))
  }
})
