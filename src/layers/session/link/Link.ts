/**
 * One link: a UDP socket on loopback that stands for a member, and the ways on which what QUIC sends there gets to it.
 * Which way is used, the agent decides (domain/linkAgent.ts); this keeps the link's secrets, counts, and passes packets
 * on. Plain code: everything here is called per packet or per check.
 */
import { Deferred, Latch, Redacted, Result, Schema, type Scope } from "effect"
import type { Did } from "../../../domain/did.ts"
import type { LinkAgent } from "../../../domain/linkAgent.ts"
import type { LinkPath } from "../../../domain/linkPath.ts"
import type { TokenBucket } from "../../../domain/tokenBucket.ts"
import type { TransportAddress } from "../../../domain/transportAddress.ts"
import { type IntegrityKey, shortTermKey } from "../../../protocol/stunIntegrity.ts"
import type { WireLink, WirePath } from "../Wire.ts"
import type { RelayMeter } from "./RelayPort.ts"

/** A link came to nothing, or its end. */
export class LinkFailed extends Schema.TaggedError<LinkFailed>()("LinkFailed", {
  /**
   * `noRoute`: nobody passes an offer on to the member; `noAnswer`: it did not answer the offer; `refused`: it wants no
   * link; `noPath`: no check got through; `noSession`: a path was found, but no session came up over it; `limit`: there
   * are too many links; `closed`: this side gave it up.
   */
  reason: Schema.Literals(["noRoute", "noAnswer", "refused", "noPath", "noSession", "limit", "closed"]),
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

/** What authenticates checks to one side (RFC 8445 section 5.3). */
export interface LinkSecret {
  readonly ufrag: string
  readonly password: string
  readonly key: IntegrityKey
}

/** A secret of its texts; fails for a password that cannot be one. */
export const secretOf = ({ password, ufrag }: Pick<LinkSecret, "ufrag" | "password">) =>
  Result.map(shortTermKey(Redacted.make(password)), (key): LinkSecret => ({ ufrag, password, key }))

/** The socket on loopback that QUIC takes for the member. */
export interface LoopbackPort {
  readonly port: number
  /** Hands a packet of the member to QUIC. */
  readonly deliver: (payload: Uint8Array) => void
}

export interface LinkInit {
  readonly did: Did
  readonly id: Uint8Array
  readonly controlling: boolean
  readonly offered: boolean
  readonly local: LinkSecret
  readonly tieBreaker: bigint
  readonly agent: LinkAgent
  readonly meter: RelayMeter
  readonly scope: Scope.Closeable
  readonly up: Deferred.Deferred<void, LinkFailed>
  /** Milliseconds since the epoch, for people; `startedSteadyMillis` is for measuring. */
  readonly startedAtMillis: number
  readonly startedSteadyMillis: number
}

export class Link implements WireLink {
  readonly did: Did
  readonly id: Uint8Array
  /** Whether this side chooses the way, and dials. */
  readonly controlling: boolean
  /** Whether this side made the offer. */
  readonly offered: boolean
  readonly local: LinkSecret
  readonly tieBreaker: bigint
  readonly agent: LinkAgent
  readonly meter: RelayMeter
  readonly scope: Scope.Closeable
  /** Succeeds once the session over the link, or another session with the member, is there. */
  readonly up: Deferred.Deferred<void, LinkFailed>
  readonly startedAtMillis: number
  readonly startedSteadyMillis: number
  /** Opened whenever the driver should look at the agent. */
  readonly wake = Latch.makeUnsafe(false)
  /** Completes when the first way has been found, or none was. */
  readonly found = Deferred.makeUnsafe<void, LinkFailed>()
  /** Completes with the member's answer. */
  readonly answered = Deferred.makeUnsafe<void, LinkFailed>()
  remote: LinkSecret | undefined
  loopback: LoopbackPort | undefined
  /** Gives back what the relay let in. */
  releasePermits: () => void = () => {}
  /** The latest way, which stays when there is none any more. */
  #path: LinkPath | undefined
  #pathSinceMillis: number
  switches = 0
  consentLosses = 0
  /** Datagrams of QUIC that wait for a way. */
  readonly early: Array<Uint8Array> = []
  /** The latest datagrams of QUIC, for when the way that they took proves to be none. */
  readonly latest: Array<Uint8Array> = []
  /** Where the next one goes, and the oldest is. */
  latestAt = 0
  /** Where the member may be heard, by the names of paths, the oldest first. */
  readonly routes = new Set<string>()
  /** Paths for which the relay was asked for a channel. */
  readonly channels = new Set<string>()
  /** What is left of the checks of the member that are answered. */
  answers: TokenBucket | undefined
  /** Datagrams of QUIC for which there was no way. */
  droppedPackets = 0
  state: "new" | "connecting" | "up" | "closed" = "new"
  /** The session was there at least once. */
  isLost = false

  constructor(init: LinkInit) {
    this.did = init.did
    this.id = init.id
    this.controlling = init.controlling
    this.offered = init.offered
    this.local = init.local
    this.tieBreaker = init.tieBreaker
    this.agent = init.agent
    this.meter = init.meter
    this.scope = init.scope
    this.up = init.up
    this.startedAtMillis = init.startedAtMillis
    this.startedSteadyMillis = init.startedSteadyMillis
    this.#pathSinceMillis = init.startedAtMillis
  }

  /** The way is another one now. */
  setPath(path: LinkPath, nowMillis: number): void {
    this.#path = path
    this.#pathSinceMillis = nowMillis
  }

  readonly path = (): WirePath => ({
    kind: this.#path?.kind ?? "direct",
    remote: this.#path?.remote ?? { host: "0.0.0.0", port: 0 },
    sinceMillis: this.#pathSinceMillis,
    switches: this.switches
  })

  isRemote(address: TransportAddress): boolean {
    const remote = this.#path?.remote
    return remote !== undefined && remote.host === address.host && remote.port === address.port
  }
}
