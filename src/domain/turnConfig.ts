/**
 * What a TURN client needs to know: server, credentials, times. Values are plain and immutable, and the `with…`
 * functions return changed copies:
 *
 *   TurnConfig.make({ host: "turn.example.org", port: 3478 }).pipe(TurnConfig.withCredentials("alice", secret))
 */
import { Duration, Pipeable, type Redacted } from "effect"
import type { TurnServer, TurnTransport } from "./turnServer.ts"

export interface TurnCredentials {
  readonly username: string
  readonly password: Redacted.Redacted
}

/** How to reach the server: by one transport, or over UDP first and over TCP where UDP does not get through. */
export const turnTransportChoices = ["auto", "udp", "tcp"] as const
export type TurnTransportChoice = (typeof turnTransportChoices)[number]

export interface TurnConfig extends Pipeable.Pipeable {
  readonly server: TurnServer
  /**
   * The transport between client and server; what is relayed is UDP in any case (RFC 8656 section 3.1). "auto" asks
   * over UDP at each allocation, and over TCP when UDP is refused or silent for a few seconds.
   */
  readonly transport: TurnTransportChoice
  readonly credentials: TurnCredentials | undefined
  /** The longest that one request may take, retransmissions included; over TCP there are none. */
  readonly timeout: Duration.Duration
  /** What Allocate and Refresh ask for; the server may grant less or more. */
  readonly allocationLifetime: Duration.Duration
  /** Which family the relayed address shall have; `undefined` leaves it to the server (IPv4, by the RFC). */
  readonly addressFamily: 4 | 6 | undefined
  /** How often an allocation is probed with a Refresh, which also keeps NAT bindings open; zero or infinity: never. */
  readonly keepalive: Duration.Duration
  /** First retransmission time-out, over UDP; doubles with each attempt (RFC 8489 section 6.2.1). */
  readonly retransmissionTimeout: Duration.Duration
  /** How often a request is sent (Rc). */
  readonly retransmissionCount: number
  /** How many RTO to wait after the last one (Rm). */
  readonly retransmissionFinalWait: number
}

/** RFC 8656 section 7: 600 s unless asked otherwise; RFC 8489 section 6.2.1: RTO 500 ms, Rc 7, Rm 16, so 39.5 s. */
export const make = (server: TurnServer): TurnConfig => ({
  server,
  transport: server.transport ?? "auto",
  credentials: undefined,
  timeout: Duration.millis(39_500),
  allocationLifetime: Duration.seconds(600),
  addressFamily: undefined,
  keepalive: Duration.seconds(25),
  retransmissionTimeout: Duration.millis(500),
  retransmissionCount: 7,
  retransmissionFinalWait: 16,
  pipe() {
    return Pipeable.pipeArguments(this, arguments)
  }
})

export const withCredentials =
  (username: string, password: Redacted.Redacted) =>
  (config: TurnConfig): TurnConfig => ({
    ...config,
    credentials: { username, password }
  })

export const withTransport =
  (transport: TurnTransportChoice) =>
  (config: TurnConfig): TurnConfig => ({ ...config, transport })

/** The transports to ask over, in their order. */
export const transportsOf = ({ transport }: TurnConfig): ReadonlyArray<TurnTransport> =>
  transport === "auto" ? ["udp", "tcp"] : [transport]

export const withTimeout =
  (timeout: Duration.Input) =>
  (config: TurnConfig): TurnConfig => ({
    ...config,
    timeout: Duration.fromInputUnsafe(timeout)
  })

export const withAllocationLifetime =
  (lifetime: Duration.Input) =>
  (config: TurnConfig): TurnConfig => ({
    ...config,
    allocationLifetime: Duration.fromInputUnsafe(lifetime)
  })

/** Asks for an IPv4 or IPv6 relay instead of the server's choice (RFC 8656 section 18.6). */
export const withAddressFamily =
  (addressFamily: 4 | 6) =>
  (config: TurnConfig): TurnConfig => ({ ...config, addressFamily })

export const withKeepalive =
  (keepalive: Duration.Input) =>
  (config: TurnConfig): TurnConfig => ({
    ...config,
    keepalive: Duration.fromInputUnsafe(keepalive)
  })

export const withRetransmission =
  (options: { readonly timeout?: Duration.Input; readonly count?: number; readonly finalWait?: number }) =>
  (config: TurnConfig): TurnConfig => ({
    ...config,
    retransmissionTimeout:
      options.timeout === undefined ? config.retransmissionTimeout : Duration.fromInputUnsafe(options.timeout),
    retransmissionCount: options.count ?? config.retransmissionCount,
    retransmissionFinalWait: options.finalWait ?? config.retransmissionFinalWait
  })
