/**
 * For tests of programs that build on this package: networks and services in memory, and servers that can be told to
 * misbehave. Everything here runs under Effect's TestClock. Not for production.
 */
export * as CooperativeMemory from "./layers/CooperativeMemory.ts"
export * as GossipMemory from "./layers/GossipMemory.ts"
export * as IdentityMemory from "./layers/IdentityMemory.ts"
export * as LedgerMemory from "./layers/LedgerMemory.ts"
export * as LinksMemory from "./layers/LinksMemory.ts"
export * as MetricsMemory from "./layers/MetricsMemory.ts"
export * as PeerBookMemory from "./layers/PeerBookMemory.ts"
export * as SessionMemory from "./layers/SessionMemory.ts"
export * as TcpMemory from "./layers/TcpMemory.ts"
export * as ScriptedTurnServer from "./layers/turn/ScriptedTurnServer.ts"
export * as TurnMemory from "./layers/TurnMemory.ts"
export * as UdpMemory from "./layers/UdpMemory.ts"
