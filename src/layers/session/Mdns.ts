/**
 * Finding members on the local network by multicast DNS, over IPv4 and IPv6, on chosen interfaces only: asks who is
 * there, says where this node listens, and says goodbye at the end. The bytes are in protocol/mdns.ts, the choice of
 * interfaces in domain/mdnsInterfaces.ts, the socket in MdnsSocket.ts. What is heard is anybody's claim: the caller
 * judges the addresses, and a session proves the member. Nothing here is fatal; failures are reported once each.
 */
import { Cause, Clock, Effect, Exit, Queue, Random, Result, Schema, Scope } from "effect"
import { networkInterfaces as systemInterfaces } from "node:os"
import type { Did } from "../../domain/did.ts"
import {
  addressesOn,
  type ChosenInterface,
  chooseInterfaces,
  type NetworkInterface,
  senderOn
} from "../../domain/mdnsInterfaces.ts"
import { MdnsMembers } from "../../domain/mdnsMembers.ts"
import { mdnsPacketsDropped } from "../../domain/metrics.ts"
import { formatAddress, type PeerAddress } from "../../domain/peerAddress.ts"
import { systemErrorText } from "../../domain/systemError.ts"
import { type Allowance, Allowances } from "../../domain/tokenBucket.ts"
import type { TransportAddress } from "../../domain/transportAddress.ts"
import {
  type Announcement,
  decode,
  encodeOffer,
  encodeQuery,
  type Offer,
  offersOf,
  ttlSecondsDefault
} from "../../protocol/mdns.ts"
import { Metrics, report, reportAndIgnore } from "../../services/Metrics.ts"
import { type MdnsFailed, type MdnsSocket, open as openSocket, type OnPacket } from "./MdnsSocket.ts"

/** RFC 6762. */
const portDefault = 5353
/** How often the interfaces and this node's own addresses are looked at. */
const checkMillis = 10_000
/** The pause after the first question, doubled up to the longest: a member announces itself when it comes anyway. */
const askMillisFirst = 10_000
const askMillisMax = 60_000
/** Answers on one interface are at least this far apart, however many ask (RFC 6762 section 6). */
const answerMillisMin = 1000
/** Answers wait a little, at random, so that not all members speak at the same moment (RFC 6762 section 6). */
const answerDelayMillis = { min: 20, max: 120 } as const
/** Announcements that wait to be acted upon, per interface. */
const inboxMax = 64
/** Machines on one interface of whom it is remembered how much they send. */
const sendersMax = 1024
/** What one machine may send: all its programs together, which with many services come in bursts. */
const allowance: Allowance = {
  messages: { ratePerSecond: 20, burst: 100 },
  bytes: { ratePerSecond: 32 * 1024, burst: 128 * 1024 }
}

/** Something about the interfaces that somebody should look at. */
class MdnsProblem extends Schema.TaggedError<MdnsProblem>()("MdnsProblem", { problem: Schema.String }) {
  override get message() {
    return this.problem
  }
}

export interface MdnsOptions {
  /** This node. */
  readonly did: Did
  /** Where this node listens now, wildcards resolved; must not throw. */
  readonly listening: () => ReadonlyArray<PeerAddress>
  /** Names or IP addresses of interfaces, from the configuration. */
  readonly interfaces: ReadonlyArray<string>
  /** Where this node was told to listen: its specific addresses choose the interfaces when none is named. */
  readonly listen: ReadonlyArray<TransportAddress>
  /** 5353 unless given. */
  readonly port?: number
  /** The interfaces of this machine; those of the system unless given. */
  readonly networkInterfaces?: () => ReadonlyArray<NetworkInterface>
  /**
   * A member claims to be at these addresses. Whoever says so is at `scopeHost`, an IP literal of the local network:
   * judge each address by `admits` of domain/addressScope.ts. Called again for an unchanged claim after a minute.
   */
  readonly onFound: (did: Did, addresses: ReadonlyArray<PeerAddress>, scopeHost: string) => Effect.Effect<void>
}

const readInterfaces = (): ReadonlyArray<NetworkInterface> =>
  Object.entries(systemInterfaces()).flatMap(([name, entries = []]) =>
    entries.map(({ address, family, internal, netmask }) => ({
      name,
      address,
      netmask,
      family: family === "IPv4" ? 4 : 6,
      internal
    }))
  )

interface Heard {
  readonly announcement: Announcement
  readonly sender: string
}

interface LinkParts extends MdnsOptions {
  readonly port: number
  readonly chosen: ChosenInterface
  /** The interfaces as they were at the latest check. */
  readonly current: () => ReadonlyArray<NetworkInterface>
  readonly members: MdnsMembers
  readonly onDropped: () => void
}

/** What goes on on one interface in one family. */
interface Link {
  /** Announces again when what there is to announce has changed. */
  readonly check: Effect.Effect<void>
  /** Why the latest packet could not be sent; `undefined` when it could. */
  readonly problem: () => MdnsFailed | undefined
}

/** Sorts what arrives: announcements into the inbox, questions to whoever answers. Plain code, once per packet. */
const receiver = (
  { chosen, current, did, onDropped, port }: LinkParts,
  clock: Clock.Clock,
  announced: () => ReadonlyArray<Offer>,
  inbox: Queue.Queue<Heard>,
  asked: Queue.Queue<void>
): OnPacket => {
  const allowances = new Allowances(allowance, sendersMax)
  return (bytes, from) => {
    const sender = senderOn(chosen, current(), from.address)
    // Not dropped, but not for this socket.
    if (sender === undefined) return
    if (allowances.take(sender, clock.currentTimeMillisUnsafe(), bytes.length) > 0) return onDropped()
    const decoded = decode(bytes)
    if (Result.isFailure(decoded)) return onDropped()
    const message = decoded.success
    switch (message._tag) {
      case "Other":
        return
      case "Query":
        // Another source port wants a unicast answer (RFC 6762 section 6.7), which nobody gets.
        if (from.port !== port) return
        // This node's own question names all of its offers.
        if (announced().some(({ instance }) => !message.known.includes(instance))) Queue.offerUnsafe(asked, undefined)
        return
      case "Answer":
        // RFC 6762 section 6: an answer from elsewhere is not to be believed.
        if (from.port !== port) return onDropped()
        for (const announcement of message.announcements) {
          if (announcement.did.text === did.text) continue
          if (!Queue.offerUnsafe(inbox, { announcement, sender })) onDropped()
        }
    }
  }
}

/** Tells the caller of members that are new, have changed, or were last told of a minute ago. */
const listen = ({ chosen, members, onFound }: LinkParts, inbox: Queue.Dequeue<Heard>): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { announcement, sender } = yield* Queue.take(inbox)
    const { addresses, did, instance, ttlSeconds } = announcement
    const name = `${chosen.name} ${did.text} ${instance}`
    if (ttlSeconds === 0) return members.forget(name)
    const content = addresses.map(formatAddress).toSorted().join(" ")
    const isNews = members.isNews(name, content, yield* Clock.currentTimeMillis)
    if (isNews && addresses.length > 0) yield* reportAndIgnore("mdns")(onFound(did, addresses, sender))
  }).pipe(Effect.forever)

const openLink: (parts: LinkParts) => Effect.Effect<Link, MdnsFailed, Scope.Scope> = Effect.fnUntraced(
  function* (parts) {
    const { chosen, current, did, listening, port } = parts
    const inbox = yield* Queue.dropping<Heard>(inboxMax)
    const asked = yield* Queue.sliding<void>(1)
    const offers = () => offersOf(did, addressesOn(chosen.name, current(), listening()))
    let problem: MdnsFailed | undefined
    let announced: ReadonlyArray<Offer> = []
    const onPacket = receiver(parts, yield* Clock.Clock, () => announced, inbox, asked)
    const socket: MdnsSocket = yield* openSocket(chosen, port, onPacket)

    const send = (packet: Uint8Array): Effect.Effect<void> =>
      Effect.match(socket.send(packet), {
        // Told at the next check, once.
        onFailure: (failed) => void (problem = failed),
        onSuccess: () => void (problem = undefined)
      })

    const announce = Effect.suspend(() => {
      const present = offers()
      const gone = announced.filter((old) => !present.some(({ instance }) => instance === old.instance))
      announced = present
      const packets = [
        ...gone.map((offer) => encodeOffer(did, offer, 0)),
        ...present.map((offer) => encodeOffer(did, offer, ttlSecondsDefault))
      ]
      return Effect.forEach(packets, send, { discard: true })
    })

    const sayGoodbye = Effect.suspend(() =>
      Effect.forEach(announced, (offer) => send(encodeOffer(did, offer, 0)), { discard: true })
    )

    const answer = Effect.gen(function* () {
      let latest = Number.NEGATIVE_INFINITY
      while (true) {
        yield* Queue.take(asked)
        const since = (yield* Clock.currentTimeMillis) - latest
        const delay = yield* Random.nextIntBetween(answerDelayMillis.min, answerDelayMillis.max)
        // A clock that was set back makes nobody wait for longer.
        yield* Effect.sleep(Math.max(delay, answerMillisMin - Math.max(0, since)))
        // Whoever asked meanwhile is answered by this.
        yield* Queue.clear(asked)
        latest = yield* Clock.currentTimeMillis
        yield* announce
      }
    })

    const ask = Effect.gen(function* () {
      for (let pause = askMillisFirst; ; pause = Math.min(askMillisMax, pause * 2)) {
        yield* send(encodeQuery(offers()))
        yield* Effect.sleep(pause)
      }
    })

    yield* Effect.addFinalizer(() => sayGoodbye)
    Queue.offerUnsafe(asked, undefined)
    for (const part of [listen(parts, inbox), answer, ask]) {
      yield* Effect.forkScoped(reportAndIgnore("mdns")(part), { startImmediately: true })
    }
    yield* Effect.logDebug(`looking for members on ${chosen.name} (IPv${chosen.family})`)
    return {
      check: Effect.sync(() => {
        if (JSON.stringify(offers()) !== JSON.stringify(announced)) Queue.offerUnsafe(asked, undefined)
      }),
      problem: () => problem
    }
  }
)

const keyOf = ({ address, family, name }: ChosenInterface): string => `${name} ${family} ${address}`

/** Runs in the surrounding scope, whose end says goodbye. Ready once the interfaces of the moment are open. */
export const start: (options: MdnsOptions) => Effect.Effect<void, never, Scope.Scope> = Effect.fnUntraced(
  function* (options) {
    const { interfaces, listen, networkInterfaces = readInterfaces, port = portDefault } = options
    const metrics = yield* Metrics
    let dropped = 0
    yield* metrics.sample(mdnsPacketsDropped, {}, () => dropped)
    const members = new MdnsMembers()
    const scope = yield* Effect.scope
    const links = new Map<string, { readonly link: Link; readonly scope: Scope.Closeable }>()
    const onDropped = () => void dropped++
    let current: ReadonlyArray<NetworkInterface> = []
    let told: ReadonlySet<string> = new Set()

    const open = Effect.fnUntraced(function* (chosen: ChosenInterface) {
      const own = yield* Scope.fork(scope)
      const link = yield* openLink({ ...options, port, chosen, current: () => current, members, onDropped }).pipe(
        Scope.provide(own),
        Effect.onError((cause) => Scope.close(own, Exit.failCause(cause)))
      )
      links.set(keyOf(chosen), { link, scope: own })
    })

    /** Opens and closes what has to be, and gives back what is wrong. */
    const adjust = Effect.fnUntraced(function* () {
      const read = yield* Effect.result(Effect.try({ try: networkInterfaces, catch: systemErrorText }))
      if (Result.isFailure(read)) return [`cannot read the interfaces: ${read.failure}`]
      current = read.success
      const { chosen, problems } = chooseInterfaces(interfaces, listen, current)
      const keys = new Set(chosen.map(keyOf))
      for (const [key, { scope }] of links) {
        if (keys.has(key)) continue
        links.delete(key)
        yield* Scope.close(scope, Exit.void)
      }
      const found = [...problems]
      for (const one of chosen) {
        const existing = links.get(keyOf(one))
        if (existing !== undefined) {
          yield* existing.link.check
          const problem = existing.link.problem()
          if (problem !== undefined) found.push(problem.message)
          continue
        }
        const opened = yield* Effect.result(open(one))
        if (Result.isFailure(opened)) found.push(opened.failure.message)
      }
      if (chosen.length === 0 && found.length === 0) {
        found.push("mDNS has no interface to use: name some in network.mdns_interfaces")
      }
      return found
    })

    const check = Effect.gen(function* () {
      const problems = yield* adjust()
      for (const problem of problems) {
        if (!told.has(problem)) yield* report("mdns", Cause.fail(new MdnsProblem({ problem })))
      }
      told = new Set(problems)
    })

    yield* check
    yield* Effect.forkScoped(Effect.forever(Effect.delay(reportAndIgnore("mdns")(check), checkMillis)))
  }
)
