/** Own intents that were refused, so that the same intent gets the same answer when it comes again. */
import type { DatabaseSync, StatementSync } from "node:sqlite"
import { fromHex, integerOf, textOf } from "./values.ts"

/** Refusals kept: who asks again does so long before as many others were refused. About 150 bytes each. */
const refusalsMax = 100_000

export class Refusals {
  readonly #select: StatementSync
  readonly #insert: StatementSync
  readonly #removeOld: StatementSync

  constructor(database: DatabaseSync) {
    this.#select = database.prepare("SELECT digest, reason FROM refusal WHERE key = ?")
    this.#insert = database.prepare(
      "INSERT OR REPLACE INTO refusal (key, digest, reason) VALUES (?, ?, ?) RETURNING position"
    )
    this.#removeOld = database.prepare("DELETE FROM refusal WHERE position <= ?")
  }

  get(idempotencyKey: string): { readonly digest: string; readonly reason: string } | undefined {
    const row = this.#select.get(fromHex(idempotencyKey))
    return row === undefined ? undefined : { digest: textOf(row, "digest"), reason: textOf(row, "reason") }
  }

  put(idempotencyKey: string, digest: string, reason: string): void {
    const row = this.#insert.get(fromHex(idempotencyKey), digest, reason) ?? {}
    this.#removeOld.run(integerOf(row, "position") - refusalsMax)
  }
}
