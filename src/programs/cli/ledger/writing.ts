/**
 * What every command that writes to the ledger does: one request under an idempotency key, and one definite answer.
 * `{status, entryId?, reason?}` with `--json`, and exit code 0 for `committed` alone. `refused` means that nothing was
 * written; `unknown` comes with the key under which to ask again.
 */
import { Effect, Option, Random } from "effect"
import type { Socket } from "effect/socket"
import type { LedgerError } from "../../../services/Ledger.ts"
import { type Client, type NodeUnavailable, workWithNode } from "../../rpc/client.ts"
import type { LedgerRequestInvalid, LedgerWriteIntent, LedgerWritten } from "../../rpc/ledgerApi.ts"
import { dataDirectory, type NodeFlags } from "../dataDir.ts"
import { CommandFailed, exitCodes, print } from "../output.ts"
import { progressPainter } from "../progress.ts"

interface WriteFlags extends NodeFlags {
  readonly json: boolean
  readonly memo: string
  readonly idempotencyKey: Option.Option<string>
}

/** A node that starts first asks the members who are there for its own chain; a disk may be slow. */
const answerSecondsMax = 60

const randomKey = Effect.map(
  Effect.forEach(Array.from({ length: 16 }), () => Random.nextIntBetween(0, 256)),
  (bytes) => Buffer.from(bytes).toString("hex")
)

const undone = (status: "refused" | "unknown", reason: string): LedgerWritten => ({
  status,
  entryId: null,
  reason,
  what: null
})

/** The failures after which nothing was written, and the one after which nobody knows. */
const answered = (error: LedgerError | LedgerRequestInvalid | NodeUnavailable | Socket.SocketError): LedgerWritten => {
  switch (error._tag) {
    case "LedgerError":
      return undone("refused", `${error.reason._tag}: ${error.message}`)
    case "LedgerRequestInvalid":
      return undone("refused", `invalid: ${error.message}`)
    case "NodeNotRunning":
      return undone("refused", `notRunning: ${error.message}`)
    case "NodeNotAnswering":
    case "SocketError":
      return undone("unknown", error.message)
  }
}

/** What became of it; when the store does not know, it is asked once more. */
const request = (intent: LedgerWriteIntent, memo: string, idempotencyKey: string) =>
  Effect.fnUntraced(function* (client: Client) {
    const written = yield* client.LedgerWrite({ intent, memo, idempotencyKey })
    if (written.status !== "unknown") return written
    const later = yield* client.LedgerOutcome({ idempotencyKey }).pipe(Effect.orElseSucceed(() => null))
    return later === null ? written : { ...later, what: written.what }
  })

const tooLong = Effect.succeed(
  undone("unknown", `the node has not answered within ${answerSecondsMax} s; it may still write it`)
)

const patience = Effect.flatMap(progressPainter, ({ line }) =>
  Effect.forkScoped(Effect.delay(line("waiting for the node to write it"), "1 second"))
)

/** Has the running node write something; `done` says what that was: `paid`. */
export const writing = Effect.fnUntraced(function* (flags: WriteFlags, intent: LedgerWriteIntent, done: string) {
  const directory = yield* dataDirectory(flags)
  const key = Option.isSome(flags.idempotencyKey) ? flags.idempotencyKey.value : yield* randomKey
  const { entryId, reason, status, what } = yield* patience.pipe(
    Effect.andThen(workWithNode(directory, request(intent, flags.memo, key))),
    Effect.timeoutOrElse({ duration: `${answerSecondsMax} seconds`, orElse: () => tooLong }),
    Effect.catch((error) => Effect.succeed(answered(error))),
    Effect.scoped
  )
  const document = {
    status,
    ...(entryId === null ? {} : { entryId }),
    ...(reason === null ? {} : { reason }),
    ...(status === "unknown" ? { idempotencyKey: key } : {})
  }
  if (flags.json || status === "committed") {
    yield* print(flags.json, document, () => `${done} ${what ?? ""}\nentry ${entryId ?? ""}`)
  }
  if (status === "committed") return
  const hint = status === "unknown" ? `\nask again with --idempotency-key ${key}: it is written at most once` : ""
  // The rule's name in front is for scripts.
  const words = (reason ?? "").replace(/^[A-Za-z]+: /, "")
  const text = flags.json ? "" : `${status}: ${words}${hint}`
  return yield* new CommandFailed({ text, exitCode: exitCodes.failed })
})
