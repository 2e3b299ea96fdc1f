/**
 * The heart of a link: which paths to the peer are checked when, which of them has the peer's consent, and which one is
 * used. In the spirit of ICE (RFC 8445) with consent checks (RFC 7675). Synchronous and without I/O: time is an
 * argument in milliseconds of any steady clock, and the driver turns checks into STUN requests and back.
 */
import type { LinkCandidate, MayCheck } from "./linkCandidate.ts"
import type { LinkBase, LinkCheck, LinkEvent, LinkPath, LinkPathStatus } from "./linkPath.ts"
import type { TransportAddress } from "./transportAddress.ts"

export interface LinkAgentOptions {
  /** Whether this side chooses the path; exactly one of the two does. */
  readonly controlling: boolean
  /** The IP addresses of our own interfaces. */
  readonly hosts: ReadonlyArray<string>
  /** What our socket and our allocation can send to; `relay6` is false unless said. */
  readonly families: { readonly udp4: boolean; readonly udp6: boolean; readonly relay6?: boolean }
  /** Whether there is an allocation now. */
  readonly relay: boolean
  /** Uniform in [0, 1). */
  readonly random: () => number
  /** By default `mayCheckByDefault`. */
  readonly mayCheck?: MayCheck
}

/** A check of the peer that the driver has authenticated. */
export interface LinkRequest {
  readonly base: LinkBase
  readonly from: TransportAddress
  readonly nominated: boolean
  readonly priority: number
}

export class LinkAgent {
  readonly controlling: boolean
  /** The path to send on; read per packet. */
  active: LinkPath | undefined = undefined

  constructor(options: LinkAgentOptions) {
    this.controlling = options.controlling
  }

  /** The peer's candidates, again whenever they change. Paths of withdrawn ones live as long as their consent. */
  setRemote(_candidates: ReadonlyArray<LinkCandidate>, _now: number): void {}

  /** Whether our allocation can be used. For another allocation say false, then true. */
  setRelay(_available: boolean, _now: number): void {}

  /** Checks everything again at once. */
  localAddressesChanged(_hosts: ReadonlyArray<string>, _now: number): void {}

  /** When `poll` should be called next; ask again after every other call. `undefined`: when something happens. */
  next(_now: number): number | undefined {
    return undefined
  }

  /** Does what is due, and returns the checks to send now. */
  poll(_now: number): ReadonlyArray<LinkCheck> {
    return []
  }

  /** An authenticated response to check `id`; whether it counted. */
  onResponse(_id: number, _from: TransportAddress, _base: LinkBase, _mapped: TransportAddress, _now: number): boolean {
    return false
  }

  /** Whether to answer the request: not when its path can't be used here, for then the peer must not use it either. */
  onRequest(_request: LinkRequest, _now: number): boolean {
    return false
  }

  /** The network said that nothing can get there; a hint, as anybody can say so. */
  onUnreachable(_base: LinkBase, _to: TransportAddress, _now: number): void {}

  /** Whether data from there is of this link: the peer has authenticated itself on that path. */
  accepts(_base: LinkBase, _from: TransportAddress): boolean {
    return false
  }

  paths(_now: number): ReadonlyArray<LinkPathStatus> {
    return []
  }

  /** What happened since the last call. */
  takeEvents(): ReadonlyArray<LinkEvent> {
    return []
  }
}
