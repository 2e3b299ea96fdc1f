/**
 * The answers of the local socket about sessions, and the commands that use them: dialling, pinging, files. What may
 * take long is forked, so that it never keeps `status` and `stop` waiting.
 */
import { Clock, Effect, Option } from "effect"
import { Rpc } from "effect/rpc"
import type { Did } from "../../domain/did.ts"
import * as PeerAddress from "../../domain/peerAddress.ts"
import { format } from "../../domain/transportAddress.ts"
import { Links, type LinksStatus, type LinkStatus } from "../../services/Links.ts"
import { PeerBook } from "../../services/PeerBook.ts"
import {
  type Session,
  SessionClosed,
  SessionError,
  SessionManager,
  type SessionPath
} from "../../services/SessionManager.ts"
import type { Registry } from "../supervisor/registry.ts"
import type { LinksReport, NetworkStatus, PathStatus, PeersStatus, SessionStatus } from "./Api.ts"
import { isoTime } from "./isoTime.ts"

/** Members that are listed, the last seen first; with four addresses each about 150 KB. */
const knownListedMax = 512
const addressesListedMax = 4

export const pathOf = (path: SessionPath, nowMillis: number): PathStatus => ({
  kind: path.kind,
  transport: path.transport,
  remoteAddress: path.remoteAddress,
  rttMs: path.rttMs ?? null,
  sinceSeconds: Math.max(0, nowMillis - path.sinceMillis) / 1000,
  switches: path.switches
})

const sessionOf = (session: Session, nowMillis: number): SessionStatus => ({
  did: session.did.text,
  direction: session.direction,
  openSeconds: Math.max(0, nowMillis - session.openedAtMillis) / 1000,
  path: pathOf(session.path, nowMillis),
  bytesIn: session.bytesIn,
  bytesOut: session.bytesOut
})

const unique = (texts: ReadonlyArray<string>): ReadonlyArray<string> => [...new Set(texts)]

const peers = Effect.gen(function* () {
  const manager = yield* SessionManager
  const book = yield* PeerBook
  const now = yield* Clock.currentTimeMillis
  const sessions = yield* manager.sessions
  const connected = new Set([manager.did.text, ...sessions.map(({ did }) => did.text)])
  const known = (yield* book.peers).filter(({ did }) => !connected.has(did.text))
  const status: PeersStatus = {
    sessions: sessions.map((session) => sessionOf(session, now)),
    known: known
      .toSorted((a, b) => b.lastSeenMillis - a.lastSeenMillis)
      .slice(0, knownListedMax)
      .map(({ addresses, configured, did, lastSeenMillis }) => ({
        did: did.text,
        configured,
        lastSeen: isoTime(lastSeenMillis),
        addresses: addresses.slice(0, addressesListedMax).map(({ address }) => PeerAddress.formatAddress(address))
      })),
    knownTotal: known.length
  }
  return status
})

const linkOf = ({ did, paths, startedAtMillis, ...link }: LinkStatus, nowMillis: number) => ({
  ...link,
  did: did.text,
  ageSeconds: Math.max(0, nowMillis - startedAtMillis) / 1000,
  paths: paths.map(({ consentAgeMs = null, remote, rttMs = null, ...path }) => ({
    ...path,
    remote: format(remote),
    rttMs,
    consentAgeMs
  }))
})

/** Without a link socket there are no links, and there never were. */
const linksOf = ({ links, port, servers, ...status }: LinksStatus, nowMillis: number): LinksReport | null =>
  port === 0
    ? null
    : {
        ...status,
        port,
        servers: servers.map(({ mapped, problem = null, rttMs = null, server }) => ({
          server,
          mapped: mapped === undefined ? null : format(mapped),
          rttMs,
          problem
        })),
        links: links.map((link) => linkOf(link, nowMillis))
      }

const networkStatus = Effect.fnUntraced(function* (registry: Registry) {
  const manager = yield* SessionManager
  const now = yield* Clock.currentTimeMillis
  const { relay } = registry.facts()
  const candidate = yield* manager.connectionCandidate
  const status: NetworkStatus = {
    did: manager.did.text,
    listen: unique((yield* manager.listening).map(format)),
    candidates: candidate.addresses.map(({ address, kind }) => ({ kind, address: PeerAddress.formatAddress(address) })),
    relay:
      relay === undefined
        ? null
        : {
            server: format(relay.server),
            transport: relay.transport,
            relayedAddress: format(relay.relayedAddress),
            expiresInSeconds: Math.max(0, relay.expiresAtMillis - now) / 1000
          },
    links: linksOf(yield* Links.use(({ status }) => status), now),
    peers: (yield* manager.sessions).map((session) => ({
      did: session.did.text,
      path: pathOf(session.path, now),
      bytesIn: session.bytesIn,
      bytesOut: session.bytesOut
    }))
  }
  return status
})

const dial = Effect.fnUntraced(function* (did: Did, address: PeerAddress.PeerAddress | null) {
  const manager = yield* SessionManager
  const book = yield* PeerBook
  const startedAt = yield* Clock.currentTimeMillis
  // Whoever may open the local socket is the operator.
  if (address !== null) yield* book.learn(did, [address], "config")
  const session = yield* manager.dial(did)
  const now = yield* Clock.currentTimeMillis
  return { did: session.did.text, path: pathOf(session.path, now), seconds: (now - startedAt) / 1000 }
})

const ping = Effect.fnUntraced(function* (did: Did) {
  const manager = yield* SessionManager
  const rttMs = yield* manager.ping(did)
  const path = yield* manager.path(did)
  if (Option.isSome(path)) {
    return { did: did.text, rttMs, path: pathOf(path.value, yield* Clock.currentTimeMillis) }
  }
  const reason = new SessionClosed({ detail: "it closed right after it had answered" })
  return yield* new SessionError({ peer: did.text, reason })
})

/** What `NodeRpcs` answers about sessions, for the node whose services are given. */
export const networkHandlers = Effect.fnUntraced(function* (registry: Registry) {
  const context = yield* Effect.context<SessionManager | PeerBook | Links>()
  return {
    Peers: () => peers.pipe(Effect.provideContext(context)),
    NetworkStatus: () => networkStatus(registry).pipe(Effect.provideContext(context)),
    Dial: ({ address, did }: { readonly did: Did; readonly address: PeerAddress.PeerAddress | null }) =>
      Rpc.fork(dial(did, address).pipe(Effect.provideContext(context))),
    Ping: ({ did }: { readonly did: Did }) => Rpc.fork(ping(did).pipe(Effect.provideContext(context)))
  }
})
