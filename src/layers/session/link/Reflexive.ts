/**
 * This node's addresses as others see them (server-reflexive candidates, RFC 8445 section 5.1.1.2): asks STUN servers
 * from the link socket, all at once, keeps what the NAT has opened alive (RFC 8445 section 11), and tells when the
 * addresses change. Any node's link socket serves as a server, so that the list may hold members. An answer is a claim:
 * a public server cannot name an address inside this network, and the number of servers bounds how many are named.
 */
import { Clock, Deferred, Effect, PubSub, Result, Schema, type Scope, Semaphore, Stream } from "effect"
import { randomBytes } from "node:crypto"
import { admits, scopeOf } from "../../../domain/addressScope.ts"
import { equals, family, format, type TransportAddress } from "../../../domain/transportAddress.ts"
import { transactionIdLength } from "../../../protocol/stun.ts"
import { type BindingAnswer, encodeBindingRequest, readBindingResponse } from "../../../protocol/stunBinding.ts"
import { reportAndIgnore } from "../../../services/Metrics.ts"
import { Udp } from "../../../services/Udp.ts"
import type { LinkSocket } from "./LinkSocket.ts"

/** The waits after each send: an RTO of 250 ms that doubles (RFC 8489 section 6.2.1), 3 s in all. */
export const waitsMillis: ReadonlyArray<number> = [250, 500, 1000, 1250]
/** A round of questions ends after this, the resolver's time included. */
const roundMillisMax = 3000
/** Servers that are asked; more would tell nothing new. */
const serversMax = 8
/** NATs forget a UDP mapping after 30 s at the earliest, mostly; RFC 8445 section 11 asks for no less than 15 s. */
const keepAliveMillisDefault = 20_000
/** The longest pause while nobody answers, doubled up to it: a network without UDP is asked now and then. */
const silentMillisMax = 160_000
/** Changes that a slow subscriber may be behind. */
const changesMax = 64

/** A STUN server: a host name or an IP literal, and a port. */
export interface StunServer {
  readonly host: string
  readonly port: number
}

/** One server did not tell an address. */
export class ReflexiveFailed extends Schema.TaggedError<ReflexiveFailed>()("ReflexiveFailed", {
  /** As it was given, `host:port`. */
  server: Schema.String,
  reason: Schema.Literals(["resolve", "timeout", "refused", "implausible", "busy", "noFamily"]),
  /** More about it: the resolver's code, the error response, the address that cannot be. */
  detail: Schema.String
}) {
  override get message() {
    return `STUN server ${this.server}: ${this.reason}${this.detail === "" ? "" : ` (${this.detail})`}`
  }
}

/** What one address of one server said. */
export interface ReflexiveAnswer {
  readonly server: StunServer
  /** Where it was asked. */
  readonly address: TransportAddress
  /** The link socket as it sees it. */
  readonly mapped: TransportAddress
  readonly rttMillis: number
  /** Its second address, for the tests of RFC 5780. */
  readonly other: TransportAddress | undefined
}

/** What one round of questions brought. */
export interface ReflexiveReport {
  readonly atMillis: number
  /** The quickest first. */
  readonly answers: ReadonlyArray<ReflexiveAnswer>
  readonly failures: ReadonlyArray<ReflexiveFailed>
}

/** The addresses are not what they were; either list may be empty. */
export interface ReflexiveChange {
  readonly before: ReadonlyArray<TransportAddress>
  readonly after: ReadonlyArray<TransportAddress>
}

export interface ReflexiveOptions {
  readonly socket: LinkSocket
  /** Whom to ask now; read anew each time. The first few count. Must not throw. */
  readonly servers: () => ReadonlyArray<StunServer>
  /** 20 s unless given. */
  readonly keepAliveMillis?: number
}

export interface Reflexive {
  /** The addresses that peers may be told, each once, IPv4 first, the quickest server's first. */
  readonly addresses: () => ReadonlyArray<TransportAddress>
  /** What the latest whole round brought. */
  readonly latest: () => ReflexiveReport | undefined
  /** Asks all servers now, such as after a change of network: in a round of its own, or with others who want one. */
  readonly refresh: Effect.Effect<ReflexiveReport>
  /** Ends with the first round, whatever that brought. */
  readonly began: Effect.Effect<void>
  readonly changes: Stream.Stream<ReflexiveChange>
}

/** What to ask where. */
interface Question {
  readonly server: StunServer
  readonly address: TransportAddress
  readonly waits: ReadonlyArray<number>
}

/** The waits that fit into the time that is left; at least one. */
const within = (millis: number): ReadonlyArray<number> => {
  const waits: Array<number> = []
  let left = Math.max(1, Math.floor(millis))
  for (const wait of waitsMillis) {
    if (left <= 0) break
    waits.push(Math.min(wait, left))
    left -= wait
  }
  return waits
}

/** Whether an answer may be believed: a server that is far away cannot see an address of this network. */
const plausible = (address: TransportAddress, mapped: TransportAddress): boolean =>
  admits(scopeOf(address.host), scopeOf(mapped.host))

/** Asks one address of a server for the mapped address. */
export const ask = Effect.fnUntraced(function* (
  socket: LinkSocket,
  { address, server, waits }: Question
): Effect.fn.Return<ReflexiveAnswer, ReflexiveFailed> {
  const failed = (reason: ReflexiveFailed["reason"], detail: string) =>
    new ReflexiveFailed({ server: format(server), reason, detail })
  const transactionId = randomBytes(transactionIdLength)
  const bytes = encodeBindingRequest({ transactionId })
  const { answer, rttMillis } = yield* socket
    .exchange<BindingAnswer>({ transactionId, bytes, to: address, waits, read: readBindingResponse })
    .pipe(Effect.mapError(({ reason }) => failed(reason, format(address))))
  if (answer._tag === "Refused") return yield* failed("refused", `${answer.code} ${answer.reason}`.trim())
  const { mapped, other } = answer
  if (!plausible(address, mapped)) return yield* failed("implausible", format(mapped))
  return { server, address, mapped, rttMillis, other }
})

/** One address per family that the socket has, in the resolver's order. */
const addressesOf = (socket: LinkSocket, server: StunServer, hosts: ReadonlyArray<string>) => {
  const { udp4, udp6 } = socket.families
  const of = (wanted: 4 | 6) => hosts.find((host) => family(host) === wanted)
  return [udp4 ? of(4) : undefined, udp6 ? of(6) : undefined]
    .filter((host) => host !== undefined)
    .map((host): TransportAddress => ({ host, port: server.port }))
}

/** Resolves a server's name and asks it in each family; failures are results here. */
const askServer = Effect.fnUntraced(function* (socket: LinkSocket, server: StunServer, claimed: Set<string>) {
  const fail = (reason: ReflexiveFailed["reason"], detail: string) =>
    Effect.fail(new ReflexiveFailed({ server: format(server), reason, detail }))
  const begun = yield* Clock.currentTimeMillis
  const hosts = yield* Udp.use((udp) => udp.resolve(server.host)).pipe(
    Effect.catch(({ code }) => fail("resolve", code)),
    Effect.timeoutOrElse({ duration: roundMillisMax, orElse: () => fail("resolve", "no answer") }),
    Effect.result
  )
  if (Result.isFailure(hosts)) return [Result.fail(hosts.failure)]
  const addresses = addressesOf(socket, server, hosts.success)
  if (addresses.length === 0) return [yield* Effect.result(fail("noFamily", hosts.success.join(" ")))]
  const waits = within(roundMillisMax - ((yield* Clock.currentTimeMillis) - begun))
  // Two names of one server would be the same question twice.
  const fresh = addresses.filter((address) => !claimed.has(format(address)))
  for (const address of fresh) claimed.add(format(address))
  return yield* Effect.forEach(fresh, (address) => Effect.result(ask(socket, { server, address, waits })), {
    concurrency: "unbounded"
  })
})

/** Asks all servers at once, once; takes 3 s at most. */
export const askAll = Effect.fnUntraced(function* (
  socket: LinkSocket,
  servers: ReadonlyArray<StunServer>
): Effect.fn.Return<ReflexiveReport, never, Udp> {
  const claimed = new Set<string>()
  const results = yield* Effect.forEach(servers.slice(0, serversMax), (server) => askServer(socket, server, claimed), {
    concurrency: "unbounded"
  })
  const answers: Array<ReflexiveAnswer> = []
  const failures: Array<ReflexiveFailed> = []
  for (const result of results.flat()) {
    if (Result.isSuccess(result)) answers.push(result.success)
    else failures.push(result.failure)
  }
  answers.sort((a, b) => a.rttMillis - b.rttMillis)
  return { atMillis: yield* Clock.currentTimeMillis, answers, failures }
})

/** The mapped addresses, each once, IPv4 first. */
const mappedOf = ({ answers }: ReflexiveReport): ReadonlyArray<TransportAddress> => {
  const distinct = new Map(answers.map(({ mapped }) => [format(mapped), mapped] as const))
  const all = Array.from(distinct.values())
  return [...all.filter(({ host }) => family(host) === 4), ...all.filter(({ host }) => family(host) !== 4)]
}

const sameSet = (a: ReadonlyArray<TransportAddress>, b: ReadonlyArray<TransportAddress>): boolean =>
  a.length === b.length && a.every((one) => b.some((other) => equals(one, other)))

/** The quickest server of each family: asked again and again, so that the NAT's mapping stays. */
const keepersOf = ({ answers }: ReflexiveReport): ReadonlyArray<ReflexiveAnswer> =>
  [4, 6].flatMap((wanted) => answers.find(({ address }) => family(address.host) === wanted) ?? [])

const keyOf = (servers: ReadonlyArray<StunServer>): string => servers.slice(0, serversMax).map(format).join(" ")

/** What is known, and the rounds that find it out. */
const makeRounds = Effect.fnUntraced(function* ({ servers, socket }: ReflexiveOptions) {
  const udp = yield* Udp
  const changes = yield* Effect.acquireRelease(PubSub.sliding<ReflexiveChange>(changesMax), PubSub.shutdown)
  const oneAtATime = Semaphore.makeUnsafe(1)
  let latest: ReflexiveReport | undefined
  let addresses: ReadonlyArray<TransportAddress> = []
  let askedKey = ""

  let begun = 0
  /** Which round the latest report is of. */
  let latestRound = 0

  const round = Effect.gen(function* () {
    const number = ++begun
    const list = servers()
    askedKey = keyOf(list)
    const report = yield* Effect.provideService(askAll(socket, list), Udp, udp)
    const before = addresses
    latest = report
    latestRound = number
    addresses = mappedOf(report)
    if (!sameSet(before, addresses)) yield* PubSub.publish(changes, { before, after: addresses })
    return report
  })

  /** A round that begins from now on. All who wait for their turn share one, or a hundred links would wait minutes. */
  const refresh = Effect.suspend(() => {
    const before = begun
    return oneAtATime.withPermit(
      Effect.suspend(() => (latest !== undefined && latestRound > before ? Effect.succeed(latest) : round))
    )
  })

  /** Whether all is as the latest round found it. */
  const unchanged = Effect.gen(function* () {
    if (latest === undefined || keyOf(servers()) !== askedKey) return false
    const checks = yield* Effect.forEach(
      keepersOf(latest),
      ({ address, mapped, server }) =>
        ask(socket, { server, address, waits: waitsMillis }).pipe(
          Effect.map((answer) => equals(answer.mapped, mapped)),
          Effect.orElseSucceed(() => false)
        ),
      { concurrency: "unbounded" }
    )
    return checks.every((same) => same)
  })

  return {
    refresh,
    unchanged,
    isStale: () => keyOf(servers()) !== askedKey,
    latest: () => latest,
    addresses: () => addresses,
    changes
  }
})

/** Finds the addresses and keeps them alive until the scope closes; the first round goes on in the background. */
export const make: (options: ReflexiveOptions) => Effect.Effect<Reflexive, never, Udp | Scope.Scope> =
  Effect.fnUntraced(function* (options) {
    const { keepAliveMillis = keepAliveMillisDefault } = options
    const rounds = yield* makeRounds(options)
    const began = Deferred.makeUnsafe<void>()
    /** Rounds without any answer, in a row. */
    let silences = 0
    let pauses = 0

    const round = Effect.gen(function* () {
      const { answers } = yield* rounds.refresh
      silences = answers.length > 0 ? 0 : silences + 1
      pauses = 0
    })
    const tick = Effect.gen(function* () {
      pauses++
      const silenceMillis = Math.min(silentMillisMax, keepAliveMillis * 2 ** Math.min(silences - 1, 16))
      const isQuiet = silences > 0 && !rounds.isStale() && pauses * keepAliveMillis < silenceMillis
      if (isQuiet || (silences === 0 && (yield* rounds.unchanged))) return
      yield* round
    })
    const upkeep = Effect.gen(function* () {
      yield* round.pipe(reportAndIgnore("network"), Effect.ensuring(Deferred.succeed(began, undefined)))
      while (true) {
        yield* Effect.sleep(keepAliveMillis)
        yield* tick.pipe(reportAndIgnore("network"))
      }
    })
    yield* Effect.forkScoped(upkeep)
    const reflexive: Reflexive = {
      addresses: rounds.addresses,
      latest: rounds.latest,
      refresh: rounds.refresh,
      began: Deferred.await(began),
      changes: Stream.fromPubSub(rounds.changes)
    }
    return reflexive
  })
