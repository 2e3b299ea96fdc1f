/**
 * What `icn-node doctor` tries, each on sockets of its own and within a time of its own. No probe fails: what went
 * wrong is what it has found.
 */
import { Clock, Deferred, Effect, Option, Result, type Scope } from "effect"
import { randomBytes } from "node:crypto"
import { networkInterfaces } from "node:os"
import { scopeOf } from "../../domain/addressScope.ts"
import type { BootstrapFact, HostFact, NameFact, PortFact, TurnFact } from "../../domain/doctorFacts.ts"
import { canonical } from "../../domain/ipAddress.ts"
import type { PeerUri } from "../../domain/peerAddress.ts"
import { format, type TransportAddress } from "../../domain/transportAddress.ts"
import { transportsOf, type TurnConfig, withTimeout } from "../../domain/turnConfig.ts"
import { format as formatServer, type TurnTransport } from "../../domain/turnServer.ts"
import { answersQuicProbe, connectionIdLength, encodeQuicProbe } from "../../protocol/quicProbe.ts"
import { Tcp, type TcpError } from "../../services/Tcp.ts"
import { Udp, UdpError } from "../../services/Udp.ts"
import { turnCheckOver } from "../turnCheck.ts"
import type { PortQuestion } from "./questions.ts"

/** A resolver that takes longer is as good as none; most systems ask their servers for 5 s. */
const resolveMillisMax = 5000
/** A SYN is sent at 0, 1 and 3 s. */
const connectMillisMax = 4000
/** The waits after each packet of QUIC that is sent. */
const quicWaitsMillis: ReadonlyArray<number> = [500, 1000, 2000]
/** One TURN request: sent at 0, 0.5, 1.5 and 3.5 s over UDP. */
const turnRequestMillisMax = 5000
/** All of a relay's check, so that the doctor is done within about 8 s. */
const turnMillisMax = 7500
/** Members that are tried, all at once: as many as the configuration may name. */
const bootstrapMax = 64

/** The system's code of an error, and nothing when it went well; "timeout" when it took too long. */
const problemOf = <A, E extends { readonly code: string }, R>(work: Effect.Effect<A, E, R>, millisMax: number) =>
  work.pipe(
    Effect.as(undefined),
    Effect.catch(({ code }: { readonly code: string }) => Effect.succeed(code)),
    Effect.timeoutOrElse({ duration: millisMax, orElse: () => Effect.succeed("timeout") })
  )

/** How long something took, in milliseconds with fractions. */
const timed = Effect.fnUntraced(function* <A, E, R>(work: Effect.Effect<A, E, R>) {
  const begun = yield* Clock.monotonicTimeNanos
  const result = yield* work
  return { result, millis: Number((yield* Clock.monotonicTimeNanos) - begun) / 1e6 }
})

export const resolveName = Effect.fnUntraced(function* ({
  keys,
  name
}: Pick<NameFact, "name" | "keys">): Effect.fn.Return<NameFact, never, Udp> {
  const { millis, result } = yield* timed(
    Udp.use((udp) => udp.resolve(name)).pipe(
      Effect.mapError(({ code }) => code),
      Effect.timeoutOrElse({ duration: resolveMillisMax, orElse: () => Effect.fail("timeout") }),
      Effect.result
    )
  )
  return Result.isSuccess(result)
    ? { name, keys, millis, addresses: result.success, problem: undefined }
    : { name, keys, millis, addresses: [], problem: result.failure }
})

/** Tries one transport of the TURN server, also where the node would not use it. */
export const tryTurn = (config: TurnConfig, transport: TurnTransport) => {
  const fact: TurnFact = {
    server: formatServer(config.server),
    transport,
    isAllowed: transportsOf(config).includes(transport),
    ok: false,
    relayed: undefined,
    rttMs: undefined,
    problem: undefined
  }
  return turnCheckOver(config.pipe(withTimeout(turnRequestMillisMax)), transport).pipe(
    Effect.map(({ error, ok, relayedAddress, rttMs }): TurnFact => ({
      ...fact,
      ok,
      relayed: relayedAddress,
      rttMs,
      problem: error
    })),
    Effect.timeoutOrElse({
      duration: turnMillisMax,
      orElse: () => Effect.succeed<TurnFact>({ ...fact, problem: `not done within ${turnMillisMax / 1000} s` })
    })
  )
}

/** Opens a connection to all addresses of a member at once, and closes it; one that answers is enough. */
const connectTo = Effect.fnUntraced(function* ({ host, port }: TransportAddress) {
  const hosts = yield* Udp.use((udp) => udp.resolve(host))
  const tcp = yield* Tcp
  yield* Effect.raceAll(hosts.map((literal) => Effect.scoped(Effect.asVoid(tcp.connect({ host: literal, port })))))
})

/** Asks one address over QUIC, again after each wait. */
const askQuic = (to: TransportAddress): Effect.Effect<void, UdpError, Udp> =>
  Effect.scoped(
    Effect.gen(function* () {
      const ids = { destinationId: randomBytes(connectionIdLength), sourceId: randomBytes(connectionIdLength) }
      const socket = yield* Udp.use((udp) => udp.connect(to))
      const answered = Deferred.makeUnsafe<void>()
      socket.onReceive((bytes) => {
        if (answersQuicProbe(bytes, ids)) Deferred.doneUnsafe(answered, Effect.void)
      })
      const probe = encodeQuicProbe(ids)
      for (const wait of quicWaitsMillis) {
        socket.send(probe)
        if (Option.isSome(yield* Effect.timeoutOption(Deferred.await(answered), wait))) return
      }
      return yield* new UdpError({ operation: "open", target: format(to), code: "timeout" })
    })
  )

/** Whether any address of a member answers over QUIC. */
const answersQuic = ({ host, port }: TransportAddress): Effect.Effect<boolean, never, Udp> =>
  Udp.use((udp) => udp.resolve(host)).pipe(
    Effect.flatMap((hosts) => Effect.raceAll(hosts.map((literal) => askQuic({ host: literal, port })))),
    Effect.as(true),
    Effect.orElseSucceed(() => false),
    Effect.timeoutOrElse({ duration: connectMillisMax, orElse: () => Effect.succeed(false) })
  )

export const tryBootstrapPeers: (
  peers: ReadonlyArray<PeerUri>
) => Effect.Effect<ReadonlyArray<BootstrapFact>, never, Udp | Tcp> = (peers) =>
  Effect.forEach(
    peers.slice(0, bootstrapMax),
    Effect.fnUntraced(function* ({ address, did }) {
      const fact = { did: did.text, address: format(address) }
      const { transport } = address
      const overQuic = transport === "tcp" ? Effect.succeed(undefined) : answersQuic(address)
      if (transport === "quic") {
        return { ...fact, result: "udpOnly", millis: 0, problem: undefined, quic: yield* overQuic } as const
      }
      const overTcp = timed(problemOf(connectTo(address), connectMillisMax))
      const { quic, tcp } = yield* Effect.all({ tcp: overTcp, quic: overQuic }, { concurrency: 2 })
      const { millis, result: problem } = tcp
      return { ...fact, result: problem === undefined ? "connected" : "failed", millis, problem, quic } as const
    }),
    { concurrency: bootstrapMax }
  )

/** Binds a port and lets it go again. */
const tryPort = Effect.fnUntraced(function* ({ address, key, protocol }: PortQuestion) {
  const bound: Effect.Effect<unknown, UdpError | TcpError, Udp | Tcp | Scope.Scope> =
    protocol === "udp"
      ? Udp.use((udp) => udp.bind(address))
      : Tcp.use((tcp) => tcp.listen(address, (socket) => socket.abort("CLOSED")))
  const problem = yield* problemOf(Effect.scoped(bound), connectMillisMax)
  const fact: PortFact = {
    key,
    protocol,
    address: address.port === 0 ? `${address.host} (any port)` : format(address),
    problem
  }
  return fact
})

/** One after the other, since the doctor must not be in its own way. */
export const tryPorts = (questions: ReadonlyArray<PortQuestion>) => Effect.forEach(questions, tryPort)

/** The addresses of this machine's interfaces. */
export const ownHosts: Effect.Effect<ReadonlyArray<HostFact>> = Effect.sync(() =>
  Object.entries(networkInterfaces()).flatMap(([interfaceName, addresses = []]) =>
    addresses.flatMap(({ address }) => {
      const host = canonical(address)
      return host === undefined ? [] : [{ host, interfaceName, scope: scopeOf(host) }]
    })
  )
)
