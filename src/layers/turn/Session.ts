/**
 * What one `TurnAllocation` is at the moment: live on a relay, lost and being asked for again, or closed; and the way
 * in which requests about peers live through a loss. The state is a plain field, since the data path reads it per
 * packet; only this module changes it.
 */
import { Effect, Latch, PubSub, Semaphore } from "effect"
import { format } from "../../domain/transportAddress.ts"
import { peerRequestsInFlightMax } from "../../domain/turnUpkeep.ts"
import {
  type TurnAllocationState,
  TurnError,
  type TurnErrorReason,
  type TurnEvent,
  TurnTimeout,
  TurnUnreachable
} from "../../services/TurnClient.ts"
import type { AllocationOptions, Relay } from "./Allocation.ts"
import * as Channels from "./Channels.ts"
import * as DataPath from "./DataPath.ts"
import { suggestsLoss } from "./failures.ts"
import type { Link, LinkMethod } from "./Link.ts"
import * as Permissions from "./Permissions.ts"
import * as Probes from "./Probes.ts"

export type SessionState =
  | { readonly _tag: "Live"; readonly relay: Relay; readonly granted: TurnAllocationState }
  /** The relay's socket is kept: after a restart the server takes it again. */
  | { readonly _tag: "Lost"; readonly relay: Relay; readonly previous: TurnAllocationState }
  /** Not allocated yet, or released. */
  | { readonly _tag: "Closed" }

export interface Session {
  readonly options: AllocationOptions
  readonly permissions: Permissions.Permissions
  readonly channels: Channels.Channels
  readonly data: DataPath.DataPath
  readonly probes: Probes.Probes
  readonly events: PubSub.PubSub<TurnEvent>
  /** Open unless the session is lost: whoever waits for the next allocation waits here. */
  readonly live: Latch.Latch
  /** Bounds the requests about single peers. */
  readonly peerRequests: Semaphore.Semaphore
  state: SessionState
}

/** Events that a slow subscriber may be behind; older ones are of no use to anybody. */
const eventsMax = 64

export const make = Effect.fnUntraced(function* (
  options: Omit<AllocationOptions, "handlers">
): Effect.fn.Return<Session> {
  const permissions = Permissions.make()
  const channels = Channels.make()
  const probes = Probes.make()
  const data = DataPath.make({ permissions, channels, newTransactionId: options.newTransactionId })
  const session: Session = {
    options: {
      ...options,
      handlers: {
        onChannelData: data.onChannelData,
        onIndication: data.onIndication,
        onStray: data.drop,
        // The fastest sign of a server that went away; only a Refresh tells whether the allocation did, too.
        onRefused: () => {
          if (session.state._tag === "Live") probes.ask()
        }
      }
    },
    permissions,
    channels,
    data,
    probes,
    events: yield* PubSub.sliding<TurnEvent>(eventsMax),
    live: Latch.makeUnsafe(false),
    peerRequests: Semaphore.makeUnsafe(peerRequestsInFlightMax),
    state: { _tag: "Closed" }
  }
  return session
})

/** Takes a new allocation into use, or the outcome of a Refresh of the present one. */
export const becomeLive = (session: Session, relay: Relay, granted: TurnAllocationState): void => {
  session.state = { _tag: "Live", relay, granted }
  session.live.openUnsafe()
}

/** Gives up the present allocation. */
export const becomeLost = (session: Session, error: TurnError): void => {
  if (session.state._tag !== "Live") return
  const { granted, relay } = session.state
  // After anything but "no such allocation" the server may hold it still, and is told to forget it.
  relay.hold = error.reason._tag === "TurnMismatch" ? "nothing" : "perhaps"
  session.state = { _tag: "Lost", relay, previous: granted }
  session.live.closeUnsafe()
  session.probes.settleAll()
  PubSub.publishUnsafe(session.events, { _tag: "Lost", error })
}

/** Releases whatever the server holds and closes the socket. */
export const close = (session: Session): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { state } = session
    session.state = { _tag: "Closed" }
    session.live.openUnsafe()
    session.probes.settleAll()
    return state._tag === "Closed" ? Effect.void : state.relay.close
  })

/** Ends when it is known whether the allocation lives; at once when it is known to be lost. */
export const probe = (session: Session): Effect.Effect<void> =>
  Effect.suspend(() => (session.state._tag === "Live" ? session.probes.verdict : Effect.void))

/** A failure that no server has sent. */
export const failureOf = (session: Session, method: LinkMethod, reason: TurnErrorReason): TurnError =>
  new TurnError({ server: format(session.options.config.server), method, reason })

/** The link of the live allocation, waited for no longer than one request may take. */
const liveLink = Effect.fnUntraced(function* (session: Session, method: LinkMethod) {
  const { timeout } = session.options.config
  yield* Effect.timeoutOrElse(session.live.await, {
    duration: timeout,
    orElse: () => Effect.fail(failureOf(session, method, new TurnTimeout({ attempts: 0 })))
  })
  if (session.state._tag === "Live") return session.state.relay.link
  return yield* failureOf(session, method, new TurnUnreachable({ code: "CLOSED" }))
})

/**
 * Asks the server something about a peer. When the answer may mean that the allocation is gone, a probe finds out, and
 * the question is asked once more, of the next allocation if there is one.
 */
export const onLive = Effect.fnUntraced(function* <A>(
  session: Session,
  method: LinkMethod,
  ask: (link: Link) => Effect.Effect<A, TurnError>
) {
  const once = Effect.flatMap(liveLink(session, method), ask).pipe(Semaphore.withPermit(session.peerRequests))
  return yield* once.pipe(
    Effect.catchTag("TurnError", (error) =>
      suggestsLoss(error) ? Effect.andThen(probe(session), once) : Effect.fail(error)
    )
  )
})
