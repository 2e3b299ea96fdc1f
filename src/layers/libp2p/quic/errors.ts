/**
 * What the QUIC transport fails with, as plain errors with a fixed name: libp2p passes them on unchanged, and tells
 * errors apart by name.
 */

/** The native half could not be loaded. */
export class QuicUnavailable extends Error {
  override readonly name = "QuicUnavailable"
  readonly platform = `${process.platform}-${process.arch}`

  constructor(cause: unknown) {
    super(`QUIC is not available on ${process.platform}-${process.arch}: @chainsafe/libp2p-quic has no binary for it`, {
      cause
    })
  }
}

/** Somebody else than the peer that was dialled answered, with a proof of who they are. */
export class WrongPeerError extends Error {
  override readonly name = "WrongPeerError"
  readonly expected: string
  readonly found: string

  constructor(expected: string, found: string) {
    super(`dialled ${expected}, but ${found} answered`)
    this.expected = expected
    this.found = found
  }
}

/** The connection is gone without a goodbye: nothing came for the idle timeout, or the other end forgot it. */
export class QuicConnectionLost extends Error {
  override readonly name = "QuicConnectionLost"
}

/** The socket for incoming connections could not be opened. */
export class QuicListenError extends Error {
  override readonly name = "QuicListenError"

  constructor(host: string, port: number, cause: unknown) {
    super(`cannot listen on ${host}, UDP port ${port}: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause
    })
  }
}

/** So many dials are under way that no more is begun. */
export class TooManyDials extends Error {
  override readonly name = "TooManyDials"

  constructor(limit: number) {
    super(`${limit} QUIC dials are under way already`)
  }
}

/** So many streams wait for the other end to allow them that no more is asked for. */
export class TooManyOpening extends Error {
  override readonly name = "TooManyOpening"

  constructor(limit: number) {
    super(`${limit} streams wait already for the other end to allow them`)
  }
}
