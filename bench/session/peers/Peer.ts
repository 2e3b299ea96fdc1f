/**
 * What every rival is reduced to: listening, connecting, and one stream for each of the two measurements. Promises and
 * plain functions, so that none of them pays for another's style.
 */

/** One write. */
export const writeBytes = 65_536
/** The listener answers with one byte for so many bytes. */
export const batchBytes = 4_194_304
export const writesPerBatch = batchBytes / writeBytes
/** The message of a round trip. */
export const echoBytes = 64

/** Streams that take all that comes, and that send everything back. */
export const sinkProtocol = "/bench/sink/1"
export const echoProtocol = "/bench/echo/1"

/** A connection with both streams open on it. */
export interface Link {
  /** Writes whole batches for as long as `more` says so; resolves when all have arrived, with their number. */
  readonly flow: (more: () => boolean) => Promise<number>
  /** Sends and waits for what comes back, for as long as `more` says so, which is asked once before each. */
  readonly roundTrips: (more: () => boolean) => Promise<void>
}

export interface Peer {
  /** Listens on loopback and tells where. */
  readonly listen: () => Promise<string>
  readonly connect: (address: string) => Promise<Link>
  /** A dial, an echo on a new stream, and the connection's end. */
  readonly cycle: (address: string) => Promise<void>
}
