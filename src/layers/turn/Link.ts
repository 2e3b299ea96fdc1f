/**
 * One 5-tuple: a socket connected to the server, the transactions on it, and the credentials that the server has
 * accepted there (nonces belong to a 5-tuple). A request ends with a success response or a `TurnError`; whatever
 * arrives and answers no request goes to the handlers.
 */
import { Clock, Duration, Effect, Result, type Scope } from "effect"
import { format, type TransportAddress } from "../../domain/transportAddress.ts"
import type { TurnConfig } from "../../domain/turnConfig.ts"
import { retransmissionWaits } from "../../domain/turnUpkeep.ts"
import { isChannelData } from "../../protocol/channelData.ts"
import { decode, type DecodedStun } from "../../protocol/stun.ts"
import { method as methodNumbers, type RequestOptions, type TurnAuth } from "../../protocol/turn.ts"
import { firstAttempt, nextStep, type TurnAttempt } from "../../protocol/turnAuthentication.ts"
import { TurnError, type TurnErrorReason, TurnProtocolError, TurnUnreachable } from "../../services/TurnClient.ts"
import { Udp, type UdpSocket } from "../../services/Udp.ts"
import { reasonOf } from "./failures.ts"
import * as Transactions from "./Transactions.ts"

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
  /** The kernel could not deliver something that was sent. */
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
  readonly request: (request: LinkRequest) => Effect.Effect<DecodedStun, TurnError>
  /** How many datagrams have come from the server. */
  readonly heard: () => number
  /** Sends once and expects nothing; see `UdpSocket.send`. */
  readonly send: (datagram: Uint8Array, body?: Uint8Array) => void
  /** Sends a request once, with the credentials at hand, and expects no answer. */
  readonly notify: (build: LinkRequest["build"]) => void
}

const failureAt = (server: TransportAddress, method: LinkMethod) => (reason: TurnErrorReason) =>
  new TurnError({ server: format(server), method, reason })

/** Authenticated requests: what one has learned of realm and nonce, the next ones use from the start. */
const makeRequests = (
  { config, newTransactionId, server }: LinkOptions,
  socket: UdpSocket,
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
      waits: retransmissionWaits(config, timeoutMillis),
      read: (response) => {
        const step = nextStep(attempt, response)
        return step._tag === "Discard" ? undefined : { response, step }
      }
    })
  })

  const request = Effect.fnUntraced(function* ({ build, method, peer, timeoutMillis }: LinkRequest) {
    const fail = failureAt(server, method)
    const deadline = (yield* Clock.currentTimeMillis) + (timeoutMillis ?? Duration.toMillis(config.timeout))
    let attempt = firstAttempt(methodNumbers[method], config.credentials, auth)
    while (true) {
      const left = deadline - (yield* Clock.currentTimeMillis)
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

  return { request, notify: (build) => socket.send(build({ transactionId: newTransactionId(), auth })) }
}

/** Opens a socket on a free local port; the scope closes it. */
export const open = Effect.fnUntraced(function* (
  options: LinkOptions
): Effect.fn.Return<Link, TurnError, Udp | Scope.Scope> {
  const { handlers, server } = options
  const socket = yield* Udp.use((udp) => udp.connect(server)).pipe(
    Effect.mapError(({ code }) => failureAt(server, "allocate")(new TurnUnreachable({ code })))
  )
  const transactions = Transactions.make(socket)

  const receiveStun = (datagram: Uint8Array): void => {
    const decoded = decode(datagram)
    if (Result.isFailure(decoded)) return handlers.onStray()
    const message = decoded.success
    if (message.class === "indication") return handlers.onIndication(message)
    if (message.class === "request" || !transactions.settle(message)) handlers.onStray()
  }

  let heard = 0
  socket.onReceive((datagram, from) => {
    // A response counts only from where the request went to; the socket hands in its own address object for that.
    if (from !== socket.remote) return handlers.onStray()
    heard++
    if (isChannelData(datagram)) handlers.onChannelData(datagram)
    else receiveStun(datagram)
  })
  socket.onError((code) => {
    // A datagram was too long for the path, which says nothing about the server; no request is that long.
    if (code === "EMSGSIZE") return handlers.onStray()
    transactions.refuse(code)
    handlers.onRefused(code)
  })

  const link: Link = {
    ...makeRequests(options, socket, transactions),
    server,
    heard: () => heard,
    send: (datagram, body) => socket.send(datagram, body)
  }
  return link
})
