/**
 * What a transport hands over at once, passed on in pieces for as long as the reader does not say stop. libp2p hands
 * over everything that came during a pause, up to a whole window; cut into frames at once, that could be hundreds of
 * thousands of them.
 */

/** One piece: 16,384 frames at most, cut in about two milliseconds. */
const pieceBytesMax = 65_536

export class Backlog {
  readonly #deliver: (bytes: Uint8Array) => void
  #pieces: Array<Uint8Array> = []
  #after: Array<() => void> = []
  #held = false
  #delivering = false

  constructor(deliver: (bytes: Uint8Array) => void) {
    this.#deliver = deliver
  }

  /** Whether something waits for `release`. */
  get isHeld(): boolean {
    return this.#held
  }

  push(bytes: Uint8Array): void {
    this.#pieces.push(bytes)
    this.#run()
  }

  /** Does something once everything before it was delivered. */
  afterwards(action: () => void): void {
    this.#after.push(action)
    this.#run()
  }

  hold(): void {
    this.#held = true
  }

  release(): void {
    this.#held = false
    this.#run()
  }

  /** Forgets what was not delivered, and what was to follow it. */
  drop(): void {
    this.#pieces = []
    this.#after = []
  }

  #run(): void {
    // Delivering may hold, release, push and drop.
    if (this.#delivering) return
    this.#delivering = true
    try {
      while (!this.#held) {
        const bytes = this.#pieces.shift()
        if (bytes !== undefined) {
          if (bytes.length > pieceBytesMax) this.#pieces.unshift(bytes.subarray(pieceBytesMax))
          this.#deliver(bytes.subarray(0, pieceBytesMax))
          continue
        }
        const action = this.#after.shift()
        if (action === undefined) break
        action()
      }
    } finally {
      this.#delivering = false
    }
  }
}
