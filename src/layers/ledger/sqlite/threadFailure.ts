/** What a failed call of a thread means to who asked for it. */
import { Effect } from "effect"
import { LedgerBusy, LedgerError, LedgerStorageFailed } from "../../../services/Ledger.ts"
import type { CommitUnknown } from "../Engine.ts"
import type { NotSent } from "../thread/Callers.ts"
import type { Thrown } from "../thread/messages.ts"
import type { CallFailure } from "../thread/Thread.ts"
import type { StorageReason } from "./storageError.ts"

const reasons: ReadonlySet<string> = new Set(LedgerStorageFailed.fields.reason.literals)

const isReason = (value: unknown): value is StorageReason => typeof value === "string" && reasons.has(value)

export const storageFailed = (path: string, reason: StorageReason, detail: string): LedgerError =>
  new LedgerError({ reason: new LedgerStorageFailed({ path, reason, detail }) })

/** A `StorageError` (storageError.ts) that came from a thread, or nothing where it is a mistake of ours. */
const storageFailureOf = (path: string, { facts, message, name }: Thrown): LedgerError | undefined =>
  name === "StorageError" && isReason(facts["reason"])
    ? storageFailed(path, facts["reason"], String(facts["detail"] ?? message))
    : undefined

/** A thread that cannot begin. */
export const startFailure = (path: string, thrown: Thrown): LedgerError =>
  storageFailureOf(path, thrown) ?? storageFailed(path, "other", thrown.message)

const notSent = (path: string, why: NotSent): LedgerError => {
  switch (why._tag) {
    case "Busy":
      return new LedgerError({ reason: new LedgerBusy({ waitingMax: why.callsMax }) })
    case "Closed":
      return storageFailed(path, "closed", "it is closed")
    case "Down":
      return startFailure(path, why.thrown)
  }
}

const mistake = ({ message, name, stack }: Thrown): Effect.Effect<never> =>
  Effect.die(Object.assign(new Error(message), { name, stack }))

/** Nothing was done. */
const definite = (
  path: string,
  failure: Exclude<CallFailure, { readonly _tag: "Lost" }>
): Effect.Effect<never, LedgerError> => {
  if (failure._tag === "NotSent") return Effect.fail(notSent(path, failure.why))
  const stored = storageFailureOf(path, failure.thrown)
  return stored === undefined ? mistake(failure.thrown) : Effect.fail(stored)
}

/** A call that writes. */
export const writeFailure = (path: string, failure: CallFailure): Effect.Effect<never, LedgerError | CommitUnknown> => {
  if (failure._tag !== "Lost") return definite(path, failure)
  const unknown: CommitUnknown = { _tag: "CommitUnknown", detail: failure.detail }
  return Effect.fail(unknown)
}

/** A call that only reads. */
export const readFailure = (path: string, failure: CallFailure): Effect.Effect<never, LedgerError> =>
  failure._tag === "Lost" ? Effect.fail(storageFailed(path, "other", failure.detail)) : definite(path, failure)
