/**
 * One 5-tuple: a wire to the server, the transactions on it, and the credentials that the server has accepted there
 * (nonces belong to a 5-tuple). A request ends with a success response or a `TurnError`; whatever arrives and answers
 * no request goes to the handlers.
 */
import { Clock, Duration, Effect, Result } from "effect"
import { format, type TransportAddress } from "../../domain/transportAddress.ts"
import type { TurnConfig } from "../../domain/turnConfig.ts"
import type { TurnTransport } from "../../domain/turnServer.ts"
import { retransmissionWaits } from "../../domain/turnUpkeep.ts"
import { isChannelData } from "../../protocol/channelData.ts"
import { decode, type DecodedStun } from "../../protocol/stun.ts"
import { method as methodNumbers, type RequestOptions, type TurnAuth } from "../../protocol/turn.ts"
import { firstAttempt, nextStep, type TurnAttempt } from "../../protocol/turnAuthentication.ts"
import { TurnError, type TurnErrorReason, TurnProtocolError } from "../../services/TurnClient.ts"
import { reasonOf } from "./failures.ts"
import * as Transactions from "./Transactions.ts"
import type { Wire } from "./Wire.ts"

export type LinkMethod = "allocate" | "refresh" | "createPermission" | "channelBind"

export interface LinkRequest {
  readonly method: LinkMethod
  readonly build: (options: RequestOptions) => Uint8Array
  /** Whom the request is about, for errors. */
  readonly peer?: string
  /** Instead of the configured timeout. */
  readonly timeoutMillis?: number
}

/** Receives what answers no request; plain functions on the data path, which must not throw. */
export interface LinkHandlers {
  readonly onChannelData: (datagram: Uint8Array) => void
  readonly onIndication: (message: DecodedStun) => void
  /** A datagram that came or went for nothing: undecodable, an answer that nobody waits for, too long for the path. */
  readonly onStray: () => void
  /** The kernel could not deliver something that was sent, or the connection is over. */
  readonly onRefused: (code: string) => void
}

export interface LinkOptions {
  readonly config: TurnConfig
  readonly server: TransportAddress
  readonly handlers: LinkHandlers
  readonly newTransactionId: () => Uint8Array
}

export interface Link {
  readonly server: TransportAddress
  readonly transport: TurnTransport
  readonly request: (request: LinkRequest) => Effect.Effect<DecodedStun, TurnError>
  /** How many messages have come from the server. */
  readonly heard: () => number
  /** Sends once and expects nothing; see `Wire.send`. */
  readonly send: Wire["send"]
  /** Sends a request once, with the credentials at hand, and expects no answer. */
  readonly notify: (build: LinkRequest["build"]) => void
}

/** What went wrong on the way to a server. */
export const failureAt =
  (server: TransportAddress, transport: TurnTransport, method: LinkMethod) => (reason: TurnErrorReason) =>
    new TurnError({ server: format(server), method, reason, transport })

/** Authenticated requests: what one has learned of realm and nonce, the next ones use from the start. */
const makeRequests = (
  { config, newTransactionId, server }: LinkOptions,
  wire: Wire,
  transactions: Transactions.Transactions
): Pick<Link, "request" | "notify"> => {
  let auth: TurnAuth | undefined

  /** One transaction: what was answered, and what that means. */
  const exchange = Effect.fnUntraced(function* (
    build: LinkRequest["build"],
    attempt: TurnAttempt,
    timeoutMillis: number
  ) {
    const transactionId = newTransactionId()
    // Only what no attribute can hold, such as a user name of a thousand characters, makes this throw.
    const bytes = yield* Effect.try({
      try: () => build({ transactionId, auth: attempt.auth }),
      catch: (cause) => new TurnProtocolError({ code: 0, detail: `the request cannot be written: ${String(cause)}` })
    })
    return yield* transactions.exchange({
      transactionId,
      bytes,
      // RFC 8489 section 6.2.2: a stream delivers a request, or ends.
      waits: wire.transport === "udp" ? retransmissionWaits(config, timeoutMillis) : [Math.max(1, timeoutMillis)],
      read: (response) => {
        const step = nextStep(attempt, response)
        return step._tag === "Discard" ? undefined : { response, step }
      }
    })
  })

  const request = Effect.fnUntraced(function* ({ build, method, peer, timeoutMillis }: LinkRequest) {
    const fail = failureAt(server, wire.transport, method)
    const started = yield* Clock.monotonicTimeNanos
    const limit = timeoutMillis ?? Duration.toMillis(config.timeout)
    let attempt = firstAttempt(methodNumbers[method], config.credentials, auth)
    while (true) {
      // Whole ones, and whatever becomes of the time of day.
      const left = limit - Number(((yield* Clock.monotonicTimeNanos) - started) / 1_000_000n)
      const { response, step } = yield* Effect.mapError(exchange(build, attempt, left), fail)
      switch (step._tag) {
        case "Success":
          return response
        case "Failure":
          return yield* fail(reasonOf(step, peer))
        case "Retry":
          attempt = step.attempt
          auth = attempt.auth
          break
      }
    }
  })

  return { request, notify: (build) => wire.write(build({ transactionId: newTransactionId(), auth })) }
}

/** Takes a wire into use. */
export const make = (options: LinkOptions, wire: Wire): Link => {
  const { handlers, server } = options
  const transactions = Transactions.make(wire)

  const receiveStun = (bytes: Uint8Array): void => {
    const decoded = decode(bytes)
    if (Result.isFailure(decoded)) return handlers.onStray()
    const message = decoded.success
    if (message.class === "indication") return handlers.onIndication(message)
    if (message.class === "request" || !transactions.settle(message)) handlers.onStray()
  }

  let heard = 0
  wire.listen({
    onMessage: (message) => {
      heard++
      if (isChannelData(message)) handlers.onChannelData(message)
      else receiveStun(message)
    },
    onStray: handlers.onStray,
    onRefused: (code) => {
      transactions.refuse(code)
      handlers.onRefused(code)
    },
    onClosed: (code) => {
      transactions.end(code)
      handlers.onRefused(code)
    }
  })

  return {
    ...makeRequests(options, wire, transactions),
    server,
    transport: wire.transport,
    heard: () => heard,
    send: wire.send
  }
}
