/**
 * Getting, prolonging and releasing an allocation (RFC 8656 sections 7 and 8): over which transport and at which of the
 * server's addresses to ask, from which local port, and what is owed to the server when the link closes.
 */
import { Clock, Duration, Effect, Exit, Result, Scope } from "effect"
import { equals, format, type TransportAddress } from "../../domain/transportAddress.ts"
import type { TurnConfig } from "../../domain/turnConfig.ts"
import type { TurnTransport } from "../../domain/turnServer.ts"
import {
  localPortsMax,
  releaseWaitMillis,
  requestedLifetimeSeconds,
  retransmissionWaits,
  serverAddressesMax,
  udpSilenceMillis
} from "../../domain/turnUpkeep.ts"
import { describeDecodeError, type StunDecodeError } from "../../protocol/stun.ts"
import { allocateRequest, readAllocateSuccess, readRefreshSuccess, refreshRequest } from "../../protocol/turn.ts"
import {
  type TurnAllocationState,
  TurnError,
  TurnMismatch,
  type TurnErrorReason,
  TurnProtocolError,
  TurnTimeout,
  TurnUnreachable
} from "../../services/TurnClient.ts"
import type { Tcp } from "../../services/Tcp.ts"
import { Udp } from "../../services/Udp.ts"
import * as Link from "./Link.ts"
import * as Wire from "./Wire.ts"

/** What the server may hold for a link. */
type Hold =
  /** Nothing: not asked yet, refused, or known to be gone. */
  | "nothing"
  /** Perhaps an allocation: an Allocate or the latest Refresh went unanswered. */
  | "perhaps"
  | "allocation"

/** A link and what the server owes to it; `close` releases the allocation and closes the socket. */
export interface Relay {
  readonly link: Link.Link
  readonly close: Effect.Effect<void>
  hold: Hold
}

/** How to reach servers; the same for all links of one `TurnAllocation`. */
export interface AllocationOptions {
  readonly config: TurnConfig
  /** In the order in which they are tried; never empty. */
  readonly transports: ReadonlyArray<TurnTransport>
  /** How long UDP may be silent before the next transport is tried; 3 s unless given. */
  readonly udpSilenceMillis?: number
  /** The longest that one request may take. */
  readonly timeoutMillis: number
  readonly handlers: Link.LinkHandlers
  readonly newTransactionId: () => Uint8Array
}

/** Takes over a relay as soon as it is allocated: called where no interruption can come in between. */
export type Adopt = (relay: Relay, granted: TurnAllocationState) => void

const undecodable = (link: Link.Link, method: Link.LinkMethod) => (error: StunDecodeError) =>
  Link.failureAt(
    link.server,
    link.transport,
    method
  )(new TurnProtocolError({ code: 0, detail: `the answer cannot be used: ${describeDecodeError(error)}` }))

const release = Effect.fnUntraced(function* ({ hold, link }: Relay) {
  switch (hold) {
    case "nothing":
      return
    case "perhaps":
      return link.notify((options) => refreshRequest({ ...options, lifetimeSeconds: 0 }))
    case "allocation": {
      const request = link.request({
        method: "refresh",
        build: (options) => refreshRequest({ ...options, lifetimeSeconds: 0 }),
        timeoutMillis: releaseWaitMillis
      })
      // Without an answer the server forgets the allocation when its lifetime ends; there is nobody to tell.
      yield* Effect.ignore(request)
    }
  }
})

/** One way to a server. */
interface Route {
  readonly server: TransportAddress
  readonly transport: TurnTransport
}

/** Runs an effect as interruptible as it was outside of `Effect.uninterruptibleMask`. */
type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** Opens a link; only the opening itself may be interrupted, since the relay's scope is nobody else's yet. */
const open = Effect.fnUntraced(function* (options: AllocationOptions, { server, transport }: Route, restore: Restore) {
  const scope = yield* Scope.make()
  const wire = yield* restore(Wire.open(transport, server, options.timeoutMillis)).pipe(
    Effect.mapError(Link.failureAt(server, transport, "allocate")),
    Scope.provide(scope),
    Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
  )
  const link = Link.make({ ...options, server }, wire)
  const relay: Relay = { link, close: Scope.close(scope, Exit.void), hold: "nothing" }
  yield* Scope.addFinalizer(
    scope,
    Effect.suspend(() => release(relay))
  )
  return relay
})

/**
 * Fails when nothing at all comes from the server for a while, which is over UDP where TCP is the alternative: blocked
 * UDP is silent. A server that has answered something is given its whole time.
 */
const unlessSilent = (options: AllocationOptions, link: Link.Link) => {
  const { config, timeoutMillis, transports } = options
  const wait = options.udpSilenceMillis ?? udpSilenceMillis
  const before = link.heard()
  const silence = Effect.andThen(
    Effect.sleep(wait),
    Effect.suspend(() =>
      link.heard() > before
        ? Effect.never
        : Effect.fail(
            Link.failureAt(
              link.server,
              link.transport,
              "allocate"
            )(new TurnTimeout({ attempts: retransmissionWaits(config, wait).length }))
          )
    )
  )
  return <A>(asking: Effect.Effect<A, TurnError>): Effect.Effect<A, TurnError> =>
    link.transport === "udp" && transports.includes("tcp") && wait < timeoutMillis
      ? Effect.raceFirst(asking, silence)
      : asking
}

/** Asks for an allocation on a link. */
export const allocate = Effect.fnUntraced(function* (options: AllocationOptions, relay: Relay) {
  const { config, timeoutMillis } = options
  const { link } = relay
  relay.hold = "perhaps"
  const lifetimeSeconds = requestedLifetimeSeconds(config)
  const response = yield* link
    .request({
      method: "allocate",
      build: (request) => allocateRequest({ ...request, lifetimeSeconds, family: config.addressFamily }),
      timeoutMillis
    })
    .pipe(
      unlessSilent(options, link),
      Effect.tapError(({ reason }) =>
        Effect.sync(() => {
          if (reason._tag !== "TurnTimeout" && reason._tag !== "TurnUnreachable") relay.hold = "nothing"
        })
      )
    )
  const granted = yield* Effect.mapError(
    Effect.fromResult(readAllocateSuccess(response)),
    undecodable(link, "allocate")
  )
  relay.hold = "allocation"
  const now = yield* Clock.currentTimeMillis
  const state: TurnAllocationState = {
    server: link.server,
    transport: link.transport,
    ...granted,
    expiresAtMillis: now + granted.lifetimeSeconds * 1000
  }
  return state
})

/** Prolongs the allocation of a link. */
export const refresh = Effect.fnUntraced(function* (
  { config, timeoutMillis }: AllocationOptions,
  relay: Relay,
  state: TurnAllocationState
) {
  const { link } = relay
  const response = yield* link.request({
    method: "refresh",
    build: (request) => refreshRequest({ ...request, lifetimeSeconds: requestedLifetimeSeconds(config) }),
    timeoutMillis
  })
  const lifetimeSeconds = yield* Effect.mapError(
    Effect.fromResult(readRefreshSuccess(response)),
    undecodable(link, "refresh")
  )
  if (lifetimeSeconds === 0) {
    // The server has released what it was asked to prolong.
    return yield* Link.failureAt(link.server, link.transport, "refresh")(new TurnMismatch({ code: 437 }))
  }
  // Also after a loss that was none.
  relay.hold = "allocation"
  const now = yield* Clock.currentTimeMillis
  const next: TurnAllocationState = { ...state, lifetimeSeconds, expiresAtMillis: now + lifetimeSeconds * 1000 }
  return next
})

/** Resolves the server's name: at each use, since the record may have changed. */
export const addressesOf = Effect.fnUntraced(function* ({ config, timeoutMillis }: AllocationOptions) {
  const { host, port } = config.server
  const fail = (code: string) =>
    new TurnError({ server: format(config.server), method: "resolve", reason: new TurnUnreachable({ code }) })
  const hosts = yield* Udp.use((udp) => udp.resolve(host)).pipe(
    Effect.mapError(({ code }) => fail(code)),
    Effect.timeoutOrElse({ duration: timeoutMillis, orElse: () => Effect.fail(fail("ETIMEDOUT")) })
  )
  return hosts.slice(0, serverAddressesMax).map((host): TransportAddress => ({ host, port }))
})

/** One attempt from a new local port; what comes of a failed one is closed before this ends. */
const allocateAnew = (
  options: AllocationOptions,
  route: Route,
  adopt: Adopt
): Effect.Effect<void, TurnError, Udp | Tcp> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(open(options, route, restore), (relay) =>
      restore(allocate(options, relay)).pipe(
        Effect.onError(() => relay.close),
        Effect.map((granted) => adopt(relay, granted))
      )
    )
  )

/** Allocates on one route: a local port that the server still holds an allocation for is left for another. */
const allocateAt = (options: AllocationOptions, route: Route, adopt: Adopt) =>
  allocateAnew(options, route, adopt).pipe(
    Effect.retry({ while: ({ reason }) => reason._tag === "TurnMismatch", times: localPortsMax - 1 })
  )

/** Whether a server did not answer, so that another way to it may do better. */
const isSilent = ({ reason }: TurnError): boolean => reason._tag === "TurnTimeout" || reason._tag === "TurnUnreachable"

/** Allocates on the first route that answers; the failure is the last one's, and tells of former transports. */
export const establish = Effect.fnUntraced(function* (
  options: AllocationOptions,
  addresses: ReadonlyArray<TransportAddress>,
  adopt: Adopt
) {
  const routes = options.transports.flatMap((transport) => addresses.map((server) => ({ server, transport })))
  const failures = new Map<TurnTransport, TurnErrorReason>()
  for (const [index, route] of routes.entries()) {
    const result = yield* Effect.result(allocateAt(options, route, adopt))
    if (Result.isSuccess(result)) return
    const { method, reason, server } = result.failure
    const { transport } = route
    const before = Array.from(failures, ([transport, reason]) => ({ transport, reason })).filter(
      (failure) => failure.transport !== transport
    )
    if (!isSilent(result.failure) || index === routes.length - 1) {
      return yield* before.length === 0 ? result.failure : new TurnError({ server, method, reason, transport, before })
    }
    failures.set(transport, reason)
  }
})

/** Whether a link leads to one of these addresses. */
export const leadsTo = ({ link }: Relay, addresses: ReadonlyArray<TransportAddress>): boolean =>
  addresses.some((address) => equals(address, link.server))

export const configuredTimeoutMillis = (config: TurnConfig): number => Duration.toMillis(config.timeout)
