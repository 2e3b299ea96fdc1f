/**
 * What `icn-node doctor` has found out about this machine and its network, as plain data: one shape per kind of
 * question, each with the reason where there is no answer. What it means is in doctorFindings.ts.
 */
import type { AddressScope } from "./addressScope.ts"
import type { NatBehaviour } from "./natBehaviour.ts"
import type { TurnTransport } from "./turnServer.ts"

/** A host name of the configuration. */
export interface NameFact {
  readonly name: string
  /** The keys that name it, without `network.`. */
  readonly keys: ReadonlyArray<string>
  readonly addresses: ReadonlyArray<string>
  readonly millis: number
  /** The resolver's code; undefined when there are addresses. */
  readonly problem: string | undefined
}

/** One STUN server; all addresses are `host:port`. */
export interface StunFact {
  readonly server: string
  readonly mapped: string | undefined
  readonly rttMs: number | undefined
  /** `undefined` with an answer; "timeout" when nothing came back. */
  readonly problem: string | undefined
}

/** One transport of the TURN server. */
export interface TurnFact {
  readonly server: string
  readonly transport: TurnTransport
  /** Whether `turn_transport` lets the node use it. */
  readonly isAllowed: boolean
  readonly ok: boolean
  /** Also there when the relay was granted and nothing came through it. */
  readonly relayed: string | undefined
  readonly rttMs: number | undefined
  readonly problem: string | undefined
}

export interface HostFact {
  readonly host: string
  readonly interfaceName: string
  readonly scope: AddressScope
}

/** A port that the node needs. */
export interface PortFact {
  readonly key: "listen_addr" | "link_port"
  readonly protocol: "tcp" | "udp"
  readonly address: string
  /** The system's code; undefined when it could be bound. */
  readonly problem: string | undefined
}

export interface BootstrapFact {
  readonly did: string
  readonly address: string
  /** Over TCP. "udpOnly": the address is for QUIC alone. */
  readonly result: "connected" | "failed" | "udpOnly"
  readonly millis: number
  /** The system's code, or "timeout". */
  readonly problem: string | undefined
  /** Whether it answers over QUIC; `undefined` where the address is for TCP alone. */
  readonly quic: boolean | undefined
}

export interface ClockFact {
  readonly wallMillis: number
  /** How much further the wall clock went than the steady one while the doctor worked. */
  readonly driftMillis: number
}

/** The node on this configuration's data directory. */
export type NodeFact =
  | { readonly _tag: "NotRunning" }
  | { readonly _tag: "Running"; readonly pid: number }
  | { readonly _tag: "NotAnswering"; readonly detail: string }

/** What the configuration says that findings depend on. */
export interface ConfigurationFact {
  readonly source: string
  readonly warnings: ReadonlyArray<string>
  /** Every listen address is one of this machine alone. */
  readonly isLoopbackOnly: boolean
  readonly linksEnabled: boolean
  /** 0 takes a free one. */
  readonly linkPort: number
  readonly listenPorts: ReadonlyArray<number>
}

export interface DoctorFacts {
  readonly configuration: ConfigurationFact
  readonly node: NodeFact
  readonly names: ReadonlyArray<NameFact>
  readonly stun: ReadonlyArray<StunFact>
  readonly turn: ReadonlyArray<TurnFact>
  readonly nat: NatBehaviour
  readonly hosts: ReadonlyArray<HostFact>
  readonly ports: ReadonlyArray<PortFact>
  readonly bootstrap: ReadonlyArray<BootstrapFact>
  readonly clock: ClockFact
}
