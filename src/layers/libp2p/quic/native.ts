/**
 * The prebuilt native half (quinn) of `@chainsafe/libp2p-quic`: its types, as the package gives none, and its loading,
 * which waits for the first dial or listen so that a command without network does not pay for it. What it leaves out
 * of QUIC: datagrams, migration, path MTU discovery (a packet has at most 1200 bytes), reset codes, and any way to
 * give up a dial or to learn whether what was written has arrived.
 */
import { QuicUnavailable } from "./errors.ts"

/** Every field must be there; sizes in bytes, times in milliseconds. */
export interface NativeOptions {
  readonly privateKeyProto: Uint8Array
  /** Asked for and then ignored: a handshake that hangs ends with `maxIdleTimeout`. */
  readonly handshakeTimeout: number
  readonly maxIdleTimeout: number
  readonly keepAliveInterval: number
  readonly maxConcurrentStreamLimit: number
  readonly maxStreamData: number
  readonly maxConnectionData: number
  readonly receiveBufferSize: number
  readonly sendBufferSize: number
}

/** Made of `NativeOptions`; nothing can be read from it. */
export interface NativeConfig {
  readonly constructor: unknown
}

/** One direction each way. The native half locks each: a reset waits for a write in progress, a stop for a read. */
export interface NativeStream {
  readonly id: () => string
  /** At most `bytesMax`; null is the end, and also what every read after a failed one gives. */
  readonly read: (bytesMax: number) => Promise<Uint8Array | null>
  /** Resolves once all is copied, which flow control may hold up; the bytes must not change until then. */
  readonly write: (bytes: Uint8Array) => Promise<void>
  /** Never fails, not even on a closed stream; the same holds for the next two. */
  readonly finishWrite: () => Promise<void>
  readonly resetWrite: () => Promise<void>
  readonly stopRead: () => Promise<void>
}

/** Counters are 32 bits wide and begin anew after 4 GiB. */
export interface NativeConnectionStats {
  readonly udpTxBytes: number
  readonly udpRxBytes: number
  readonly pathLostPackets: number
}

export interface NativeConnection {
  readonly id: () => string
  /** With `/p2p/` and the id that the TLS handshake proved. */
  readonly remoteMultiaddr: () => string
  /** In whole milliseconds. */
  readonly rtt: () => number
  readonly stats: () => NativeConnectionStats
  readonly inboundStream: () => Promise<NativeStream>
  /** Waits while the other end allows no more streams. */
  readonly outboundStream: () => Promise<NativeStream>
  /** Resolves however it ended; why, the error of the next `outboundStream` tells. */
  readonly closed: () => Promise<void>
  /** At once, with code 0; what is on its way is lost. */
  readonly abort: () => void
}

export interface NativeServer {
  /** Ends the process when called after `abort`. */
  readonly port: () => number
  /** Accepts one connection and finishes its handshake. */
  readonly inboundConnection: () => Promise<NativeConnection>
  /** Closes every connection; resolves when the socket is closed. */
  readonly abort: () => Promise<void>
}

export interface NativeClient {
  /** Cannot be given up: to an address where nobody answers it takes the idle timeout. */
  readonly outboundConnection: (host: string, port: number) => Promise<NativeConnection>
  /** Closes every connection; the socket is closed when the garbage collector finds the last of them. */
  readonly abort: () => void
}

export interface Native {
  readonly QuinnConfig: new (options: NativeOptions) => NativeConfig
  readonly Server: new (config: NativeConfig, host: string, port: number) => NativeServer
  /** Opens a socket on the wildcard address of the family: 0 is IPv4, 1 is IPv6. */
  readonly Client: new (config: NativeConfig, family: 0 | 1) => NativeClient
}

const isNative = (loaded: unknown): loaded is Native =>
  typeof loaded === "object" &&
  loaded !== null &&
  ["QuinnConfig", "Server", "Client"].every((name) => typeof Reflect.get(loaded, name) === "function")

/** The native half; `load` is for tests. Fails with `QuicUnavailable` where it has no binary for the platform. */
export const loadNative = async (load: () => Promise<unknown> = loadFile): Promise<Native> => {
  let loaded: unknown
  try {
    loaded = await load()
  } catch (cause) {
    throw new QuicUnavailable(cause)
  }
  if (!isNative(loaded)) throw new QuicUnavailable(new Error("the native module of @chainsafe/libp2p-quic has changed"))
  return loaded
}

// The package does not export this file, hence its URL.
const loadFile = (): Promise<unknown> =>
  import(new URL("./napi.js", import.meta.resolve("@chainsafe/libp2p-quic")).href)

/** What a failed read or write of a native stream means; the native half says it in words only. */
export type StreamFailure = "reset" | "stopped" | "lost" | "unknown"

export const streamFailure = (error: unknown): StreamFailure => {
  const text = error instanceof Error ? error.message : String(error)
  if (text.startsWith("stream reset by peer")) return "reset"
  if (text.startsWith("sending stopped by peer")) return "stopped"
  if (text === "connection lost") return "lost"
  return "unknown"
}

/** Whether the other end closed a connection; otherwise it was lost or closed here. */
export const isClosedByPeer = (error: unknown): boolean =>
  error instanceof Error && error.message.startsWith("closed by peer")

/** Whether a server accepts no more. */
export const isServerClosed = (error: unknown): boolean => error instanceof Error && error.message === "server closed"
