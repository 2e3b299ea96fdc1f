/**
 * The one UDP socket of a node for links: QUIC packets, connectivity checks and questions to STUN servers share its
 * port, so that what a NAT opened for one of them serves the others. Tells STUN from data, keeps the STUN transactions
 * (RFC 8489 section 6.2.1), and hands everything else to whoever owns the links. Plain functions per packet.
 *
 * Data is never recognised by QUIC's fixed bit, which peers grease (RFC 9287). One in 2^32 QUIC packets at most looks
 * like a Binding message with cookie and length, so that such a thing is dropped and counted when it answers nothing.
 */
import { Clock, Deferred, Effect, Exit, Option, Result, Schema, Scope } from "effect"
import { unmapped } from "../../../domain/ipAddress.ts"
import { equals, family, format, type TransportAddress } from "../../../domain/transportAddress.ts"
import { decode, type DecodedStun, isStun } from "../../../protocol/stun.ts"
import { method } from "../../../protocol/turn.ts"
import { Udp, type UdpEndpoint, UdpError, type UdpReceive } from "../../../services/Udp.ts"
import { steadyMillisOf } from "../steadyTime.ts"

/**
 * Questions that wait for an answer at a time. Links of members that name addresses where nobody answers can have many
 * more, so that checks give way to later ones: in what is left a second and more passes even then.
 */
const transactionsMax = 2048
/** How often a free port is looked for that is free in both families; the kernel seldom needs a second look. */
const portsTriedMax = 8
/** Methods up to 0x07f have a first byte below 4, which is where Binding (0x001) is. */
const firstByteMax = 3

export interface LinkSocketOptions {
  /** 0 takes a free one, the same for both families. */
  readonly port: number
  /** Where to bind, `false` for not at all; all addresses of this machine unless given. */
  readonly udp4?: string | false
  readonly udp6?: string | false
}

/** A question got no answer that counts. */
export class LinkExchangeFailed extends Schema.TaggedError<LinkExchangeFailed>()("LinkExchangeFailed", {
  /** `host:port` */
  to: Schema.String,
  /** `busy`: too many questions wait already; `noFamily`: this machine has no socket of that address family. */
  reason: Schema.Literals(["timeout", "busy", "noFamily"]),
  /** How often the question was sent. */
  attempts: Schema.Int
}) {
  override get message() {
    switch (this.reason) {
      case "timeout":
        return `no answer from ${this.to} to ${this.attempts} requests`
      case "busy":
        return `${this.to} was not asked: too many questions wait for their answers`
      case "noFamily":
        return `${this.to} was not asked: no UDP socket of its address family`
    }
  }
}

/** A request whose response is awaited. */
export interface LinkTransaction {
  /** 12 unpredictable bytes. */
  readonly transactionId: Uint8Array
  /** From where the response has to come; the host in its canonical spelling. */
  readonly from: TransportAddress
  /** After this nobody waits any more. */
  readonly timeoutMillis: number
  /** Whether a later one may take its place when too many wait; the oldest goes first. */
  readonly givesWay?: boolean
  /** Takes the response; false when it shall count as never received. Plain code that must not throw. */
  readonly settle: (response: DecodedStun) => boolean
}

export interface LinkExchange<A> {
  readonly transactionId: Uint8Array
  readonly bytes: Uint8Array
  readonly to: TransportAddress
  /** From where the response has to come; from where the request goes unless given. */
  readonly from?: TransportAddress
  /** The waits after each send, in whole milliseconds. */
  readonly waits: ReadonlyArray<number>
  /** Reads a response; `undefined` when it shall count as never received. */
  readonly read: (response: DecodedStun) => A | undefined
}

export interface LinkAnswer<A> {
  readonly answer: A
  /** From the first send to the answer: too long where the first got lost, never too short. */
  readonly rttMillis: number
}

/** Counts since the socket was opened. */
export interface LinkSocketStatistics {
  readonly dataReceived: number
  readonly requestsReceived: number
  readonly responsesReceived: number
  /** STUN that could not be read, answers nothing, or comes from the wrong place. */
  readonly stunDropped: number
  /** Datagrams to a family that this machine does not have. */
  readonly unsendable: number
  /** Transactions refused because too many waited. */
  readonly refused: number
  readonly waiting: number
}

/** Called for each datagram that is not STUN. `payload` belongs to the callee. Must not throw. */
export type OnData = UdpReceive
/** Called for each Binding request, checked for form and fingerprint, not for a signature. Must not throw. */
export type OnStun = (request: DecodedStun, from: TransportAddress) => void

export interface LinkSocket {
  /** The same in both families. */
  readonly port: number
  readonly families: { readonly udp4: boolean; readonly udp6: boolean }
  /** Never waits and never fails: UDP may lose a packet. `bytes` must not be changed afterwards. */
  readonly send: (bytes: Uint8Array, to: TransportAddress) => void
  /** Replaces the receiver of data. */
  readonly onData: (handler: OnData) => void
  /** Replaces the receiver of Binding requests: checks (with a user name) and plain ones. */
  readonly onStun: (handler: OnStun) => void
  /**
   * Awaits the response to a request that the caller sends; ends what waits when called. `undefined` when too many
   * questions wait. A transaction that timed out is forgotten without a word: its owner has a timer anyway.
   */
  readonly expect: (transaction: LinkTransaction) => (() => void) | undefined
  /** Sends a request, again and again, until `read` accepts a response. */
  readonly exchange: <A extends {}>(exchange: LinkExchange<A>) => Effect.Effect<LinkAnswer<A>, LinkExchangeFailed>
  readonly statistics: () => LinkSocketStatistics
}

const keyOf = (transactionId: Uint8Array): string => Buffer.from(transactionId).toString("latin1")

/** As a socket of the address's own family knows it. */
const plain = ({ host, port }: TransportAddress): TransportAddress => ({ host: unmapped(host), port })

interface Waiting {
  readonly from: TransportAddress
  readonly transaction: LinkTransaction
  readonly deadlineMillis: number
}

/** The requests that wait for their responses, at most `transactionsMax`. */
class Transactions {
  readonly #waiting = new Map<string, Waiting>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  get size(): number {
    return this.#waiting.size
  }

  expect(transaction: LinkTransaction): (() => void) | undefined {
    if (this.#waiting.size >= transactionsMax && !this.#makeRoom()) return undefined
    const key = keyOf(transaction.transactionId)
    const from = plain(transaction.from)
    const waiting: Waiting = { from, transaction, deadlineMillis: this.#now() + transaction.timeoutMillis }
    this.#waiting.set(key, waiting)
    return () => {
      if (this.#waiting.get(key) === waiting) this.#waiting.delete(key)
    }
  }

  /** Whether a response was awaited, from there, and accepted. */
  settle(response: DecodedStun, from: TransportAddress): boolean {
    const key = keyOf(response.transactionId)
    const waiting = this.#waiting.get(key)
    if (waiting === undefined || !equals(waiting.from, from)) return false
    if (waiting.deadlineMillis < this.#now()) {
      this.#waiting.delete(key)
      return false
    }
    if (!waiting.transaction.settle(response)) return false
    this.#waiting.delete(key)
    return true
  }

  /** Whether there is room now. Those that do not give way are few, and the oldest come first. */
  #makeRoom(): boolean {
    for (const [key, { transaction }] of this.#waiting) {
      if (transaction.givesWay === true) return this.#waiting.delete(key)
    }
    const now = this.#now()
    for (const [key, { deadlineMillis }] of this.#waiting) if (deadlineMillis < now) this.#waiting.delete(key)
    return this.#waiting.size < transactionsMax
  }
}

/** The sockets of both families; `undefined` where this machine has no such family or it is not wanted. */
interface Sockets {
  readonly udp4: UdpEndpoint | undefined
  readonly udp6: UdpEndpoint | undefined
}

/** What the system says when a machine lacks an address family. */
const absent = new Set(["EAFNOSUPPORT", "EADDRNOTAVAIL", "EPROTONOSUPPORT"])

const bindOne = (host: string | false, port: number) =>
  host === false
    ? Effect.succeedNone
    : Udp.use((udp) => udp.bind({ host, port })).pipe(
        Effect.asSome,
        Effect.catchIf(
          ({ code }) => absent.has(code),
          () => Effect.succeedNone
        )
      )

const bindBoth = Effect.fnUntraced(function* ({ port, udp4 = "0.0.0.0", udp6 = "::" }: LinkSocketOptions) {
  const first = Option.getOrUndefined(yield* bindOne(udp4, port))
  const second = Option.getOrUndefined(yield* bindOne(udp6, first?.local.port ?? port))
  const sockets: Sockets = { udp4: first, udp6: second }
  if (first !== undefined || second !== undefined) return sockets
  return yield* new UdpError({ operation: "open", target: `link socket, port ${port}`, code: "EAFNOSUPPORT" })
})

/** Both sockets or none: what one attempt opened is closed again before the next one. */
const bind = (options: LinkSocketOptions, triesLeft: number): Effect.Effect<Sockets, UdpError, Udp | Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Scope.fork(yield* Effect.scope)
    const exit = yield* Effect.exit(Scope.provide(bindBoth(options), scope))
    if (Exit.isSuccess(exit)) return exit.value
    yield* Scope.close(scope, exit)
    const error = Option.getOrUndefined(Exit.findErrorOption(exit))
    // A free port of one family may be taken in the other.
    if (options.port === 0 && error?.code === "EADDRINUSE" && triesLeft > 1) return yield* bind(options, triesLeft - 1)
    return yield* exit
  })

class Socket implements LinkSocket {
  readonly port: number
  readonly families: LinkSocket["families"]
  readonly #sockets: Sockets
  readonly #clock: Clock.Clock
  readonly #transactions: Transactions
  #onData: OnData = () => {}
  #onStun: OnStun = () => {}
  #dataReceived = 0
  #requestsReceived = 0
  #responsesReceived = 0
  #stunDropped = 0
  #unsendable = 0
  #refused = 0

  constructor(sockets: Sockets, clock: Clock.Clock) {
    const { udp4, udp6 } = sockets
    this.port = (udp4 ?? udp6)?.local.port ?? 0
    this.families = { udp4: udp4 !== undefined, udp6: udp6 !== undefined }
    this.#sockets = sockets
    this.#clock = clock
    this.#transactions = new Transactions(() => steadyMillisOf(clock))
    udp4?.onReceive((payload, from) => this.#receive(payload, from))
    udp6?.onReceive((payload, from) => this.#receive(payload, from))
  }

  readonly send = (bytes: Uint8Array, { host, port }: TransportAddress): void => {
    const literal = unmapped(host)
    const socket = literal.includes(":") ? this.#sockets.udp6 : this.#sockets.udp4
    if (socket === undefined) return void this.#unsendable++
    socket.send(bytes, { host: literal, port })
  }

  readonly onData = (handler: OnData): void => {
    this.#onData = handler
  }

  readonly onStun = (handler: OnStun): void => {
    this.#onStun = handler
  }

  readonly expect = (transaction: LinkTransaction): (() => void) | undefined => {
    const end = this.#transactions.expect(transaction)
    if (end === undefined) this.#refused++
    return end
  }

  readonly exchange = <A extends {}>(exchange: LinkExchange<A>): Effect.Effect<LinkAnswer<A>, LinkExchangeFailed> =>
    Effect.suspend(() => {
      const { bytes, from, read, to, transactionId, waits } = exchange
      const failed = (reason: LinkExchangeFailed["reason"], attempts: number) =>
        Effect.fail(new LinkExchangeFailed({ to: format(to), reason, attempts }))
      if (!this.#reaches(to)) return failed("noFamily", 0)
      const reply = Deferred.makeUnsafe<LinkAnswer<A>>()
      const sentAt = this.#clock.monotonicTimeNanosUnsafe()
      const end = this.expect({
        transactionId,
        from: from ?? to,
        // The fiber below ends it in time; the table's own deadline is for transactions without a fiber.
        timeoutMillis: waits.reduce((sum, wait) => sum + wait, 0) + 1000,
        settle: (response) => {
          const answer = read(response)
          if (answer === undefined) return false
          const rttMillis = Number(this.#clock.monotonicTimeNanosUnsafe() - sentAt) / 1e6
          return Deferred.doneUnsafe(reply, Effect.succeed({ answer, rttMillis }))
        }
      })
      if (end === undefined) return failed("busy", 0)
      const send = this.send
      const transmit = Effect.gen(function* () {
        for (const wait of waits) {
          send(bytes, to)
          const answer = yield* Effect.timeoutOption(Deferred.await(reply), wait)
          if (Option.isSome(answer)) return answer.value
        }
        return yield* failed("timeout", waits.length)
      })
      return Effect.ensuring(transmit, Effect.sync(end))
    })

  readonly statistics = (): LinkSocketStatistics => ({
    dataReceived: this.#dataReceived,
    requestsReceived: this.#requestsReceived,
    responsesReceived: this.#responsesReceived,
    stunDropped: this.#stunDropped,
    unsendable: this.#unsendable,
    refused: this.#refused,
    waiting: this.#transactions.size
  })

  #reaches({ host }: TransportAddress): boolean {
    const literal = unmapped(host)
    return literal.includes(":") ? this.families.udp6 : this.families.udp4 && family(literal) === 4
  }

  #receive(payload: Uint8Array, from: TransportAddress): void {
    if ((payload[0] ?? 0xff) <= firstByteMax && isStun(payload)) return this.#receiveStun(payload, from)
    this.#dataReceived++
    this.#onData(payload, from)
  }

  #receiveStun(payload: Uint8Array, from: TransportAddress): void {
    const decoded = decode(payload)
    if (Result.isFailure(decoded)) return void this.#stunDropped++
    const message = decoded.success
    // An indication keeps a NAT's binding alive (RFC 8445 section 11) and wants nothing.
    if (message.method !== method.binding || message.fingerprint === "invalid" || message.class === "indication") {
      return void this.#stunDropped++
    }
    if (message.class === "request") {
      this.#requestsReceived++
      return this.#onStun(message, from)
    }
    if (this.#transactions.settle(message, from)) this.#responsesReceived++
    else this.#stunDropped++
  }
}

/** Opens the socket in the families that this machine has; the scope closes it. */
export const open: (options: LinkSocketOptions) => Effect.Effect<LinkSocket, UdpError, Udp | Scope.Scope> =
  Effect.fnUntraced(function* (options) {
    const sockets = yield* bind(options, portsTriedMax)
    const socket: LinkSocket = new Socket(sockets, yield* Clock.Clock)
    return socket
  })
