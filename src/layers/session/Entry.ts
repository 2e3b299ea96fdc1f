/**
 * One member's place in the session table: from the moment a connection to it is admitted, over the greeting, until the
 * connection is gone. There is one at a time per member.
 */
import { Deferred, Scope } from "effect"
import type { Did } from "../../domain/did.ts"
import type { Dialler } from "../../domain/sessionSettle.ts"
import { format, type TransportAddress } from "../../domain/transportAddress.ts"
import type { Session, SessionError, SessionPath } from "../../services/SessionManager.ts"
import type { Control } from "./Control.ts"
import type { WireAttempt, WireConnection, WireStream } from "./Wire.ts"

/** How far a session has come: its connection may stay; it is up; both have said hello. */
export type Stage =
  | { readonly _tag: "Admitted" }
  | { readonly _tag: "Greeting"; readonly connection: WireConnection }
  | { readonly _tag: "Open"; readonly connection: WireConnection; readonly control: Control; readonly atMillis: number }

export interface Entry {
  readonly did: Did
  readonly dialler: Dialler
  readonly remote: TransportAddress
  /** What was admitted: a later attempt of the same member has an entry of its own. */
  readonly attempt: WireAttempt
  stage: Stage
  /** Everything that runs for this session. */
  readonly scope: Scope.Closeable
  /** The control stream, where the member opens it because the member dialled. */
  readonly controlStream: Deferred.Deferred<WireStream>
  /** Succeeds at the greeting's end, fails when it does not come to that. */
  readonly opened: Deferred.Deferred<Session, SessionError>
  /** Completes when the member's place is free again. */
  readonly gone: Deferred.Deferred<void>
  /** Why this node is ending the session, while it does. */
  dismissal: string | undefined
  rttMs: number | undefined
  /** The UDP port where the member answers STUN, as it said in its greeting. */
  linkPort: number | undefined
  /** When something was last heard on the control stream, in steady time. */
  heardAtMillis: number
  bytesIn: number
  bytesOut: number
  /** Open streams, by who opened them. */
  inboundStreams: number
  outboundStreams: number
  readonly inboundByProtocol: Map<string, number>
}

export const make = (attempt: WireAttempt): Entry => ({
  did: attempt.did,
  dialler: attempt.dialler,
  remote: attempt.remote,
  attempt,
  stage: { _tag: "Admitted" },
  scope: Scope.makeUnsafe(),
  controlStream: Deferred.makeUnsafe(),
  opened: Deferred.makeUnsafe(),
  gone: Deferred.makeUnsafe(),
  dismissal: undefined,
  rttMs: undefined,
  linkPort: undefined,
  heardAtMillis: 0,
  bytesIn: 0,
  bytesOut: 0,
  inboundStreams: 0,
  outboundStreams: 0,
  inboundByProtocol: new Map()
})

/** A link knows its way; every other connection has had the same one since it was opened. */
const pathOf = (entry: Entry, { link, remote, transport }: WireConnection, openedAtMillis: number): SessionPath => {
  const way = link?.path() ?? { kind: "direct" as const, remote, sinceMillis: openedAtMillis, switches: 0 }
  return {
    kind: way.kind,
    transport,
    remoteAddress: format(way.remote),
    rttMs: entry.rttMs,
    sinceMillis: way.sinceMillis,
    switches: way.switches
  }
}

/** The session as others see it; `undefined` before the greeting's end. */
export const sessionOf = (entry: Entry): Session | undefined => {
  if (entry.stage._tag !== "Open") return undefined
  const { atMillis, connection } = entry.stage
  return {
    did: entry.did,
    direction: entry.dialler === "self" ? "outbound" : "inbound",
    openedAtMillis: atMillis,
    path: pathOf(entry, connection, atMillis),
    bytesIn: entry.bytesIn,
    bytesOut: entry.bytesOut
  }
}
