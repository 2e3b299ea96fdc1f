/**
 * Who was found on the local network, so that an announcement that says nothing new is not acted upon each time it is
 * heard. Bounded: what was heard of longest ago gives way, which costs no more than acting on it once more. Time is
 * whatever the caller says.
 */

/** Announcements remembered: more than a local network with working multicast has members. */
export const rememberedMax = 256
/** An unchanged announcement is news again after this time, so that an address that was given up is tried again. */
export const unchangedMillis = 60_000

interface Remembered {
  readonly content: string
  readonly toldMillis: number
}

export class MdnsMembers {
  /** In the order in which they were last told. */
  readonly #remembered = new Map<string, Remembered>()

  get size(): number {
    return this.#remembered.size
  }

  /** Whether to act on an announcement: `content` is all that matters of what the name stands for. */
  isNews(name: string, content: string, nowMillis: number): boolean {
    const before = this.#remembered.get(name)
    const age = before === undefined ? Number.POSITIVE_INFINITY : nowMillis - before.toldMillis
    // A clock that was set back must not silence a member for longer.
    if (before?.content === content && age >= 0 && age < unchangedMillis) return false
    this.#remembered.delete(name)
    this.#remembered.set(name, { content, toldMillis: nowMillis })
    if (this.#remembered.size > rememberedMax) {
      for (const oldest of this.#remembered.keys()) {
        this.#remembered.delete(oldest)
        break
      }
    }
    return true
  }

  /** It said goodbye: when it comes back, that is news. */
  forget(name: string): void {
    this.#remembered.delete(name)
  }
}
