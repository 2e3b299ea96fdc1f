/**
 * `cooperative.json` on disk (smallFile.ts). It holds keys that nobody else can give back, so a file that can't be used
 * stops the start and is never written over.
 */
import { Effect, Result } from "effect"
import type { CoopState } from "../../domain/coopState.ts"
import { systemErrorText } from "../../domain/systemError.ts"
import { coopFileBytesMax, decodeCoopFile, encodeCoopFile } from "../../protocol/coopFile.ts"
import { type CooperativeError, CooperativeFileFailed } from "../../services/Cooperative.ts"
import * as SmallFile from "../smallFile.ts"
import { failure } from "./Context.ts"
import type { CoopStore } from "./Keeper.ts"

type Reason = CooperativeFileFailed["reason"]

/** Why a file can't be used. */
interface Problem {
  readonly reason: Reason
  readonly detail: string
}

const damaged = (detail: string): Problem => ({ reason: "damaged", detail })

const decode = (file: SmallFile.SmallFile | undefined): Result.Result<ReadonlyArray<CoopState>, Problem> => {
  if (file === undefined) return Result.succeed([])
  const { mode, text } = file
  if ((mode & 0o077) !== 0) {
    return Result.fail({ reason: "exposed", detail: `it has mode ${mode.toString(8).padStart(4, "0")}` })
  }
  return Result.mapError(decodeCoopFile(text), damaged)
}

/** Keeps the state in a file of this user alone. */
export const fileStore = (path: string): CoopStore => {
  const failed = ({ detail, reason }: Problem): CooperativeError =>
    failure(new CooperativeFileFailed({ path, reason, detail }))
  const attempt = <A>(reason: Reason, run: () => Promise<A>): Effect.Effect<A, CooperativeError> =>
    Effect.tryPromise({ try: run, catch: (error) => failed({ reason, detail: systemErrorText(error) }) })
  return {
    load: Effect.flatMap(
      attempt("unreadable", () => SmallFile.read(path, coopFileBytesMax)),
      (file) => Effect.fromResult(Result.mapError(Result.flatMap(Result.mapError(file, damaged), decode), failed))
    ),
    save: (states) => attempt("unwritable", () => SmallFile.replace(path, encodeCoopFile(states)))
  }
}
