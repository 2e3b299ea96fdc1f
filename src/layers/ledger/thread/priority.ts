/**
 * Work that can wait a moment gives way to the main thread and to who reads a balance, where there are more threads
 * than processors: otherwise each of these waits until somebody's turn is over, which is some milliseconds.
 */
import { setPriority } from "node:os"

/** Nice values of threads; that of the main thread is 0 unless somebody started the node with another. */
export const niceness = {
  /** What comes into the books: writing, signing, verifying. */
  books: 5,
  /** Audits, for which hardly anybody waits. */
  audits: 10
} as const

/** Lets other threads go first from now on. Only Linux has priorities of threads; elsewhere it would be all of them. */
export const giveWay = (nice: number): void => {
  if (process.platform !== "linux") return
  try {
    setPriority(0, nice)
  } catch {
    // A sandbox may forbid it, and all goes on as before.
  }
}
