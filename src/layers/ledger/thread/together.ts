/**
 * Many small byte arrays are dear to send between threads: each is a piece of memory of its own, and one that is cut
 * out of a larger piece takes all of that along. Copied into one, a thousand entries take 1 ms instead of 15.
 */
import type { SealedBytes } from "../Journal.ts"

export interface Together<A> {
  readonly entries: ReadonlyArray<A>
  /** What all bytes are in. */
  readonly memory: ArrayBuffer
}

/** The same entries, with copies of their bytes in one piece of memory. */
export const together = <A extends SealedBytes>(entries: ReadonlyArray<A>): Together<A> => {
  const size = entries.reduce((sum, { body, signature }) => sum + body.length + signature.length, 0)
  const memory = new ArrayBuffer(size)
  let end = 0
  const put = (bytes: Uint8Array): Uint8Array => {
    const copy = new Uint8Array(memory, end, bytes.length)
    copy.set(bytes)
    end += bytes.length
    return copy
  }
  return { entries: entries.map((one) => ({ ...one, body: put(one.body), signature: put(one.signature) })), memory }
}
