/**
 * The keys of `[cooperative]`, a part of the table in nodeConfigTable.ts. Cooperatives live in the data directory; the
 * configuration only says which one of them a node serves.
 */
import { Result, Schema } from "effect"
import { parsed, section } from "./nodeConfigKey.ts"

const allowed = 'the id of a cooperative, 64 hexadecimal digits, or ""'

export const cooperative = section("Which cooperative the node serves.", {
  coop: parsed({
    doc: "The id of a cooperative in the data directory; if empty, the one that was founded, joined or served last.",
    allowed,
    default: "",
    schema: Schema.String,
    parse: (text) =>
      /^(?:[0-9a-f]{64})?$/i.test(text) ? Result.succeed(text.toLowerCase()) : Result.fail(`expected ${allowed}`),
    format: (coop) => coop
  })
})
