/**
 * The node's TURN allocation as its links use it: whatever allocation there is at the moment, the permissions that all
 * links together need, and a limit on what is sent, per member and in total, of which each that sends has its part.
 * Plain functions per packet.
 */
import { Clock, Effect, FiberSet, Schedule, type Scope, Stream, SubscriptionRef } from "effect"
import { FairRate } from "../../../domain/fairRate.ts"
import type { RelayFamily } from "../../../domain/linkPaths.ts"
import * as TokenBucket from "../../../domain/tokenBucket.ts"
import { family, type TransportAddress } from "../../../domain/transportAddress.ts"
import type { TurnAllocation, TurnAllocationState, TurnError } from "../../../services/TurnClient.ts"
import type { RelayLimits, RelayRef } from "../Settings.ts"
import { steadyMillisOf } from "../steadyTime.ts"

/** Without its channel in this time a way is used as it is: longer packets, which still get through. */
const bindMillisMax = 500

/** A permission that the server did not answer for is asked for again after so long, doubling, while it is wanted. */
const permitAgain = Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("30 seconds")])
/** Not where the server has said what it thinks of that host. */
const mayPermitLater = ({ reason }: TurnError): boolean => reason._tag !== "TurnPeerRefused"

/** A burst of so many seconds passes, which is about what is on its way at once on a slow path. */
const burstSeconds = 0.5

const rateOf = (bytesPerSecond: number): TokenBucket.TokenRate => ({
  ratePerSecond: bytesPerSecond,
  burst: bytesPerSecond * burstSeconds
})

/** The limit of one member, and what it has used. */
export class RelayMeter {
  readonly #rate: TokenBucket.TokenRate
  #bucket: TokenBucket.TokenBucket | undefined
  sentBytes = 0
  receivedBytes = 0
  /** Packets that were over a limit, of this member or of all. */
  limitedPackets = 0

  constructor(bytesPerSecond: number) {
    this.#rate = rateOf(bytesPerSecond)
  }

  /** Whether so many bytes may be sent now. */
  take(bytes: number, nowMillis: number): boolean {
    const taken = TokenBucket.take(
      this.#rate,
      this.#bucket ?? TokenBucket.full(this.#rate, nowMillis),
      nowMillis,
      bytes
    )
    this.#bucket = taken.bucket
    return taken.admitted
  }
}

/** Called for each relayed datagram; must not throw. */
export type RelayReceive = (payload: Uint8Array, from: TransportAddress) => void

export interface RelayPort {
  /** What the server granted; `undefined` while there is no allocation that works. */
  readonly state: () => TurnAllocationState | undefined
  /** What the allocation reaches: the family of its own address. */
  readonly family: () => RelayFamily | undefined
  /** A meter for one member. */
  readonly meter: () => RelayMeter
  /** Sends data; false when it was dropped. */
  readonly send: (payload: Uint8Array, to: TransportAddress, meter: RelayMeter) => boolean
  /** Sends what belongs to checks and consent, which no limit may stop. */
  readonly sendCheck: (payload: Uint8Array, to: TransportAddress) => void
  readonly onReceive: (receive: RelayReceive) => void
  /** Called whenever `state` has become another one. */
  readonly onChange: (changed: () => void) => void
  /** Lets these hosts send through the relay for as long as somebody holds them; ends what it began when called. */
  readonly permit: (hosts: Iterable<string>) => () => void
  /** Binds a channel there, which makes sending cheaper; done when it is bound, or when it will not be soon. */
  readonly bind: (to: TransportAddress) => Effect.Effect<void>
  /** Has the server asked whether the allocation lives; without an answer another one takes its place. */
  readonly probe: Effect.Effect<void>
}

const familyOf = (state: TurnAllocationState | undefined): RelayFamily | undefined =>
  state === undefined ? undefined : family(state.relayedAddress.host)

export const make = Effect.fnUntraced(function* (
  ref: RelayRef | undefined,
  limits: RelayLimits
): Effect.fn.Return<RelayPort, never, Scope.Scope> {
  const clock = yield* Clock.Clock
  const run = yield* FiberSet.makeRuntime<never, void, never>()
  /** Hosts with how many links hold each. */
  const held = new Map<string, number>()
  /** The latest question for each host's permission. */
  const asked = new Map<string, object>()
  const total = new FairRate<RelayMeter>(rateOf(limits.totalBytesPerSecond))
  let allocation: TurnAllocation | undefined
  let receive: RelayReceive | undefined
  let changed: (() => void) | undefined

  const state = () => allocation?.state()

  /** A refusal is told by the client's events and counted there; the link goes another way then. */
  const ask = (of: TurnAllocation, host: string): void => {
    if (family(host) !== familyOf(of.state())) return
    const question = {}
    asked.set(host, question)
    const isWanted = () => asked.get(host) === question
    run(
      Effect.suspend(() => (isWanted() ? Effect.asVoid(of.permit(host)) : Effect.void)).pipe(
        Effect.retry({ schedule: permitAgain, while: (error) => isWanted() && mayPermitLater(error) }),
        Effect.ignore
      )
    )
  }

  const use = (next: TurnAllocation | undefined) =>
    Effect.gen(function* () {
      allocation = next
      asked.clear()
      if (next === undefined) return changed?.()
      next.onReceive((payload, from) => receive?.(payload, from))
      for (const host of held.keys()) ask(next, host)
      changed?.()
      yield* Stream.runForEach(next.events, () =>
        Effect.sync(() => {
          // What was not reachable before, or came while there was no allocation, is asked for now.
          for (const host of held.keys()) ask(next, host)
          changed?.()
        })
      )
    })

  if (ref !== undefined) {
    yield* Effect.forkScoped(
      Stream.runDrain(Stream.switchMap(SubscriptionRef.changes(ref), (next) => Stream.fromEffect(use(next))))
    )
  }

  return {
    state,
    family: () => familyOf(state()),
    meter: () => new RelayMeter(limits.perMemberBytesPerSecond),
    send: (payload, to, meter) => {
      if (allocation === undefined) return false
      const now = steadyMillisOf(clock)
      if (!meter.take(payload.length, now) || !total.take(meter, now, payload.length)) {
        meter.limitedPackets++
        return false
      }
      if (!allocation.send(to, payload)) return false
      meter.sentBytes += payload.length
      return true
    },
    sendCheck: (payload, to) => {
      allocation?.send(to, payload)
    },
    onReceive: (next) => {
      receive = next
    },
    onChange: (next) => {
      changed = next
    },
    permit: (hosts) => {
      const mine = new Set(hosts)
      for (const host of mine) {
        const holders = held.get(host) ?? 0
        held.set(host, holders + 1)
        if (holders === 0 && allocation !== undefined) ask(allocation, host)
      }
      return () => {
        for (const host of mine) {
          const holders = (held.get(host) ?? 1) - 1
          if (holders > 0) {
            held.set(host, holders)
            continue
          }
          held.delete(host)
          asked.delete(host)
          if (allocation !== undefined) run(allocation.revoke(host))
        }
        mine.clear()
      }
    },
    bind: (to) =>
      Effect.suspend(() =>
        allocation === undefined
          ? Effect.void
          : Effect.asVoid(Effect.timeoutOption(Effect.ignore(allocation.bindChannel(to)), bindMillisMax))
      ),
    probe: Effect.suspend(() => (allocation === undefined ? Effect.void : allocation.probe))
  }
})
