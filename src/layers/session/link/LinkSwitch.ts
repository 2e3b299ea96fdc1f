/**
 * Where the packets of all links meet: what comes on the link socket or through the relay is told apart, checks (RFC
 * 8445 section 7) are answered and sent, and data goes to the link whose member has proven to be there. Plain functions
 * per packet; the agents say what to send when, and Links.ts asks them.
 */
import { type Effect, Result } from "effect"
import { withoutZone } from "../../../domain/ipAddress.ts"
import type { LinkBase, LinkCheck, LinkPath } from "../../../domain/linkPath.ts"
import { pathKey } from "../../../domain/linkPath.ts"
import { Allowances, full, take, type TokenRate } from "../../../domain/tokenBucket.ts"
import { equals, type TransportAddress } from "../../../domain/transportAddress.ts"
import { decode, type DecodedStun, isStun } from "../../../protocol/stun.ts"
import {
  encodeCheck,
  encodeCheckResponse,
  readCheck,
  readCheckResponse,
  usernameOf
} from "../../../protocol/stunBinding.ts"
import { method } from "../../../protocol/turn.ts"
import { sourceOf } from "../Table.ts"
import type { BindingResponder } from "./BindingResponder.ts"
import type { Link } from "./Link.ts"
import type { LinkSocket } from "./LinkSocket.ts"
import type { RelayPort } from "./RelayPort.ts"

/** A response that comes later than this is not waited for; the agent has given the check up long before. */
const responseMillisMax = 5000
/** Checks through the relay that wait for a response. */
const relayChecksMax = 2048
/** Packets of one link that wait for a way: the first flights of a handshake. */
const earlyPacketsMax = 16
/** Datagrams of QUIC that go once more when their way is lost: enough that some arrive on a path that loses some. */
const latestPacketsMax = 8
/** Addresses at which one member may be heard. */
const routesPerLinkMax = 64
/** Channels that one link may have bound: all of them have to last for all members, and without one it works, too. */
const channelsPerLinkMax = 16
/**
 * Checks to one host that one member may cause, however often it offers, while nobody answers there: it may have named
 * somebody else's. Enough for eight addresses of one NAT.
 */
const unprovenRate: TokenRate = { ratePerSecond: 4, burst: 64 }
/** Pairs of member and host for which that is remembered. */
const unprovenMax = 4096
/** Checks of one member that are answered: several times of what its pace allows. */
const answerRate: TokenRate = { ratePerSecond: 100, burst: 200 }
const unlimited: TokenRate = { ratePerSecond: Number.MAX_SAFE_INTEGER, burst: Number.MAX_SAFE_INTEGER }

export interface SwitchStatistics {
  /** Data from addresses at which no member has proven itself. */
  strayPackets: number
  /** STUN through the relay that cannot be read, or answers nothing; the link socket counts its own. */
  malformedPackets: number
  /** Checks that are nobody's, not signed as they should be, or on a way that cannot be used. */
  checksRefused: number
  /** Checks that were not sent, because too many went to a host that does not answer. */
  checksHeldBack: number
}

export interface SwitchParts {
  readonly socket: LinkSocket
  readonly relay: RelayPort
  readonly responder: BindingResponder
  /** Runs what nobody waits for. */
  readonly run: (effect: Effect.Effect<void>) => void
  /** Milliseconds of a clock that never steps. */
  readonly now: () => number
  /** Unpredictable bytes. */
  readonly randomBytes: (length: number) => Uint8Array
}

interface RelayCheck {
  readonly link: Link
  readonly check: LinkCheck
  readonly deadlineMillis: number
}

const transactionKey = (id: Uint8Array): string => Buffer.from(id).toString("latin1")

export class LinkSwitch {
  readonly #parts: SwitchParts
  readonly #byUfrag = new Map<string, Link>()
  /** Which member is heard at an address: `udp|host:port` or `relay|host:port`. */
  readonly #routes = new Map<string, Link>()
  readonly #relayChecks = new Map<string, RelayCheck>()
  readonly #unproven = new Allowances({ messages: unprovenRate, bytes: unlimited }, unprovenMax)
  readonly statistics: SwitchStatistics = {
    strayPackets: 0,
    malformedPackets: 0,
    checksRefused: 0,
    checksHeldBack: 0
  }

  constructor(parts: SwitchParts) {
    this.#parts = parts
    const { relay, socket } = parts
    socket.onData((payload, from) => this.#data("udp", payload, from))
    socket.onStun((request, from) => this.#request("udp", request, from))
    relay.onReceive((payload, from) => this.#relayed(payload, from))
  }

  add(link: Link): void {
    this.#byUfrag.set(link.local.ufrag, link)
  }

  remove(link: Link): void {
    if (this.#byUfrag.get(link.local.ufrag) === link) this.#byUfrag.delete(link.local.ufrag)
    for (const key of link.routes) if (this.#routes.get(key) === link) this.#routes.delete(key)
    link.routes.clear()
    for (const [key, waiting] of this.#relayChecks) if (waiting.link === link) this.#relayChecks.delete(key)
  }

  /** Sends what QUIC hands to the member, on the way that is used now. */
  send(link: Link, payload: Uint8Array): void {
    const path = link.agent.active
    if (path === undefined) {
      // The member's first packets may come a moment before this side knows the way back.
      if (link.early.length < earlyPacketsMax) link.early.push(payload)
      else link.droppedPackets++
      return
    }
    link.latest[link.latestAt] = payload
    link.latestAt = (link.latestAt + 1) % latestPacketsMax
    this.#sendOn(link, path, payload)
  }

  /**
   * Sends the latest datagrams once more, on the way that is used now. They went where nothing gets through, and QUIC
   * may wait for seconds until it tries again; what comes twice it ignores.
   */
  sendAgain(link: Link): void {
    const path = link.agent.active
    if (path === undefined) return
    const { latest, latestAt } = link
    for (const payload of [...latest.slice(latestAt), ...latest.slice(0, latestAt)]) this.#sendOn(link, path, payload)
  }

  #sendOn(link: Link, path: LinkPath, payload: Uint8Array): void {
    if (path.base === "udp") this.#parts.socket.send(payload, path.remote)
    else this.#parts.relay.send(payload, path.remote, link.meter)
  }

  /** Sends what waited for a way. */
  flush(link: Link): void {
    for (const payload of link.early.splice(0)) this.send(link, payload)
  }

  /** Sends a check, and tells the agent of its response. */
  check(link: Link, check: LinkCheck): void {
    const { remote } = link
    if (remote === undefined) return
    if (!this.#maySend(link, check)) return void this.statistics.checksHeldBack++
    const transactionId = this.#parts.randomBytes(12)
    const bytes = encodeCheck({
      transactionId,
      username: `${remote.ufrag}:${link.local.ufrag}`,
      key: remote.key,
      priority: check.priority,
      controlling: link.controlling,
      tieBreaker: link.tieBreaker,
      nominate: check.nominate && link.controlling
    })
    if (check.base === "relay") {
      this.#expectRelayed(transactionKey(transactionId), link, check)
      return this.#parts.relay.sendCheck(bytes, check.to)
    }
    const { socket } = this.#parts
    const settle = (response: DecodedStun): boolean => this.#response(link, check, response)
    socket.expect({ transactionId, from: check.to, timeoutMillis: responseMillisMax, givesWay: true, settle })
    socket.send(bytes, check.to)
  }

  #maySend(link: Link, { base, to }: LinkCheck): boolean {
    if (link.agent.hasConsent(base, to)) return true
    return this.#unproven.take(`${link.did.text}|${sourceOf(to.host)}`, this.#parts.now(), 0) === 0
  }

  #expectRelayed(key: string, link: Link, check: LinkCheck): void {
    const now = this.#parts.now()
    if (this.#relayChecks.size >= relayChecksMax) {
      for (const [waiting, { deadlineMillis }] of this.#relayChecks) {
        if (deadlineMillis < now || this.#relayChecks.size >= relayChecksMax) this.#relayChecks.delete(waiting)
      }
    }
    this.#relayChecks.set(key, { link, check, deadlineMillis: now + responseMillisMax })
  }

  /** Whether the response counts: only what the member has signed does. */
  #response(link: Link, check: LinkCheck, response: DecodedStun): boolean {
    const { remote } = link
    if (remote === undefined || link.state === "closed") return false
    const answer = readCheckResponse(response, remote.key)
    if (answer === undefined) return false
    if (answer._tag === "Refused") return true
    if (link.agent.onResponse(check.id, check.to, check.base, answer.mapped, this.#parts.now())) {
      this.#learn(link, check.base, check.to)
      if (check.base === "relay") this.#bind(link, check.to)
    }
    link.wake.openUnsafe()
    return true
  }

  #request(base: LinkBase, request: DecodedStun, from: TransportAddress): void {
    const username = usernameOf(request)
    if (username === undefined) {
      // Everybody may ask where they are seen, but not through the relay, where nobody but members can be.
      if (base === "udp") this.#parts.responder.answer(request, from)
      return
    }
    const [ours = "", theirs] = username.split(":")
    const link = this.#byUfrag.get(ours)
    if (link === undefined || (link.remote !== undefined && link.remote.ufrag !== theirs)) {
      return void this.statistics.checksRefused++
    }
    const check = readCheck(request, link.local.key)
    // Who has which role follows from their keys, so that nobody needs to be told of a conflict.
    const isValid = Result.isSuccess(check) && check.success.controlling !== link.controlling
    if (!isValid || !this.#mayAnswer(link)) {
      return void this.statistics.checksRefused++
    }
    const { nominate, priority } = check.success
    if (!link.agent.onRequest({ base, from, nominated: nominate, priority }, this.#parts.now())) {
      return void this.statistics.checksRefused++
    }
    // Whoever sends a packet can say that it comes from anywhere; who is known to be there stays.
    const owner = this.#routes.get(pathKey(base, from))
    if (owner === undefined || !owner.agent.hasConsent(base, from)) this.#learn(link, base, from)
    const { transactionId } = request
    const mapped = { host: withoutZone(from.host), port: from.port }
    const response = encodeCheckResponse({ transactionId, mapped, key: link.local.key })
    if (base === "udp") this.#parts.socket.send(response, from)
    else this.#parts.relay.sendCheck(response, from)
    link.wake.openUnsafe()
  }

  #relayed(payload: Uint8Array, from: TransportAddress): void {
    if (!isStun(payload)) return this.#data("relay", payload, from)
    const decoded = decode(payload)
    const message = Result.getOrUndefined(decoded)
    if (message === undefined || message.method !== method.binding || message.fingerprint === "invalid") {
      return void this.statistics.malformedPackets++
    }
    if (message.class === "request") return this.#request("relay", message, from)
    if (!this.#settle(message, from)) this.statistics.malformedPackets++
  }

  /** Whether a response through the relay was waited for, from there, and counts. */
  #settle(message: DecodedStun, from: TransportAddress): boolean {
    const key = transactionKey(message.transactionId)
    const waiting = this.#relayChecks.get(key)
    if (waiting === undefined || !equals(waiting.check.to, from)) return false
    const isLate = waiting.deadlineMillis < this.#parts.now()
    if (!isLate && !this.#response(waiting.link, waiting.check, message)) return false
    this.#relayChecks.delete(key)
    return !isLate
  }

  #data(base: LinkBase, payload: Uint8Array, from: TransportAddress): void {
    const link = this.#routes.get(pathKey(base, from))
    if (link?.loopback === undefined) return void this.statistics.strayPackets++
    if (base === "relay") link.meter.receivedBytes += payload.length
    link.loopback.deliver(payload)
  }

  #mayAnswer(link: Link): boolean {
    const now = this.#parts.now()
    const { admitted, bucket } = take(answerRate, link.answers ?? full(answerRate, now), now, 1)
    link.answers = bucket
    return admitted
  }

  /** The member is heard there from now on. */
  #learn(link: Link, base: LinkBase, at: TransportAddress): void {
    const key = pathKey(base, at)
    const owner = this.#routes.get(key)
    owner?.routes.delete(key)
    // A member that moves on and on leaves the oldest behind.
    for (const oldest of link.routes) {
      if (link.routes.size < routesPerLinkMax) break
      link.routes.delete(oldest)
      this.#routes.delete(oldest)
    }
    link.routes.add(key)
    this.#routes.set(key, link)
  }

  /** Bound for as long as the permission is there, so that a way over the relay is ready when it is needed. */
  #bind(link: Link, to: TransportAddress): void {
    const key = pathKey("relay", to)
    if (link.channels.has(key) || link.channels.size >= channelsPerLinkMax) return
    link.channels.add(key)
    this.#parts.run(this.#parts.relay.bind(to))
  }
}
