/**
 * What a node knows of where other members are, and in which order it tries: what worked last, then what the operator
 * says, what the member itself says, and what others say; what failed goes to the back. Bounded per member and in
 * members. Plain data with `now` as an argument; the rules of who may tell what are in domain/addressScope.ts.
 */
import { scopeOf } from "./addressScope.ts"
import { candidateTtlMillis } from "./connectionCandidate.ts"
import type { Did } from "./did.ts"
import { canonical } from "./ipAddress.ts"
import { addressKey, type PeerAddress } from "./peerAddress.ts"

/** Where knowledge comes from, the most trustworthy first. */
export const addressSources = ["config", "candidate", "session", "exchange", "mdns"] as const
export type AddressSource = (typeof addressSources)[number]

/** Addresses per member: as many as one candidate can hold. */
export const addressesPerPeerMax = 16
/** Members in memory, at about 4 KiB each with all addresses; those of the configuration come on top. */
export const knownPeersMax = 2048
/** Members that survive a restart: enough to find the network again many times over. */
export const keptPeersMax = 512
/** Addresses of one member that survive a restart; the rest is learned again in the first session. */
export const keptAddressesMax = 8
/** Failures in a row after which an address is dropped, unless the operator named it. */
export const failuresMax = 8
/** An address that once worked is not dropped before this time: a node that was offline must find its way back. */
export const workedRetentionMillis = 7 * 24 * 3600 * 1000

export interface KnownAddress {
  readonly address: PeerAddress
  /** The best of the sources that name it now. */
  readonly source: AddressSource
  /** When a session was last opened there, in milliseconds since the epoch. */
  readonly workedMillis: number | undefined
  /** In a row, up to now. */
  readonly failures: number
}

export interface KnownPeer {
  readonly did: Did
  readonly configured: boolean
  /** Whoever dialled. */
  readonly hadSession: boolean
  /** When a session was last opened with it; when it was last told of, before there was one. */
  readonly lastSeenMillis: number
  /** Best first. */
  readonly addresses: ReadonlyArray<KnownAddress>
}

/** What of a member survives a restart. */
export interface KeptPeer {
  readonly did: Did
  readonly lastSeenMillis: number
  readonly addresses: ReadonlyArray<Pick<KnownAddress, "address" | "source" | "workedMillis">>
}

interface Entry {
  readonly address: PeerAddress
  readonly sources: Set<AddressSource>
  workedMillis: number | undefined
  failures: number
}

interface Peer {
  readonly did: Did
  /** What worked is in front, the latest first: an order that no clock can turn round. */
  entries: Map<string, Entry>
  hadSession: boolean
  lastSeenMillis: number
  /** Of the candidate that stands behind the source "candidate". */
  candidateMillis: number
}

/** Only the operator may give a name: whoever else does could have it point anywhere, and at any time. */
const isWelcome = ({ host }: PeerAddress, source: AddressSource): boolean =>
  canonical(host) === undefined ? source === "config" : scopeOf(host) !== "unusable"

const isConfigured = (entry: Entry): boolean => entry.sources.has("config")

const sourceOf = (peer: Peer, entry: Entry, nowMillis: number): AddressSource | undefined =>
  addressSources.find(
    (source) =>
      entry.sources.has(source) && (source !== "candidate" || nowMillis - peer.candidateMillis <= candidateTtlMillis)
  )

/**
 * What is to be lost with a member: least with a stranger, most with one that was reached. One that only came here says
 * itself where it is, and whoever makes many keys could come as many members.
 */
const standing = ({ entries, hadSession }: Peer): 0 | 1 | 2 => {
  if (!hadSession) return 0
  return Array.from(entries.values()).some(({ workedMillis }) => workedMillis !== undefined) ? 2 : 1
}

/** Failures decide first, then the latest success, then the source; what nobody names any more comes last. */
const ranked = (peer: Peer, nowMillis: number): ReadonlyArray<readonly [Entry, AddressSource | undefined]> => {
  const rank = (source: AddressSource | undefined): number =>
    source === undefined ? addressSources.length : addressSources.indexOf(source)
  return Array.from(peer.entries.values(), (entry) => [entry, sourceOf(peer, entry, nowMillis)] as const).toSorted(
    ([a, sourceOfA], [b, sourceOfB]) =>
      a.failures - b.failures ||
      Number(a.workedMillis === undefined) - Number(b.workedMillis === undefined) ||
      // Of two that worked the first of the entries is the latest.
      (a.workedMillis === undefined ? rank(sourceOfA) - rank(sourceOfB) : 0)
  )
}

const known = (peer: Peer, nowMillis: number): ReadonlyArray<KnownAddress> =>
  ranked(peer, nowMillis).flatMap(([{ address, failures, workedMillis }, source]) =>
    source === undefined ? [] : [{ address, source, workedMillis, failures }]
  )

const described = (peer: Peer, nowMillis: number): KnownPeer => ({
  did: peer.did,
  configured: Array.from(peer.entries.values()).some(isConfigured),
  hadSession: peer.hadSession,
  lastSeenMillis: peer.lastSeenMillis,
  addresses: known(peer, nowMillis)
})

/** Names an address from a source; true when nobody named it until now. */
const add = (peer: Peer, address: PeerAddress, source: AddressSource, nowMillis: number): boolean => {
  const key = addressKey(address)
  const entry = peer.entries.get(key) ?? { address, sources: new Set(), workedMillis: undefined, failures: 0 }
  const isNew = sourceOf(peer, entry, nowMillis) === undefined
  entry.sources.add(source)
  peer.entries.set(key, entry)
  return isNew
}

/** Drops the addresses that are ranked beyond the limit; what the operator said stays in any case. */
const trim = (peer: Peer, nowMillis: number): void => {
  if (peer.entries.size <= addressesPerPeerMax) return
  for (const [entry] of ranked(peer, nowMillis).slice(addressesPerPeerMax)) {
    if (!isConfigured(entry)) peer.entries.delete(addressKey(entry.address))
  }
}

/** Takes back what a candidate said; what no other source says is gone. */
const withdrawCandidate = (peer: Peer, unless: ReadonlySet<string>): void => {
  for (const [key, entry] of peer.entries) {
    if (unless.has(key)) continue
    entry.sources.delete("candidate")
    if (entry.sources.size === 0) peer.entries.delete(key)
  }
}

export class KnownPeers {
  readonly #limit: number
  readonly #peers = new Map<string, Peer>()

  constructor(kept: ReadonlyArray<KeptPeer> = [], limit = knownPeersMax) {
    this.#limit = limit
    for (const { addresses, did, lastSeenMillis } of kept) {
      const peer = this.#obtain(did, lastSeenMillis)
      peer.hadSession = true
      for (const { address, source, workedMillis } of addresses) {
        add(peer, address, source, lastSeenMillis)
        const entry = peer.entries.get(addressKey(address))
        if (entry !== undefined) entry.workedMillis = workedMillis
      }
    }
  }

  get size(): number {
    return this.#peers.size
  }

  /** Where a member may be dialled, best first. */
  addresses(did: Did, nowMillis: number): ReadonlyArray<PeerAddress> {
    const peer = this.#peers.get(did.text)
    if (peer === undefined) return []
    return known(peer, nowMillis)
      .slice(0, addressesPerPeerMax)
      .map(({ address }) => address)
  }

  /** Takes what a source says of a member; true when there is a new address to dial. */
  learn(did: Did, addresses: ReadonlyArray<PeerAddress>, source: AddressSource, nowMillis: number): boolean {
    const limit = source === "config" ? addresses.length : addressesPerPeerMax
    const welcome = addresses.filter((address) => isWelcome(address, source)).slice(0, limit)
    if (welcome.length === 0) return false
    const peer = this.#obtain(did, nowMillis)
    // The member said so itself, in a session that it may have opened.
    if (source === "session") peer.hadSession = true
    if (!peer.hadSession || source === "session") peer.lastSeenMillis = nowMillis
    return this.#addAll(peer, welcome, source, nowMillis)
  }

  /** Takes the addresses of a member's newest candidate in place of its last one's; true when one is new. */
  learnCandidate(did: Did, addresses: ReadonlyArray<PeerAddress>, timestamp: number, nowMillis: number): boolean {
    const welcome = addresses.filter((address) => isWelcome(address, "candidate")).slice(0, addressesPerPeerMax)
    if (welcome.length === 0 && !this.#peers.has(did.text)) return false
    const peer = this.#obtain(did, nowMillis)
    withdrawCandidate(peer, new Set(welcome.map(addressKey)))
    const stale = new Set(welcome.filter((address) => !this.#isNamed(peer, address, nowMillis)).map(addressKey))
    peer.candidateMillis = timestamp
    if (!peer.hadSession) peer.lastSeenMillis = nowMillis
    this.#addAll(peer, welcome, "candidate", nowMillis)
    if (peer.entries.size === 0 && !peer.hadSession) this.#peers.delete(did.text)
    return [...stale].some((key) => peer.entries.has(key))
  }

  /** A session was opened at an address. */
  succeeded(did: Did, address: PeerAddress, nowMillis: number): void {
    const peer = this.#obtain(did, nowMillis)
    peer.hadSession = true
    peer.lastSeenMillis = nowMillis
    add(peer, address, "session", nowMillis)
    const key = addressKey(address)
    const entry = peer.entries.get(key)
    if (entry !== undefined) {
      entry.workedMillis = nowMillis
      entry.failures = 0
      peer.entries = new Map([[key, entry], ...peer.entries])
    }
    trim(peer, nowMillis)
  }

  /** A dial of an address failed; true when that was once too often and the address is dropped. */
  failed(did: Did, address: PeerAddress, nowMillis: number): boolean {
    const peer = this.#peers.get(did.text)
    const key = addressKey(address)
    const entry = peer?.entries.get(key)
    if (peer === undefined || entry === undefined) return false
    entry.failures++
    const isProven = entry.workedMillis !== undefined && nowMillis - entry.workedMillis <= workedRetentionMillis
    if (entry.failures < failuresMax || isConfigured(entry) || isProven) return false
    peer.entries.delete(key)
    if (peer.entries.size === 0 && !peer.hadSession) this.#peers.delete(did.text)
    return true
  }

  /** Drops what stood in candidates that no longer hold. */
  removeExpired(nowMillis: number): void {
    for (const [text, peer] of this.#peers) {
      if (nowMillis - peer.candidateMillis <= candidateTtlMillis) continue
      withdrawCandidate(peer, new Set())
      if (peer.entries.size === 0 && !peer.hadSession) this.#peers.delete(text)
    }
  }

  peers(nowMillis: number): ReadonlyArray<KnownPeer> {
    return Array.from(this.#peers.values(), (peer) => described(peer, nowMillis))
  }

  peer(did: Did, nowMillis: number): KnownPeer | undefined {
    const peer = this.#peers.get(did.text)
    return peer === undefined ? undefined : described(peer, nowMillis)
  }

  remove(did: Did): boolean {
    return this.#peers.delete(did.text)
  }

  /**
   * What survives a restart: members that were reached and then others that were met, each last seen first, without
   * what is said anew anyway.
   */
  kept(nowMillis: number): ReadonlyArray<KeptPeer> {
    return Array.from(this.#peers.values())
      .filter(({ hadSession }) => hadSession)
      .toSorted((a, b) => standing(b) - standing(a) || b.lastSeenMillis - a.lastSeenMillis)
      .map((peer) => ({
        did: peer.did,
        lastSeenMillis: peer.lastSeenMillis,
        addresses: ranked(peer, nowMillis)
          .flatMap(([{ address, sources, workedMillis }]) => {
            const source = addressSources.find((one) => one !== "config" && one !== "candidate" && sources.has(one))
            return source === undefined ? [] : [{ address, source, workedMillis }]
          })
          .slice(0, keptAddressesMax)
      }))
      .filter(({ addresses }) => addresses.length > 0)
      .slice(0, keptPeersMax)
  }

  #isNamed(peer: Peer, address: PeerAddress, nowMillis: number): boolean {
    const entry = peer.entries.get(addressKey(address))
    return entry !== undefined && sourceOf(peer, entry, nowMillis) !== undefined
  }

  #addAll(peer: Peer, addresses: ReadonlyArray<PeerAddress>, source: AddressSource, nowMillis: number): boolean {
    const added = addresses.filter((address) => add(peer, address, source, nowMillis))
    trim(peer, nowMillis)
    return added.some((address) => peer.entries.has(addressKey(address)))
  }

  /** The member's record, made when there is none; another one may have to leave for it. */
  #obtain(did: Did, nowMillis: number): Peer {
    const present = this.#peers.get(did.text)
    if (present !== undefined) return present
    if (this.#peers.size >= this.#limit) this.#makeRoom()
    const peer: Peer = {
      did,
      entries: new Map(),
      hadSession: false,
      lastSeenMillis: nowMillis,
      candidateMillis: -Infinity
    }
    this.#peers.set(did.text, peer)
    return peer
  }

  /** Strangers leave first and members that were reached last, each the longest unseen first; the operator's stay. */
  #makeRoom(): void {
    let victim: Peer | undefined
    for (const peer of this.#peers.values()) {
      if (Array.from(peer.entries.values()).some(isConfigured)) continue
      const isWorse =
        victim === undefined ||
        standing(peer) < standing(victim) ||
        (standing(peer) === standing(victim) && peer.lastSeenMillis < victim.lastSeenMillis)
      if (isWorse) victim = peer
    }
    if (victim !== undefined) this.#peers.delete(victim.did.text)
  }
}
