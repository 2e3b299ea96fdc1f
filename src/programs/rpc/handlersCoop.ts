/**
 * The answers of the local socket about the cooperative. What may wait for another node or for a disk is forked, so
 * that it never keeps `status` and `stop` waiting.
 */
import { Effect, Option, Queue, Stream } from "effect"
import { Rpc } from "effect/rpc"
import type { Did } from "../../domain/did.ts"
import { Cooperative, type CooperativeFailure, type JoinStep } from "../../services/Cooperative.ts"
import { infoOf, memberOf } from "../coop/views.ts"
import type { CoopCurrency, CoopJoinEvent } from "./coopApi.ts"
import { isoTime } from "./isoTime.ts"

const stepOf = (step: JoinStep): CoopJoinEvent =>
  step._tag === "Storing" ? step : { _tag: step._tag, inviter: step.inviter.text }

/** Events of a join on their way to the command: all of them. */
const eventsMax = 8

const joining = (invite: string) =>
  Stream.callback<CoopJoinEvent, CooperativeFailure, Cooperative>(
    Effect.fnUntraced(function* (queue) {
      const { join } = yield* Cooperative
      const info = yield* join(invite, (step) => Effect.asVoid(Queue.offer(queue, stepOf(step))))
      yield* Queue.offer(queue, { _tag: "Joined", info: infoOf(info) })
      yield* Queue.end(queue)
    }),
    { bufferSize: eventsMax, strategy: "suspend" }
  )

interface Founding {
  readonly name: string
  readonly currencies: ReadonlyArray<CoopCurrency> | null
  readonly startingLimit: number | null
}

interface Inviting {
  readonly ttlMillis: number | null
  readonly uses: number | null
}

/** What `CoopRpcs` answers, for the cooperative of this node. */
export const coopHandlers = Effect.gen(function* () {
  const context = yield* Effect.context<Cooperative>()
  const call = <A, E>(body: (coop: Cooperative["Service"]) => Effect.Effect<A, E>) =>
    Rpc.fork(Cooperative.use(body).pipe(Effect.provideContext(context)))
  return {
    CoopInfo: () => call(({ info }) => Effect.map(info, (found) => Option.getOrNull(Option.map(found, infoOf)))),
    CoopCreate: ({ currencies, name, startingLimit }: Founding) =>
      call(({ create }) =>
        Effect.map(
          create({
            name,
            ...(currencies === null ? {} : { currencies }),
            ...(startingLimit === null ? {} : { startingLimit })
          }),
          infoOf
        )
      ),
    CoopInvite: ({ ttlMillis, uses }: Inviting) =>
      call(({ invite }) =>
        Effect.map(
          invite({ ...(ttlMillis === null ? {} : { ttlMillis }), ...(uses === null ? {} : { uses }) }),
          ({ expiresAtMillis, text, uses }) => ({ invite: text, expiresAt: isoTime(expiresAtMillis), uses })
        )
      ),
    CoopJoin: ({ invite }: { readonly invite: string }) =>
      Rpc.fork(joining(invite).pipe(Stream.provideContext(context))),
    CoopMembers: () =>
      Rpc.fork(
        Stream.unwrap(
          Effect.map(
            Cooperative.use(({ members }) => members),
            (members) => Stream.fromIterable(members.map(memberOf))
          )
        ).pipe(Stream.provideContext(context))
      ),
    CoopExclude: ({ did }: { readonly did: Did }) => call(({ exclude }) => exclude(did)),
    CoopLeave: () => call(({ leave }) => leave)
  }
})
