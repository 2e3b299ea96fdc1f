/**
 * The last answer of a table, for what is asked before every entry and hardly ever changes. It holds only on the
 * connection that writes, which is the only one that does: whoever changes the table says so.
 */
import type { Keeper } from "./Transactions.ts"

export class LastAnswer<A> implements Keeper {
  #answer: { readonly question: string | number; readonly value: A } | undefined
  #writing = false

  get(question: string | number, ask: () => A): A {
    if (!this.#writing) return ask()
    if (this.#answer?.question !== question) this.#answer = { question, value: ask() }
    return this.#answer.value
  }

  /** The table has changed, perhaps only in what one question is about. */
  changed(question = this.#answer?.question): void {
    if (question === this.#answer?.question) this.#answer = undefined
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
