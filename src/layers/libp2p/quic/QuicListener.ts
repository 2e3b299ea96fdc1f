/**
 * A listening socket. Accepting a connection includes its handshake, which a silent peer draws out to the idle timeout;
 * so `acceptLoops` accepts wait side by side. libp2p decides which connections may stay.
 */
import {
  type ComponentLogger,
  type Listener,
  type ListenerEvents,
  type Logger,
  TypedEventEmitter,
  type Upgrader
} from "@libp2p/interface"
import type { Multiaddr } from "@multiformats/multiaddr"
import { type QuicAddress, quicAddress, reachableAddresses } from "./address.ts"
import { QuicListenError } from "./errors.ts"
import { isServerClosed, type Native, type NativeConfig, type NativeConnection, type NativeServer } from "./native.ts"
import { QuicConnection } from "./QuicConnection.ts"

/** What connections get to be closed in good order by libp2p, which closes them while it closes the listener. */
const closeMillisMax = 1000

export interface QuicListenerInit {
  readonly logger: ComponentLogger
  readonly upgrader: Upgrader
  readonly acceptLoops: number
  readonly load: () => Promise<{ readonly native: Native; readonly config: NativeConfig }>
}

type State =
  | { readonly status: "ready" | "closed" }
  | { readonly status: "listening" | "closing"; readonly server: NativeServer; readonly address: QuicAddress }

export class QuicListener extends TypedEventEmitter<ListenerEvents> implements Listener {
  readonly #init: QuicListenerInit
  readonly #log: Logger
  readonly #connections = new Set<QuicConnection>()
  readonly #shutdown = new AbortController()
  #state: State = { status: "ready" }

  constructor(init: QuicListenerInit) {
    super()
    this.#init = init
    this.#log = init.logger.forComponent("libp2p:quic:listener")
  }

  async listen(multiaddr: Multiaddr): Promise<void> {
    const address = quicAddress(multiaddr)
    const { config, native } = await this.#init.load()
    if (this.#state.status !== "ready") throw new Error("a QUIC listener listens once")
    let server
    try {
      server = new native.Server(config, address.host, address.port)
    } catch (cause) {
      throw new QuicListenError(address.host, address.port, cause)
    }
    this.#state = { status: "listening", server, address: { ...address, port: server.port() } }
    for (let loop = 0; loop < this.#init.acceptLoops; loop++) void this.#accept(server)
    this.safeDispatchEvent("listening")
  }

  getAddrs(): Array<Multiaddr> {
    return this.#state.status === "listening" ? reachableAddresses(this.#state.address) : []
  }

  updateAnnounceAddrs(): void {
    // There are no certificate hashes to add.
  }

  async close(): Promise<void> {
    if (this.#state.status !== "listening") {
      if (this.#state.status === "ready") this.#state = { status: "closed" }
      return
    }
    const { server } = this.#state
    this.#state = { ...this.#state, status: "closing" }
    this.#shutdown.abort()
    await this.#emptied(AbortSignal.timeout(closeMillisMax))
    for (const connection of this.#connections) connection.abort(new Error("the listener was closed"))
    await server.abort()
    this.#state = { status: "closed" }
    this.safeDispatchEvent("close")
  }

  #emptied(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const look = () => {
      if (this.#connections.size === 0) resolve()
    }
    // Registered after the listeners that take them out of the set.
    for (const connection of this.#connections) connection.addEventListener("close", look, { once: true })
    signal.addEventListener("abort", () => resolve(), { once: true })
    look()
    return promise
  }

  async #accept(server: NativeServer): Promise<void> {
    while (this.#state.status === "listening") {
      try {
        const native = await server.inboundConnection()
        void this.#upgrade(native)
      } catch (error) {
        // Of a handshake that failed only this is known; a server that is closed ends all loops.
        this.#log.trace("a handshake failed - %e", error)
        if (isServerClosed(error)) return this.#serverClosed()
      }
    }
  }

  #serverClosed(): void {
    if (this.#state.status !== "listening") return
    this.safeDispatchEvent("error", { detail: new Error("the QUIC socket was closed by the system") })
    void this.close()
  }

  async #upgrade(native: NativeConnection): Promise<void> {
    if (this.#state.status !== "listening") return native.abort()
    const log = this.#init.logger.forComponent(`libp2p:quic:inbound:${native.id()}`)
    let connection: QuicConnection | undefined
    try {
      const made = (connection = new QuicConnection({ native, direction: "inbound", log }))
      this.#connections.add(made)
      made.addEventListener("close", () => this.#connections.delete(made), { once: true })
      await this.#init.upgrader.upgradeInbound(made, {
        skipEncryption: true,
        skipProtection: true,
        remotePeer: made.remotePeer,
        muxerFactory: made.muxerFactory,
        signal: this.#shutdown.signal
      })
    } catch (error) {
      this.#log("an incoming connection was refused - %e", error)
      if (connection === undefined) native.abort()
      else connection.abort(error instanceof Error ? error : new Error(String(error)))
    }
  }
}
