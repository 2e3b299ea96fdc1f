/**
 * What every measured client is reduced to: the little that an application does with a TURN client. Promises and plain
 * functions, so that none of them pays for another's style.
 */
import type { TransportAddress } from "../../../src/domain/transportAddress.ts"

/** What the server of the benchmark lets in. */
export const username = "user"
export const password = "password"

/** Tells how many bytes of payload came back. */
export type OnEcho = (bytes: number) => void

export interface Allocation {
  /** Opens the way to a peer and returns the function that sends `payload` there. */
  readonly relayTo: (peer: TransportAddress, payload: Uint8Array, onEcho: OnEcho) => Promise<() => void>
  readonly close: () => Promise<void>
}

export interface Client {
  /** Allocates on a fresh socket. */
  readonly allocate: (server: TransportAddress) => Promise<Allocation>
}
