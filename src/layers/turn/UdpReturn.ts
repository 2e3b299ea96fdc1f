/**
 * The way back from TCP, where UDP got nowhere when the allocation was made and may do so by now. Looked for now and
 * then, less and less often, and only while little goes through the relay: another relayed address is another way for
 * whoever uses it. The present allocation stays until there is another one.
 */
import { Clock, Effect, Random, Result } from "effect"
import { turnAllocations, turnRelocations } from "../../domain/metrics.ts"
import {
  quietBytesMax,
  quietMillis,
  udpLookDelayMillis,
  udpSilenceMillis,
  udpStableMillis
} from "../../domain/turnUpkeep.ts"
import { Metrics } from "../../services/Metrics.ts"
import * as Allocation from "./Allocation.ts"
import { becomeLive, type Session, type SessionState } from "./Session.ts"

type Live = Extract<SessionState, { readonly _tag: "Live" }>

/** How often UDP was looked for in vain, or for too short a time, over all allocations of one session. */
export interface Looks {
  count: number
}

/** Whether another allocation has taken the place of this one, which works still. */
export const hasMoved = ({ state }: Session, { relay }: Live): boolean => state._tag === "Live" && state.relay !== relay

/** UDP that was good for long is looked for soon when it fails. */
export const forgetLooks = Effect.fnUntraced(function* (looks: Looks, { relay }: Live, beganMillis: number) {
  const lived = (yield* Clock.currentTimeMillis) - beganMillis
  if (relay.link.transport === "udp" && lived >= udpStableMillis) looks.count = 0
})

const untilQuiet = Effect.fnUntraced(function* ({ data: { counters } }: Session) {
  while (true) {
    const before = counters.sentBytes + counters.receivedBytes
    yield* Effect.sleep(quietMillis)
    if (counters.sentBytes + counters.receivedBytes - before <= quietBytesMax) return
  }
})

const allocateOverUdp = Effect.fnUntraced(function* (session: Session, live: Live) {
  const { options } = session
  const timeoutMillis = Math.min(options.timeoutMillis, udpSilenceMillis)
  const overUdp: Allocation.AllocationOptions = { ...options, transports: ["udp"], timeoutMillis }
  const addresses = yield* Effect.orElseSucceed(Allocation.addressesOf(overUdp), () => [live.granted.server])
  yield* Allocation.establish(overUdp, addresses, (relay, granted) => becomeLive(session, relay, granted))
})

/** Ends when the session has moved to UDP; the former allocation is for the caller to close. */
export const returnToUdp = Effect.fnUntraced(function* (session: Session, live: Live, looks: Looks) {
  if (live.relay.link.transport === "udp" || !session.options.transports.includes("udp")) return yield* Effect.never
  const metrics = yield* Metrics
  while (true) {
    yield* Effect.sleep(udpLookDelayMillis(looks.count, yield* Random.next))
    looks.count++
    yield* untilQuiet(session)
    const moved = yield* Effect.result(allocateOverUdp(session, live))
    if (Result.isSuccess(moved)) break
    yield* Effect.logDebug(`the TURN relay stays on TCP: ${moved.failure.message}`)
  }
  yield* metrics.inc(turnAllocations, {})
  yield* metrics.inc(turnRelocations, {})
})
