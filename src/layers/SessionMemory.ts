/**
 * `SessionManager` over a network in memory, with latency, loss, partitions and changed order on `Clock`: for tests and
 * simulations of everything that is built on sessions. Everything above the wire is the code of the real node.
 */
import { Effect, Layer } from "effect"
import { Identity } from "../services/Identity.ts"
import type { PeerBook } from "../services/PeerBook.ts"
import { type SessionListenFailed, SessionManager } from "../services/SessionManager.ts"
import { make as makeManager } from "./session/make.ts"
import * as MemoryWire from "./session/memory/MemoryWire.ts"
import { make as makeNetwork, type MemoryNetwork, type NetworkConditions } from "./session/memory/Network.ts"
import type { SessionOptions } from "./session/Settings.ts"

export { makeNetwork, type MemoryNetwork, type NetworkConditions, type SessionOptions }

/** The network that a node joins, and where; an address of its own unless given. */
export interface MemoryOptions extends SessionOptions {
  readonly network: MemoryNetwork
  readonly host?: string
  readonly port?: number
}

export const make = Effect.fnUntraced(function* ({ host, network, port, ...options }: MemoryOptions) {
  const { did } = yield* Identity
  const place = { host: host ?? network.freeHost(), port: port ?? network.freePort() }
  return (yield* makeManager(MemoryWire.make(network, did, place), options)).manager
})

/** A node in a network; nodes reach each other when their layers are given the same one. */
export const layer = (options: MemoryOptions): Layer.Layer<SessionManager, SessionListenFailed, Identity | PeerBook> =>
  Layer.effect(SessionManager, make(options))
