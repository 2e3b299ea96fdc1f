/**
 * Which messages were there before. An author stamps each message with its clock, strictly increasing; a message
 * passes once, when its stamp is neither old nor ahead of this node's clock, and in whatever order the network brings
 * it. What does not pass is never held against anybody: copies of a message are what a network makes, and an author
 * that restarts goes on with larger stamps, whatever it sent before.
 *
 * Everything is bounded. Stamps of one author: when its window is full the oldest are dropped and the author's floor
 * rises to them, below which nothing passes; only who sends fast and far out of order notices. Authors: the one that
 * was quiet for longest is forgotten, and its newest stamp becomes the floor of every author not in the table. That
 * floor never exceeds the time at which the forgotten one was last heard, so that stamps ahead of time cannot shut
 * out newcomers. What remains: on a node that hears more than `replayAuthorsMax` authors within five minutes,
 * messages of a forgotten author whose clock is ahead of ours by d can pass again, those of its last d (30 s at
 * most), until they are five minutes old. Subscribers see such a message twice, and nothing else follows from it.
 */

/** Older messages are dropped, in milliseconds: longer than any path takes, and than a node needs to reconnect. */
export const messageAgeMaxMillis = 300_000
/** How far an author's clock may be ahead: what NTP leaves and then some. */
export const messageFutureMaxMillis = 30_000
/** Stamps kept per author: ten seconds at the default rate, and 8 KiB. */
export const replayStampsMax = 1024
/** Authors whose stamps are kept: every member of a large network, and 32 MiB if all of them talk without a pause. */
export const replayAuthorsMax = 4096

export type ReplayVerdict = "fresh" | "old" | "future" | "seen"

/** Whether a stamp is within the time in which messages pass. */
export const ageVerdict = (stampMillis: number, nowMillis: number): "fresh" | "old" | "future" => {
  if (stampMillis - nowMillis > messageFutureMaxMillis) return "future"
  return nowMillis - stampMillis > messageAgeMaxMillis ? "old" : "fresh"
}

/**
 * The stamp of an author's next message: the time, or the millisecond after its last one. When the clock was set back
 * by much it starts again from the time, since others would take the continuation for messages from the future.
 */
export const nextStamp = (lastMillis: number, nowMillis: number): number => {
  const now = Math.floor(nowMillis)
  return lastMillis >= now && lastMillis - now < messageFutureMaxMillis / 2 ? lastMillis + 1 : now
}

/** Where a stamp is or belongs in an ascending list. */
const position = (stamps: ReadonlyArray<number>, stamp: number): number => {
  let low = 0
  let high = stamps.length
  // Nearly all stamps are the newest.
  if ((stamps[high - 1] ?? -1) < stamp) return high
  while (low < high) {
    const middle = (low + high) >> 1
    if ((stamps[middle] ?? 0) < stamp) low = middle + 1
    else high = middle
  }
  return low
}

class Window {
  /** Nothing at or below it passes. */
  #floor: number
  /** Ascending. */
  #stamps: Array<number> = []
  heardMillis = 0

  constructor(floor: number) {
    this.#floor = floor
  }

  get newest(): number {
    return this.#stamps.at(-1) ?? this.#floor
  }

  has(stamp: number): boolean {
    return stamp <= this.#floor || this.#stamps[position(this.#stamps, stamp)] === stamp
  }

  add(stamp: number, nowMillis: number, stampsMax: number): void {
    this.heardMillis = nowMillis
    const at = position(this.#stamps, stamp)
    if (at === this.#stamps.length) this.#stamps.push(stamp)
    else this.#stamps.splice(at, 0, stamp)
    if (this.#stamps.length <= stampsMax) return
    // A quarter at a time, so that a busy author is not shifted with every message.
    const dropped = this.#stamps.splice(0, Math.max(1, stampsMax >> 2))
    this.#floor = Math.max(this.#floor, dropped.at(-1) ?? this.#floor)
  }
}

/** Tells messages that pass from those that were there before. */
export class ReplayGuard {
  readonly #stampsMax: number
  readonly #authorsMax: number
  /** In the order in which they were last heard. */
  readonly #windows = new Map<string, Window>()
  #floor = Number.NEGATIVE_INFINITY

  constructor(stampsMax: number = replayStampsMax, authorsMax: number = replayAuthorsMax) {
    this.#stampsMax = stampsMax
    this.#authorsMax = authorsMax
  }

  /** Authors that are remembered. */
  get size(): number {
    return this.#windows.size
  }

  /** What is to be said of a message, without remembering it. */
  check(author: string, stampMillis: number, nowMillis: number): ReplayVerdict {
    const age = ageVerdict(stampMillis, nowMillis)
    if (age !== "fresh") return age
    const window = this.#windows.get(author)
    const seen = window === undefined ? stampMillis <= this.#floor : window.has(stampMillis)
    return seen ? "seen" : "fresh"
  }

  /** Remembers a message that passed. */
  record(author: string, stampMillis: number, nowMillis: number): void {
    const window = this.#windows.get(author) ?? new Window(this.#floor)
    window.add(stampMillis, nowMillis, this.#stampsMax)
    this.#windows.delete(author)
    this.#windows.set(author, window)
    if (this.#windows.size > this.#authorsMax) this.#forgetOne()
  }

  #forgetOne(): void {
    for (const [author, window] of this.#windows) {
      this.#windows.delete(author)
      this.#floor = Math.max(this.#floor, Math.min(window.newest, window.heardMillis))
      return
    }
  }
}
