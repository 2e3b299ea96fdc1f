/**
 * The measured processes, as the benchmark sees them: each is asked one thing at a time and ends with its scope.
 */
import { Effect, Schema } from "effect"
import type { ChildProcess } from "node:child_process"
import { BenchFailed, forkScript } from "../turn/processes.ts"
import { type Request, Response } from "./messages.ts"

export { BenchFailed }

/** What is asked takes some seconds at most, and a part of a soak minutes; a process that exceeds this hangs. */
const answerSecondsMax = 300

export type Answer<Tag extends Response["_tag"]> = Extract<Response, { readonly _tag: Tag }>

export interface Measured {
  readonly name: string
  /** Asks, and expects an answer of this kind. */
  readonly ask: <Tag extends Response["_tag"]>(request: Request, tag: Tag) => Effect.Effect<Answer<Tag>, BenchFailed>
}

const isAnswer = <Tag extends Response["_tag"]>(response: Response, tag: Tag): response is Answer<Tag> =>
  response._tag === tag

const answer = (child: ChildProcess, name: string, request: Request): Effect.Effect<Response, BenchFailed> =>
  Effect.callback<Response, BenchFailed>((resume) => {
    const onMessage = (message: unknown) => {
      child.off("exit", onExit)
      resume(Effect.orDie(Schema.decodeUnknownEffect(Response)(message)))
    }
    const onExit = () => {
      child.off("message", onMessage)
      resume(Effect.fail(new BenchFailed({ detail: `the process of ${name} ended` })))
    }
    child.once("message", onMessage)
    child.once("exit", onExit)
    child.send(request)
  })

/** Starts `peer.ts` with these arguments; with `profileDirectory` it leaves a CPU profile there when it ends. */
export const startPeer = Effect.fnUntraced(function* (
  args: ReadonlyArray<string>,
  nodeArgs: ReadonlyArray<string>,
  profileDirectory: string | undefined
) {
  const name = args.join(" ")
  const profiling =
    profileDirectory === undefined
      ? []
      : ["--cpu-prof", `--cpu-prof-dir=${profileDirectory}`, `--cpu-prof-name=${args.join("-")}.cpuprofile`]
  const child = yield* forkScript("../session/peer.ts", args, [...nodeArgs, ...profiling])
  const ask: Measured["ask"] = Effect.fnUntraced(function* (request, tag) {
    const response = yield* answer(child, name, request).pipe(
      Effect.timeoutOrElse({
        duration: answerSecondsMax * 1000,
        orElse: () => Effect.fail(new BenchFailed({ detail: `${name} does not come to an end` }))
      })
    )
    if (isAnswer(response, tag)) return response
    const detail = response._tag === "Failed" ? response.message : `answers ${response._tag} to ${request._tag}`
    return yield* new BenchFailed({ detail: `${name}: ${detail}` })
  })
  const started: Measured = { name, ask }
  return started
})
