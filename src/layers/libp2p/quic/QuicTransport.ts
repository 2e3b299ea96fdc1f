/**
 * libp2p's QUIC transport over the prebuilt native half of `@chainsafe/libp2p-quic`, in place of that package's own
 * JavaScript, which accepts one handshake at a time, reads without back pressure, takes a reset for an end, reads 4 KiB
 * at a time and dials past an abort. Use it as `transports: [quic()]`. Give one address to one dial: libp2p tries a
 * list of addresses one after the other.
 */
import { privateKeyToProtobuf } from "@libp2p/crypto/keys"
import {
  type ComponentLogger,
  type Connection,
  type CreateListenerOptions,
  type DialTransportOptions,
  NotStartedError,
  type PrivateKey,
  serviceCapabilities,
  type Startable,
  type Transport,
  transportSymbol
} from "@libp2p/interface"
import type { Multiaddr } from "@multiformats/multiaddr"
import { abortReason, orAbandon } from "./abandon.ts"
import { isQuic, peerOf, quicAddress } from "./address.ts"
import { TooManyDials, WrongPeerError } from "./errors.ts"
import { loadNative, type Native, type NativeClient, type NativeConfig, type NativeConnection } from "./native.ts"
import { nativeOptions, type QuicOptions, quicOptions } from "./options.ts"
import { QuicConnection } from "./QuicConnection.ts"
import { QuicListener } from "./QuicListener.ts"

/** Native dials at once. One that was given up stays among them for up to the idle timeout. */
export const dialsMax = 1024

export interface QuicComponents {
  readonly logger: ComponentLogger
  readonly privateKey: PrivateKey
}

export class QuicTransport implements Transport, Startable {
  readonly [Symbol.toStringTag] = "quic"
  readonly [transportSymbol] = true
  readonly [serviceCapabilities]: Array<string> = ["@libp2p/transport"]
  readonly #components: QuicComponents
  readonly #options: QuicOptions
  readonly #load: () => Promise<Native>
  readonly #clients = new Map<4 | 6, NativeClient>()
  #config: NativeConfig | undefined
  #started = false
  #dials = 0

  constructor(components: QuicComponents, options: QuicOptions, load: () => Promise<Native> = () => loadNative()) {
    this.#components = components
    this.#options = options
    this.#load = load
  }

  start(): void {
    this.#started = true
  }

  stop(): void {
    this.#started = false
  }

  /** After libp2p has closed the connections in good order; closing the sockets ends those that are left. */
  afterStop(): void {
    for (const client of this.#clients.values()) client.abort()
    this.#clients.clear()
  }

  listenFilter(addresses: Array<Multiaddr>): Array<Multiaddr> {
    return addresses.filter(isQuic)
  }

  dialFilter(addresses: Array<Multiaddr>): Array<Multiaddr> {
    return addresses.filter(isQuic)
  }

  createListener({ upgrader }: CreateListenerOptions): QuicListener {
    const { logger } = this.#components
    const { acceptLoops } = this.#options
    return new QuicListener({ logger, upgrader, acceptLoops, load: () => this.#loaded() })
  }

  async dial(address: Multiaddr, { signal, upgrader }: DialTransportOptions): Promise<Connection> {
    const native = await this.#connect(address, signal)
    const log = this.#components.logger.forComponent(`libp2p:quic:outbound:${native.id()}`)
    let connection
    try {
      connection = new QuicConnection({ native, direction: "outbound", log })
    } catch (error) {
      native.abort()
      throw error
    }
    const { muxerFactory, remotePeer } = connection
    try {
      const expected = peerOf(address)
      if (expected !== undefined && !remotePeer.equals(expected)) {
        throw new WrongPeerError(expected.toString(), remotePeer.toString())
      }
      const upgrade = upgrader.upgradeOutbound(connection, {
        skipEncryption: true,
        skipProtection: true,
        remotePeer,
        muxerFactory,
        signal
      })
      return await orAbandon(upgrade, signal, (late) => late.abort(abortReason(signal)))
    } catch (error) {
      connection.abort(error instanceof Error ? error : new Error(String(error)))
      throw error
    }
  }

  async #connect(address: Multiaddr, signal: AbortSignal): Promise<NativeConnection> {
    const { family, host, port } = quicAddress(address)
    const { config, native } = await orAbandon(this.#loaded(), signal, () => {})
    if (!this.#started) throw new NotStartedError("the QUIC transport is not started")
    if (this.#dials >= dialsMax) throw new TooManyDials(dialsMax)
    let client = this.#clients.get(family)
    if (client === undefined) {
      client = new native.Client(config, family === 4 ? 0 : 1)
      this.#clients.set(family, client)
    }
    const dial = client.outboundConnection(host, port)
    this.#dials += 1
    const counted = dial.finally(() => (this.#dials -= 1))
    return orAbandon(counted, signal, (late) => late.abort())
  }

  async #loaded(): Promise<{ readonly native: Native; readonly config: NativeConfig }> {
    const native = await this.#load()
    const key = privateKeyToProtobuf(this.#components.privateKey)
    this.#config ??= new native.QuinnConfig(nativeOptions(this.#options, key))
    return { native, config: this.#config }
  }
}

/** The transport for `createLibp2p`. */
export const quic = (options: Partial<QuicOptions> = {}): ((components: QuicComponents) => QuicTransport) => {
  const all = quicOptions(options)
  return (components) => new QuicTransport(components, all)
}
