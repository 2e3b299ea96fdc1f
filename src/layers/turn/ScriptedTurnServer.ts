/**
 * A TURN server for tests, over any `Udp`: it behaves until a script says otherwise. A script sees each request and may
 * have it dropped, refused, answered with a wrong signature or from elsewhere, or granted another lifetime; the whole
 * server can be stopped and started. It listens on TCP as well where there is a `Tcp`. Over layers/UdpMemory.ts and
 * layers/TcpMemory.ts all of it runs under TestClock.
 */
import { Clock, Effect, Exit, FiberSet, Option, Redacted, Result, Scope } from "effect"
import { format, type TransportAddress } from "../../domain/transportAddress.ts"
import type { TurnTransport } from "../../domain/turnServer.ts"
import { isChannelData } from "../../protocol/channelData.ts"
import { decode, type DecodedStun } from "../../protocol/stun.ts"
import * as Attribute from "../../protocol/stunAttributes.ts"
import { type IntegrityKey, longTermKey, verifyIntegrity } from "../../protocol/stunIntegrity.ts"
import { method } from "../../protocol/turn.ts"
import { paddingOf, TurnFramer } from "../../protocol/turnFraming.ts"
import { errorResponse, staleNonceResponse, unauthorizedResponse } from "../../protocol/turnServerMessages.ts"
import { Tcp, type TcpSocket } from "../../services/Tcp.ts"
import { Udp, type UdpEndpoint, type UdpError } from "../../services/Udp.ts"
import { type ServerAllocation, ServerAllocations, transactionName } from "./ServerAllocations.ts"

export interface ScriptedTurnServerOptions {
  /** 127.0.0.1:3478 unless given; port 0 takes a free one. */
  readonly address?: TransportAddress
  /** Where relayed addresses are; the server's host unless given. */
  readonly relayHost?: string
  readonly realm?: string
  /** `user` and `password` unless given. */
  readonly credentials?: { readonly username: string; readonly password: Redacted.Redacted }
  readonly lifetimeSecondsMax?: number
  /** Hosts that are refused with 403. */
  readonly deniedHosts?: Iterable<string>
  /** Whether it hears nothing over UDP, as behind a firewall that drops all of it. */
  readonly udpBlocked?: boolean
}

/** One request as it arrived, before anything was made of it. */
export interface ScriptedRequest {
  readonly atMillis: number
  readonly from: TransportAddress
  readonly transport: TurnTransport
  readonly method: keyof typeof method | "unknown"
  /** Hexadecimal. */
  readonly transaction: string
  readonly authenticated: boolean
  readonly message: DecodedStun
}

/** What happens to a request instead of what a well-behaved server does. */
export type Reaction =
  | { readonly _tag: "Drop" }
  /** An error response, signed like any other unless said otherwise. */
  | { readonly _tag: "Refuse"; readonly code: number; readonly signed?: boolean }
  /** 438 with a new nonce. */
  | { readonly _tag: "Stale" }
  /** The usual answer with another LIFETIME. */
  | { readonly _tag: "Grant"; readonly lifetimeSeconds: number }
  /** The usual answer, changed on its way. */
  | { readonly _tag: "Alter"; readonly alter: (answer: Uint8Array) => Uint8Array }
  /** The usual answer, from another port of the server; over TCP as usual. */
  | { readonly _tag: "Elsewhere" }

export type Script = (request: ScriptedRequest) => Reaction | undefined

export interface ScriptedTurnServer {
  readonly address: TransportAddress
  /** The latest requests, oldest first. */
  readonly requests: () => ReadonlyArray<ScriptedRequest>
  readonly allocations: () => ReadonlyArray<ServerAllocation>
  /** Replaces the script; `undefined` from it means the usual answer. */
  readonly script: (script: Script) => void
  /** The present TCP connections, to be cut or to be written noise on. */
  readonly connections: () => ReadonlyArray<TcpSocket>
  /** Changes whether UDP gets through. */
  readonly blockUdp: (blocked: boolean) => void
  /** Makes the present nonce stale: the next requests get 438. */
  readonly changeNonce: () => void
  /** Ends like a killed process: the port refuses, and allocations and nonces are forgotten. */
  readonly stop: Effect.Effect<void>
  readonly start: Effect.Effect<void, UdpError>
}

/** The journal's length; a day of keepalives fits. */
const requestsMax = 65_536
const defaultAddress: TransportAddress = { host: "127.0.0.1", port: 3478 }

const methodName = (number: number): ScriptedRequest["method"] => {
  switch (number) {
    case method.binding:
      return "binding"
    case method.allocate:
      return "allocate"
    case method.refresh:
      return "refresh"
    case method.createPermission:
      return "createPermission"
    case method.channelBind:
      return "channelBind"
    default:
      return "unknown"
  }
}

/** What lives from one start to the next stop. */
interface Run {
  readonly scope: Scope.Closeable
  readonly endpoint: UdpEndpoint
  /** The other port, for answers from elsewhere. */
  readonly other: UdpEndpoint
  readonly allocations: ServerAllocations
  /** TCP connections by the client's address. */
  readonly connections: Map<string, TcpSocket>
  readonly nonce: Uint8Array
}

const noReaction: Script = () => undefined

class Server {
  readonly requests: Array<ScriptedRequest> = []
  script: Script = noReaction
  address: TransportAddress
  run: Run | undefined
  udpBlocked: boolean
  #nonces = 0
  readonly #options: ScriptedTurnServerOptions
  readonly #realm: string
  readonly #key: IntegrityKey
  readonly #now: () => number
  readonly #tcp: Option.Option<Tcp["Service"]>

  constructor(options: ScriptedTurnServerOptions, now: () => number, tcp: Option.Option<Tcp["Service"]>) {
    const { credentials, realm = "example.org" } = options
    const { password, username } = credentials ?? { username: "user", password: Redacted.make("password") }
    this.#options = options
    this.udpBlocked = options.udpBlocked === true
    this.#realm = realm
    this.#key = Result.getOrThrow(longTermKey({ username, realm, password }))
    this.#now = now
    this.#tcp = tcp
    this.address = options.address ?? defaultAddress
  }

  nextNonce(): Uint8Array {
    this.#nonces++
    return new TextEncoder().encode(`nonce-${this.#nonces}`)
  }

  /** Opens the port, with nothing known of former allocations. */
  start(fork: (effect: Effect.Effect<void, never, Udp>) => void): Effect.Effect<void, UdpError, Udp> {
    const { deniedHosts = [], lifetimeSecondsMax = 3600, relayHost = this.address.host } = this.#options
    return Effect.gen({ self: this }, function* () {
      if (this.run !== undefined) return
      const scope = yield* Scope.make()
      const { host } = this.address
      const bind = (port: number) => Udp.use((udp) => udp.bind({ host, port })).pipe(Scope.provide(scope))
      const [endpoint, other] = yield* Effect.all([bind(this.address.port), bind(0)]).pipe(
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
      )
      // A port that was chosen once stays, so that clients find the server again.
      this.address = endpoint.local
      const allocations = new ServerAllocations({
        relayHost,
        lifetimeSecondsMax,
        deniedHosts: new Set(deniedHosts),
        now: this.#now,
        send: (datagram, to) => this.#sendTo(datagram, to)
      })
      const connections = new Map<string, TcpSocket>()
      const run: Run = { scope, endpoint, other, allocations, connections, nonce: this.nextNonce() }
      this.run = run
      const receive = (datagram: Uint8Array, from: TransportAddress): void => {
        if (isChannelData(datagram)) return allocations.relayChannelData(from, datagram)
        const decoded = decode(datagram)
        if (Result.isFailure(decoded)) return
        const message = decoded.success
        if (message.class === "indication") return allocations.relayIndication(from, message)
        if (message.class === "request") fork(this.#handle(message, from))
      }
      endpoint.onReceive((datagram, from) => {
        if (!this.udpBlocked) receive(datagram, from)
      })
      yield* this.#listenOnTcp(run, receive, fork)
    })
  }

  /** Takes connections where there is a `Tcp`; an allocation ends with its connection. */
  #listenOnTcp(
    { allocations, connections, endpoint, scope }: Run,
    receive: (message: Uint8Array, from: TransportAddress) => void,
    fork: (effect: Effect.Effect<void, never, Udp>) => void
  ): Effect.Effect<void> {
    const accept = (socket: TcpSocket): void => {
      const from = socket.remote
      const framer = new TurnFramer()
      connections.set(format(from), socket)
      socket.onReceive((chunk) => {
        if (framer.push(chunk, (message) => receive(message, from)) !== undefined) socket.abort("EBADMSG")
      })
      socket.onClosed(() => {
        connections.delete(format(from))
        const held = allocations.all().find(({ client }) => format(client) === format(from))
        if (held !== undefined) fork(allocations.release(held))
      })
    }
    if (Option.isNone(this.#tcp)) return Effect.void
    // A port that is taken on TCP leaves a server of UDP alone.
    return Effect.ignore(Scope.provide(this.#tcp.value.listen(endpoint.local, accept), scope))
  }

  /** To a client as it came: ChannelData is padded on a stream. */
  #sendTo(bytes: Uint8Array, to: TransportAddress): void {
    const connection = this.run?.connections.get(format(to))
    if (connection === undefined) this.run?.endpoint.send(bytes, to)
    else connection.send(bytes, undefined, new Uint8Array(paddingOf(bytes.length)))
  }

  stop(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { run } = this
      this.run = undefined
      if (run === undefined) return Effect.void
      return Effect.andThen(
        Effect.forEach(run.allocations.all(), run.allocations.release, { discard: true }),
        Scope.close(run.scope, Exit.void)
      )
    })
  }

  #handle(message: DecodedStun, from: TransportAddress): Effect.Effect<void, never, Udp> {
    return Effect.gen({ self: this }, function* () {
      const { run } = this
      if (run === undefined) return
      const request: ScriptedRequest = {
        atMillis: this.#now(),
        from,
        transport: run.connections.has(format(from)) ? "tcp" : "udp",
        method: methodName(message.method),
        transaction: transactionName(message),
        authenticated: verifyIntegrity(message, this.#key) === "valid",
        message
      }
      this.requests.push(request)
      if (this.requests.length > requestsMax) this.requests.shift()
      const reaction = this.script(request)
      const answer = yield* this.#answer(run, request, reaction)
      if (answer === undefined) return
      const altered = reaction?._tag === "Alter" ? reaction.alter(answer) : answer
      if (reaction?._tag === "Elsewhere" && request.transport === "udp") run.other.send(altered, from)
      else this.#sendTo(altered, from)
    })
  }

  #answer(
    run: Run,
    request: ScriptedRequest,
    reaction: Reaction | undefined
  ): Effect.Effect<Uint8Array | undefined, never, Udp> {
    const { authenticated, from, message } = request
    const challenge = { realm: this.#realm, nonce: run.nonce }
    switch (reaction?._tag) {
      case "Drop":
        return Effect.undefined
      case "Stale":
        this.run = { ...run, nonce: this.nextNonce() }
        return Effect.succeed(staleNonceResponse(message, { ...challenge, nonce: this.run.nonce }))
      case "Refuse": {
        const { code, signed = true } = reaction
        if (code === 401) return Effect.succeed(unauthorizedResponse(message, challenge))
        const key = signed && authenticated ? this.#key : undefined
        return Effect.succeed(errorResponse(message, { code, reason: "Scripted" }, { key }))
      }
      case undefined:
      case "Alter":
      case "Elsewhere":
      case "Grant": {
        if (!authenticated) return Effect.succeed(unauthorizedResponse(message, challenge))
        const nonce = Result.getOrUndefined(Attribute.required(message, Attribute.nonce))
        if (nonce === undefined || Buffer.compare(nonce, run.nonce) !== 0) {
          return Effect.succeed(staleNonceResponse(message, challenge))
        }
        const lifetimeSeconds = reaction?._tag === "Grant" ? reaction.lifetimeSeconds : undefined
        return run.allocations.answer({ message, from, key: this.#key, lifetimeSeconds })
      }
    }
  }
}

/** A server that is started, and stopped when the scope closes. */
export const make = Effect.fnUntraced(function* (
  options: ScriptedTurnServerOptions = {}
): Effect.fn.Return<ScriptedTurnServer, UdpError, Udp | Scope.Scope> {
  const udp = yield* Udp
  const clock = yield* Clock.Clock
  const runFork = yield* FiberSet.makeRuntime<never, void, never>()
  const server = new Server(options, () => clock.currentTimeMillisUnsafe(), yield* Effect.serviceOption(Tcp))
  const start = Effect.suspend(() =>
    server.start((effect) => void runFork(Effect.provideService(effect, Udp, udp)))
  ).pipe(Effect.provideService(Udp, udp))
  yield* start
  yield* Effect.addFinalizer(() => server.stop())
  return {
    address: server.address,
    requests: () => server.requests.slice(),
    allocations: () => server.run?.allocations.all() ?? [],
    script: (script) => {
      server.script = script
    },
    connections: () => Array.from(server.run?.connections.values() ?? []),
    blockUdp: (blocked) => {
      server.udpBlocked = blocked
    },
    changeNonce: () => {
      if (server.run !== undefined) server.run = { ...server.run, nonce: server.nextNonce() }
    },
    stop: server.stop(),
    start
  }
})
