/**
 * Getting, prolonging and releasing an allocation (RFC 8656 sections 7 and 8): which of the server's addresses to ask,
 * from which local port, and what is owed to the server when the link closes.
 */
import { Clock, Duration, Effect, Exit, Result, Scope } from "effect"
import { equals, format, type TransportAddress } from "../../domain/transportAddress.ts"
import type { TurnConfig } from "../../domain/turnConfig.ts"
import {
  localPortsMax,
  releaseWaitMillis,
  requestedLifetimeSeconds,
  serverAddressesMax
} from "../../domain/turnUpkeep.ts"
import { describeDecodeError, type StunDecodeError } from "../../protocol/stun.ts"
import { allocateRequest, readAllocateSuccess, readRefreshSuccess, refreshRequest } from "../../protocol/turn.ts"
import {
  type TurnAllocationState,
  TurnError,
  TurnMismatch,
  TurnProtocolError,
  TurnUnreachable
} from "../../services/TurnClient.ts"
import { Udp } from "../../services/Udp.ts"
import * as Link from "./Link.ts"

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
  /** The longest that one request may take. */
  readonly timeoutMillis: number
  readonly handlers: Link.LinkHandlers
  readonly newTransactionId: () => Uint8Array
}

/** Takes over a relay as soon as it is allocated: called where no interruption can come in between. */
export type Adopt = (relay: Relay, granted: TurnAllocationState) => void

const undecodable = (link: Link.Link, method: Link.LinkMethod) => (error: StunDecodeError) =>
  new TurnError({
    server: format(link.server),
    method,
    reason: new TurnProtocolError({ code: 0, detail: `the answer cannot be used: ${describeDecodeError(error)}` })
  })

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

const open = (options: AllocationOptions, server: TransportAddress): Effect.Effect<Relay, TurnError, Udp> =>
  Effect.uninterruptible(
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const link = yield* Link.open({ ...options, server }).pipe(
        Scope.provide(scope),
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
      )
      const relay: Relay = { link, close: Scope.close(scope, Exit.void), hold: "nothing" }
      yield* Scope.addFinalizer(
        scope,
        Effect.suspend(() => release(relay))
      )
      return relay
    })
  )

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
    return yield* new TurnError({
      server: format(link.server),
      method: "refresh",
      reason: new TurnMismatch({ code: 437 })
    })
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
  server: TransportAddress,
  adopt: Adopt
): Effect.Effect<void, TurnError, Udp> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(open(options, server), (relay) =>
      restore(allocate(options, relay)).pipe(
        Effect.onError(() => relay.close),
        Effect.map((granted) => adopt(relay, granted))
      )
    )
  )

/** Allocates at one address: a local port that the server still holds an allocation for is left for another. */
const allocateAt = (options: AllocationOptions, server: TransportAddress, adopt: Adopt) =>
  allocateAnew(options, server, adopt).pipe(
    Effect.retry({ while: ({ reason }) => reason._tag === "TurnMismatch", times: localPortsMax - 1 })
  )

/** Allocates at the first address that answers; the failure is the last one's. */
export const establish = Effect.fnUntraced(function* (
  options: AllocationOptions,
  addresses: ReadonlyArray<TransportAddress>,
  adopt: Adopt
) {
  for (const [index, address] of addresses.entries()) {
    const result = yield* Effect.result(allocateAt(options, address, adopt))
    if (Result.isSuccess(result)) return
    const silent = result.failure.reason._tag === "TurnTimeout" || result.failure.reason._tag === "TurnUnreachable"
    if (!silent || index === addresses.length - 1) return yield* result.failure
  }
})

/** Whether a link leads to one of these addresses. */
export const leadsTo = ({ link }: Relay, addresses: ReadonlyArray<TransportAddress>): boolean =>
  addresses.some((address) => equals(address, link.server))

export const configuredTimeoutMillis = (config: TurnConfig): number => Duration.toMillis(config.timeout)
