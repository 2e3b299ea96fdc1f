/**
 * Keeps an allocation alive, and replaces it when it is lost: the fiber behind every `TurnAllocation`.
 *
 *   live:  Refresh before expiry and at each keepalive or doubt; renewal of peers; watch for silence
 *          on TCP, a look for UDP now and then (UdpReturn.ts)
 *   lost:  Allocate on the same socket, then from new ones, UDP before TCP, with back-off, until the scope closes
 *
 * A server that restarts drops ChannelData in silence and answers 400 or 437, or ICMP while it is down, or its TCP
 * connections end: each of these is a doubt, and a Refresh tells.
 */
import { Cause, Clock, Effect, Exit, Option, PubSub, Random, Result } from "effect"
import {
  turnAllocationFailures,
  turnAllocationRefreshes,
  turnAllocations,
  type TurnFailureReason,
  turnRelocations
} from "../../domain/metrics.ts"
import {
  isLoss,
  reallocationDelayMillis,
  reallocationTimeoutMillis,
  refreshDelayMillis,
  refreshRetryMillis,
  shortLives,
  silenceMillis,
  silencePauseMillis,
  udpSilenceAfterTcpMillis
} from "../../domain/turnUpkeep.ts"
import { Metrics, report } from "../../services/Metrics.ts"
import { type TurnAllocationState, type TurnError, TurnProtocolError } from "../../services/TurnClient.ts"
import * as Allocation from "./Allocation.ts"
import { labelOf } from "./failures.ts"
import { renewInRounds } from "./Peers.ts"
import { forgetLooks, hasMoved, type Looks, returnToUdp } from "./UdpReturn.ts"
import { becomeLive, becomeLost, failureOf, type Session, type SessionState } from "./Session.ts"

type Live = Extract<SessionState, { readonly _tag: "Live" }>
type Lost = Extract<SessionState, { readonly _tag: "Lost" }>

/** Prolongs the allocation whenever it is time or somebody doubts it; fails when it is gone. */
const keepRefreshed = Effect.fnUntraced(function* (session: Session, live: Live) {
  const { granted, relay } = live
  const metrics = yield* Metrics
  const { keepalive } = session.options.config
  let state = granted
  let failures = 0
  while (true) {
    const due = refreshDelayMillis(state.lifetimeSeconds, keepalive, yield* Random.next)
    const doubt = yield* Effect.timeoutOption(session.probes.wanted, failures === 0 ? due : refreshRetryMillis)
    // All who doubt in the same moment, as when one ICMP error fails many requests, get one Refresh.
    yield* Effect.yieldNow
    session.probes.begin()
    const { timeoutMillis } = session.options
    // Whoever doubts needs an answer soon; asking for another allocation finds one that lives after all.
    const waits = Option.isSome(doubt) ? Math.min(timeoutMillis, reallocationTimeoutMillis) : timeoutMillis
    const result = yield* Effect.result(Allocation.refresh({ ...session.options, timeoutMillis: waits }, relay, state))
    if (Result.isSuccess(result)) {
      failures = 0
      state = result.success
      // The session may have moved meanwhile.
      if (!hasMoved(session, live)) becomeLive(session, relay, state)
      yield* metrics.inc(turnAllocationRefreshes, {})
    } else {
      failures++
      if (isLoss(labelOf(result.failure.reason), failures)) return yield* result.failure
      yield* report("turn_refresh", Cause.fail(result.failure))
    }
    session.probes.settle()
  }
})

/** Doubts an allocation through which data goes out while nothing at all comes from the server. */
const watchSilence = Effect.fnUntraced(function* ({ data, probes }: Session, { relay }: Live) {
  while (true) {
    yield* data.outgoing.await
    // Closed first, so that what is sent from now on is watched as well.
    data.outgoing.closeUnsafe()
    const heard = relay.link.heard()
    yield* Effect.sleep(silenceMillis)
    if (relay.link.heard() !== heard) continue
    probes.ask()
    yield* Effect.sleep(silencePauseMillis)
  }
})

/**
 * One allocation's life: fails with the reason why it is gone, or succeeds when another one has taken its place.
 * `announce` is given after a relocation.
 */
const serve = (session: Session, live: Live, announce: Effect.Effect<void> | undefined, looks: Looks) =>
  Effect.raceFirst(
    Effect.all(
      [keepRefreshed(session, live), watchSilence(session, live), renewInRounds(session, live.relay.link, announce)],
      { concurrency: "unbounded", discard: true }
    ),
    returnToUdp(session, live, looks)
  ).pipe(Effect.ensuring(Effect.suspend(() => (hasMoved(session, live) ? retire(live) : Effect.void))))

/** Gives an allocation back whose place another one has taken, which does not wait for that. */
const retire = ({ relay }: Live) =>
  Effect.asVoid(Effect.forkScoped(Effect.uninterruptible(relay.close), { startImmediately: true }))

/** Why an allocation's life ended; what is no `TurnError` is a mistake of this program, and a new one may help. */
const errorOf = (session: Session, cause: Cause.Cause<TurnError>): TurnError =>
  Option.getOrElse(Cause.findErrorOption(cause), () =>
    failureOf(session, "refresh", new TurnProtocolError({ code: 0, detail: "the upkeep ended unexpectedly" }))
  )

/** The socket of a lost allocation, asked again: the server has a new one for it, or still the former one. */
const allocateAgain = Effect.fnUntraced(function* (
  session: Session,
  options: Allocation.AllocationOptions,
  { previous, relay }: Lost
) {
  const metrics = yield* Metrics
  const again = Effect.tap(Allocation.allocate(options, relay), () => metrics.inc(turnAllocations, {}))
  const granted = yield* again.pipe(
    // The server was only out of reach, unless the allocation of this 5-tuple is somebody else's.
    Effect.catchReason("TurnError", "TurnMismatch", () => Allocation.refresh(options, relay, previous))
  )
  becomeLive(session, relay, granted)
})

/** One attempt to replace a lost allocation; `reuse` tries its socket first. */
const reallocate = Effect.fnUntraced(function* (session: Session, lost: Lost, reuse: boolean) {
  const { options } = session
  const metrics = yield* Metrics
  const timeoutMillis = Math.min(options.timeoutMillis, reallocationTimeoutMillis)
  const { transport } = lost.relay.link
  const limited = {
    ...options,
    timeoutMillis,
    ...(transport === "tcp" ? { udpSilenceMillis: udpSilenceAfterTcpMillis } : {})
  }
  // Without a working resolver the address that was good so far is the best guess.
  const addresses = yield* Effect.orElseSucceed(Allocation.addressesOf(limited), () => [lost.previous.server])
  // A connection is not used again: it is over, or its server hangs; and UDP may get through by now.
  if (reuse && transport === "udp" && Allocation.leadsTo(lost.relay, addresses)) {
    const again = yield* Effect.result(allocateAgain(session, limited, lost))
    if (Result.isSuccess(again)) return
    if (again.failure.reason._tag !== "TurnMismatch") return yield* again.failure
  }
  yield* Allocation.establish(limited, addresses, (relay, granted) => becomeLive(session, relay, granted)).pipe(
    // From here on nobody else knows the old socket.
    Effect.ensuring(Effect.suspend(() => (session.state._tag === "Live" ? lost.relay.close : Effect.void)))
  )
  yield* metrics.inc(turnAllocations, {})
})

/** Asks for a new allocation until there is one; `before` counts former ones that hardly lived. */
const relocate = Effect.fnUntraced(function* (session: Session, lost: Lost, error: TurnError, before: number) {
  const metrics = yield* Metrics
  let latest = error
  let failures = before
  let reported: TurnFailureReason | undefined
  while (true) {
    const label = labelOf(latest.reason)
    yield* Effect.sleep(reallocationDelayMillis(label, failures, yield* Random.next))
    // A refused port is that of a server which is down, and it will take the same socket; unless it is up and only its
    // TCP port is open, where that is an alternative. After silence the socket may
    // be the matter (this host has another address now), or the network was (and the old allocation still lives): in
    // turns.
    const onlyUdp = session.options.transports.length === 1
    const reuse = failures % 2 === 0 || (onlyUdp && latest.code === "ECONNREFUSED")
    const result = yield* Effect.result(reallocate(session, lost, reuse))
    if (Result.isSuccess(result)) return yield* metrics.inc(turnRelocations, {})
    latest = result.failure
    const reason = labelOf(latest.reason)
    yield* metrics.inc(turnAllocationFailures, { reason })
    // A long outage is reported once, not with every attempt.
    if (reason !== reported) yield* report("turn_allocate", Cause.fail(latest))
    reported = reason
    failures = reason === label ? failures + 1 : 1
  }
})

const announceRelocation = (session: Session, previous: TurnAllocationState): Effect.Effect<void> =>
  Effect.sync(() => {
    if (session.state._tag !== "Live") return
    const state = session.state.granted
    PubSub.publishUnsafe(session.events, { _tag: "Relocated", previous: previous.relayedAddress, state })
  })

const lostState = ({ state }: Session): Lost | undefined => (state._tag === "Lost" ? state : undefined)

/** Runs until it is interrupted. */
export const run = Effect.fnUntraced(function* (session: Session) {
  let announce: Effect.Effect<void> | undefined
  const looks: Looks = { count: 0 }
  let short = 0
  while (session.state._tag === "Live") {
    const began = yield* Clock.currentTimeMillis
    const live = session.state
    const ended = yield* Effect.exit(serve(session, live, announce, looks))
    yield* forgetLooks(looks, live, began)
    if (hasMoved(session, live)) {
      session.probes.settleAll()
      announce = announceRelocation(session, live.granted)
      continue
    }
    const cause = Exit.isFailure(ended) ? ended.cause : Cause.die(new Error("an allocation ended without a reason"))
    const error = errorOf(session, cause)
    becomeLost(session, error)
    yield* report("turn_refresh", cause)
    const lost = lostState(session)
    if (lost === undefined) return
    short = shortLives(short, (yield* Clock.currentTimeMillis) - began)
    yield* relocate(session, lost, error, Math.max(0, short - 1))
    announce = announceRelocation(session, lost.previous)
  }
})
