/**
 * How this node gets through NATs: its own addresses as others see them, what its NAT does, and the links that carry
 * sessions, with every way that each of them knows. Implemented in layers/session/link, below layers/SessionLibp2p.ts;
 * the rules are in domain/link*.ts and domain/natBehaviour.ts. Sessions use links by themselves; this is to look at.
 */
import { Context, type Effect } from "effect"
import type { Did } from "../domain/did.ts"
import type { LinkPathStatus } from "../domain/linkPath.ts"
import type { NatBehaviour } from "../domain/natBehaviour.ts"
import type { TransportAddress } from "../domain/transportAddress.ts"

/** One server, and where it sees this node or why it does not. */
export interface ReflexiveServer {
  /** `host:port` as it was given. */
  readonly server: string
  readonly mapped: TransportAddress | undefined
  readonly rttMs: number | undefined
  readonly problem: string | undefined
}

export interface LinkStatus {
  readonly did: Did
  /** `making`: no session over it yet; `lost`: no way at the moment. */
  readonly state: "making" | "up" | "lost"
  /** Whether this side chooses the way. */
  readonly controlling: boolean
  readonly startedAtMillis: number
  readonly switches: number
  readonly consentLosses: number
  readonly relayBytesSent: number
  readonly relayBytesReceived: number
  readonly paths: ReadonlyArray<LinkPathStatus>
}

export interface LinksStatus {
  /** The UDP port of links, on which this node also answers STUN. */
  readonly port: number
  readonly families: { readonly udp4: boolean; readonly udp6: boolean }
  /** The latest answers; empty before the first. */
  readonly servers: ReadonlyArray<ReflexiveServer>
  readonly nat: NatBehaviour
  readonly links: ReadonlyArray<LinkStatus>
}

export class Links extends Context.Service<
  Links,
  {
    readonly status: Effect.Effect<LinksStatus>
    /** Asks all servers again, then tells. */
    readonly refresh: Effect.Effect<LinksStatus>
  }
>()("icn-node/services/Links") {}
