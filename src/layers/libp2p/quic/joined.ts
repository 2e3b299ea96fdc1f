/**
 * The parts of one write put together. Memory for that is used again, since to allocate as much for each write costs
 * more than the write: pages have to be found, and the garbage collector is called for each few hundred of them.
 */
import type { Uint8ArrayList } from "uint8arraylist"

/** The longest write that memory is kept for, 256 KiB. */
export const joinedBytesMax = 262_144
/** Shorter writes come from the pool that Node has for small buffers. */
const joinedBytesMin = 4096
/** Buffers that wait to be used again, 1 MiB: as many as there are streams that send much at the same time. */
const buffersKeptMax = 4

const kept: Array<Uint8Array> = []

export interface Joined {
  readonly bytes: Uint8Array
  /** To be called when the bytes are not needed any more; they are another write's then. */
  readonly release: () => void
}

const nothing = (): void => {}

/** What a list holds, in one piece: its only buffer itself, or a copy. */
export const joined = (list: Uint8ArrayList): Joined => {
  const parts = [...list]
  const isPlain = parts.length === 1 || list.byteLength < joinedBytesMin || list.byteLength > joinedBytesMax
  if (isPlain) return { bytes: list.subarray(), release: nothing }
  const buffer = kept.pop() ?? new Uint8Array(joinedBytesMax)
  let at = 0
  for (const part of parts) {
    buffer.set(part, at)
    at += part.byteLength
  }
  const release = (): void => {
    if (kept.length < buffersKeptMax) kept.push(buffer)
  }
  return { bytes: buffer.subarray(0, at), release }
}
