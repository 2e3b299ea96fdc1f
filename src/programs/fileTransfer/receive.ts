/**
 * Receiving files into a directory from whoever may send them, until the scope closes or enough have come. One transfer
 * is programs/fileTransfer/incoming.ts; here is who is let in, and the end.
 */
import { Deferred, Effect, type Scope } from "effect"
import { constants } from "node:fs"
import { access, realpath, stat } from "node:fs/promises"
import type { Did } from "../../domain/did.ts"
import { completedMax, incomingMax, incomingPerMemberMax } from "../../domain/fileTransferLimits.ts"
import { fileTransferProtocol, type FileOffer } from "../../protocol/fileTransfer.ts"
import { type SessionError, SessionManager, type SessionStream } from "../../services/SessionManager.ts"
import { AlreadyReceiving, DirectoryUnusable, FileTransferError } from "./errors.ts"
import { attempt, type FileProblem } from "./files.ts"
import { type Admission, type IncomingEvent, receiveOne, type Reception } from "./incoming.ts"
import { type PartOwner, Parts } from "./Parts.ts"

export interface ReceiveOptions {
  /** An absolute path of a directory that exists. */
  readonly directory: string
  /** Takes files from this member only. */
  readonly from?: Did | undefined
  /** Ends after this many files. */
  readonly count?: number | undefined
  /** The longest file that is taken. */
  readonly bytesMax: number
}

export type ReceiveEvent = { readonly _tag: "Serving"; readonly directory: string } | IncomingEvent

/** The directory itself, so that a link to it that is changed later leads nowhere else. */
const openDirectory = Effect.fnUntraced(function* (path: string) {
  const unusable = (detail: string) => new FileTransferError({ file: path, reason: new DirectoryUnusable({ detail }) })
  const refused = Effect.mapError(({ code, detail }: FileProblem) =>
    unusable(code === "ENOENT" ? "it does not exist; make it first" : detail)
  )
  const real = yield* attempt(() => realpath(path)).pipe(refused)
  const stats = yield* attempt(() => stat(real)).pipe(refused)
  if (!stats.isDirectory()) return yield* unusable("it is not a directory")
  yield* attempt(() => access(real, constants.W_OK | constants.X_OK)).pipe(refused)
  return real
})

/** Who is being received from, and how many files have come. */
class Receptionist implements Reception {
  readonly #options: ReceiveOptions
  readonly #perMember = new Map<string, number>()
  readonly enough = Deferred.makeUnsafe<void>()
  /** Transfers whose file is stored, the latest of them. */
  readonly #complete = new Set<PartOwner>()
  #active = 0
  #received = 0
  #transfers = 0

  constructor(options: ReceiveOptions) {
    this.#options = options
  }

  readonly next = (): number => this.#transfers++

  readonly complete = (owner: PartOwner): void => {
    this.#received++
    this.#complete.add(owner)
    const [oldest] = this.#complete
    if (this.#complete.size > completedMax && oldest !== undefined) this.#complete.delete(oldest)
  }

  readonly isComplete = (owner: PartOwner): boolean => this.#complete.has(owner)

  readonly enter = (did: Did, { bytes }: FileOffer): Admission => {
    const { bytesMax, count, from } = this.#options
    if (from !== undefined && from.text !== did.text) return { _tag: "Refused", reason: "notWanted", bytesMax: null }
    if (bytes > bytesMax) return { _tag: "Refused", reason: "tooLarge", bytesMax }
    const ofMember = this.#perMember.get(did.text) ?? 0
    const places = Math.min(incomingMax, count === undefined ? incomingMax : count - this.#received)
    if (this.#active >= places || ofMember >= incomingPerMemberMax) {
      return { _tag: "Refused", reason: "busy", bytesMax: null }
    }
    this.#active++
    this.#perMember.set(did.text, ofMember + 1)
    return { _tag: "Admitted" }
  }

  readonly leave = (did: Did): void => {
    this.#active--
    const left = (this.#perMember.get(did.text) ?? 1) - 1
    if (left > 0) this.#perMember.set(did.text, left)
    else this.#perMember.delete(did.text)
    if (this.#options.count !== undefined && this.#received >= this.#options.count && this.#active === 0) {
      Deferred.doneUnsafe(this.enough, Effect.void)
    }
  }
}

/**
 * Serves until `count` files have come, or for ever; every event goes to `tell`, which may hold the transfer back.
 * One caller at a time per node.
 */
export const receive = Effect.fn("FileTransfer.receive")(function* (
  options: ReceiveOptions,
  tell: (event: ReceiveEvent) => Effect.Effect<void>
): Effect.fn.Return<void, FileTransferError | SessionError, SessionManager | Scope.Scope> {
  const manager = yield* SessionManager
  const directory = yield* openDirectory(options.directory)
  const reception = new Receptionist(options)
  const parts = new Parts()
  const serve = (stream: SessionStream) => receiveOne(stream, { directory, reception, parts, tell })
  yield* manager
    .handle(fileTransferProtocol, serve)
    .pipe(
      Effect.catchReason("SessionError", "SessionLimitReached", () =>
        Effect.fail(new FileTransferError({ file: options.directory, reason: new AlreadyReceiving() }))
      )
    )
  yield* tell({ _tag: "Serving", directory })
  yield* Deferred.await(reception.enough)
})
