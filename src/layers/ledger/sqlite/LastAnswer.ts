/**
 * The last answer of a table, for what is asked before every entry and hardly ever changes. It holds only on the
 * connection that writes, which is the only one that does: whoever changes the table says so.
 */
import type { Keeper } from "./Transactions.ts"

export class LastAnswer<K, A> implements Keeper {
  readonly #ask: (key: K) => A
  #answer: { readonly key: K; readonly value: A } | undefined
  #writing = false

  constructor(ask: (key: K) => A) {
    this.#ask = ask
  }

  get(key: K): A {
    if (!this.#writing) return this.#ask(key)
    if (this.#answer?.key !== key) this.#answer = { key, value: this.#ask(key) }
    return this.#answer.value
  }

  /** Whether the last answer is to this question. */
  isAbout(key: K): boolean {
    return this.#answer?.key === key
  }

  /** The table has changed. */
  changed(): void {
    this.#answer = undefined
  }

  begin(): void {
    this.#writing = true
  }

  end(): void {
    this.#writing = false
  }

  forget(): void {
    this.changed()
  }
}
