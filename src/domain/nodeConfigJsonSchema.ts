/**
 * The JSON Schema (draft 07, which TOML editors understand) of icn.toml, made from the table of keys.
 */
import type { Entries, Key } from "./nodeConfigKey.ts"
import { table } from "./nodeConfigTable.ts"

type JsonSchema = Readonly<Record<string, unknown>>

const ofKey = (key: Key<unknown>): JsonSchema => ({
  ...key.jsonSchema,
  description: `${key.doc} Allowed: ${key.allowed}.`,
  ...(key.default === undefined ? {} : { default: key.default }),
  ...(key.example === undefined ? {} : { examples: [key.example] })
})

const ofEntries = (entries: Entries): JsonSchema => ({
  type: "object",
  properties: Object.fromEntries(
    Object.entries(entries).map(([name, entry]) => [
      name,
      entry._tag === "Key" ? ofKey(entry) : { description: entry.doc, ...ofEntries(entry.entries) }
    ])
  ),
  additionalProperties: false
})

/** `icn.schema.json`. */
export const jsonSchema: JsonSchema = {
  $schema: "http://json-schema.org/draft-07/schema#",
  title: "icn.toml",
  description: "Configuration of icn-node",
  ...ofEntries(table)
}

/** `icn.schema.json` as text. */
export const jsonSchemaText = (): string => `${JSON.stringify(jsonSchema, undefined, 2)}\n`
