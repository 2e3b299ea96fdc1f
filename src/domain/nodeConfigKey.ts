/**
 * What a configuration key is, and the kinds of keys that the table in nodeConfigTable.ts is made of. A kind builds the
 * Effect schema that decodes the key, and keeps the facts that errors, documentation, the example file and the JSON
 * Schema are written from, so that one entry in the table is all that a key needs.
 */
import { Duration, type Redacted, Result, Schema, SchemaTransformation } from "effect"

/** A value as it stands in icn.toml, after TOML's own types are dealt with. */
export type Plain = string | number | boolean | ReadonlyArray<Plain>

/** How a value is written in TOML; a list of one item can also be written as that item alone. */
export type KeyType = "string" | "integer" | "number" | "boolean" | "list"

/** What else there is to know about a text: it is secret, names a path, or names a file that holds a secret. */
export type Role = "plain" | "secret" | "path" | "secretFile"

/** A value in both forms: as the node uses it, and as it would be written in the file. */
export interface Decoded<out A> {
  readonly value: A
  readonly plain: Plain
}

/** What the table says of a key, whatever its kind. */
interface Facts {
  /** One line for the reference and for editors. */
  readonly doc: string
  readonly unit?: string
  readonly example?: Plain
  /** Replaces the variable name that follows from the path. */
  readonly variable?: string
  /** Replaces the flag name that follows from the path. */
  readonly flag?: string
  /** What to say to somebody who writes an array. */
  readonly whenArray?: string
  /** Says where the default comes from when it is no constant. */
  readonly computedDefault?: string
  readonly role?: Role
}

/** One key: what is known of it, and how it is read. */
export interface Key<out A> extends Facts {
  readonly _tag: "Key"
  readonly type: KeyType
  readonly role: Role
  /** Completes the sentence "expected …". */
  readonly allowed: string
  readonly default: Plain | undefined
  readonly optional: boolean
  /** JSON Schema of the written value. */
  readonly jsonSchema: Readonly<Record<string, unknown>>
  /** Of a list: what its items are, and how many there may be. */
  readonly items?: Items
  /** Reads a value of the right TOML type; the failure is a sentence that says what is allowed. */
  readonly decode: (plain: Plain) => Result.Result<Decoded<A>, string>
}

/** The items of a list; no two may be the same. */
export interface Items {
  readonly item: Key<unknown>
  readonly min: number
  readonly max: number
}

/** A table of icn.toml. */
export interface Section<out E extends Entries = Entries> {
  readonly _tag: "Section"
  readonly doc: string
  readonly entries: E
}

/** What a table can hold. */
export type Entry = Key<unknown> | Section

/** A table's content by the names of icn.toml. */
export interface Entries {
  readonly [name: string]: Entry
}

/** A table with its keys and inner tables. */
export const section = <const E extends Entries>(doc: string, entries: E): Section<E> => ({
  _tag: "Section",
  doc,
  entries
})

const key = <A, P extends Plain>(
  schema: Schema.Codec<A, P>,
  type: KeyType,
  allowed: string,
  facts: Facts & { readonly default?: Plain }
): Key<A> => {
  const decode = Schema.decodeUnknownResult(schema)
  const encode = Schema.encodeSync(schema)
  return {
    ...facts,
    _tag: "Key",
    type,
    role: facts.role ?? "plain",
    allowed,
    default: facts.default,
    optional: false,
    jsonSchema: Schema.toJsonSchemaDocument(schema).schema,
    decode: (plain) =>
      Result.mapBoth(decode(plain), {
        onSuccess: (value) => ({ value, plain: encode(value) }),
        onFailure: (error) => error.message
      })
  }
}

/** The key may be left out, and then has no value. */
export const optional = <A>(key: Key<A>): Key<A | undefined> => ({ ...key, optional: true })

interface Range {
  readonly default: number
  readonly minimum: number
  readonly maximum: number
}

/** `message` also stands for a wrong type, so that a fraction is told the same as a number out of range. */
const wholeNumber = ({ maximum, minimum }: Range, message: string) =>
  Schema.Int.annotate({ message }).check(Schema.isBetween({ minimum, maximum }, { message }))

/** A count, or another number without unit. */
export const integer = (facts: Facts & Range): Key<number> => {
  const allowed = `a whole number from ${facts.minimum} to ${facts.maximum}`
  return key(wholeNumber(facts, `expected ${allowed}`), "integer", allowed, facts)
}

const duration = (
  facts: Facts & Range,
  unit: string,
  decode: (amount: number) => Duration.Duration,
  encode: (duration: Duration.Duration) => number
): Key<Duration.Duration> => {
  const allowed = `a whole number of ${unit} from ${facts.minimum} to ${facts.maximum}`
  const schema = wholeNumber(facts, `expected ${allowed}`).pipe(
    Schema.decodeTo(Schema.Duration, SchemaTransformation.transform({ decode, encode }))
  )
  return key(schema, "integer", allowed, { ...facts, unit })
}

/** A duration whose name ends in `_secs`. */
export const seconds = (facts: Facts & Range) => duration(facts, "seconds", Duration.seconds, Duration.toSeconds)

/** A duration whose name ends in `_ms`. */
export const milliseconds = (facts: Facts & Range) =>
  duration(facts, "milliseconds", Duration.millis, Duration.toMillis)

/** A number that need not be whole. */
export const fraction = (facts: Facts & Range): Key<number> => {
  const allowed = `a number from ${facts.minimum} to ${facts.maximum}`
  const message = `expected ${allowed}`
  const schema = Schema.Finite.annotate({ message }).check(
    Schema.isBetween({ minimum: facts.minimum, maximum: facts.maximum }, { message })
  )
  return key(schema, "number", allowed, facts)
}

/** A switch. */
export const boolean = (facts: Facts & { readonly default: boolean }): Key<boolean> =>
  key(Schema.Boolean, "boolean", "true or false", facts)

/** One of a few words. */
export const choice = <const L extends ReadonlyArray<string>>(
  literals: L,
  facts: Facts & { readonly default: L[number] }
): Key<L[number]> => {
  const allowed = `one of ${literals.map((literal) => `"${literal}"`).join(", ")}`
  return key(Schema.Literals(literals).annotate({ message: `expected ${allowed}` }), "string", allowed, facts)
}

const utf8 = new TextEncoder()

/** One line of text: line breaks and control characters in a name, path or password are always an accident. */
const line = (bytesMax: number, allowed: string) =>
  Schema.String.check(
    Schema.isMinLength(1, { message: `expected ${allowed}` }),
    Schema.makeFilter((text: string) =>
      // oxlint-disable-next-line no-control-regex -- exactly those are looked for
      /[\u0000-\u001f\u007f]/.test(text) || utf8.encode(text).length > bytesMax ? `expected ${allowed}` : true
    )
  )

const describeLine = (bytesMax: number) => `one line of 1 to ${bytesMax} bytes without control characters`

/** A text of one line. */
export const text = (facts: Facts & { readonly default?: string; readonly bytesMax: number }): Key<string> => {
  const allowed = describeLine(facts.bytesMax)
  return key(line(facts.bytesMax, allowed), "string", allowed, facts)
}

/** Linux's PATH_MAX, with its final zero. */
const pathBytesMax = 4095

/** A path; whoever reads the sources makes it absolute. */
export const path = (facts: Facts): Key<string> => {
  const allowed = `a path of at most ${pathBytesMax} bytes, on one line`
  return key(line(pathBytesMax, allowed), "string", allowed, { ...facts, role: "path" })
}

/** Longer than any password or passphrase, and short enough that reading one costs nothing. */
export const secretBytesMax = 4096

/** A text that is never shown. */
export const secret = (facts: Facts): Key<Redacted.Redacted> => {
  const allowed = describeLine(secretBytesMax)
  const schema = Schema.RedactedFromValue(line(secretBytesMax, allowed))
  return key(schema, "string", allowed, { ...facts, role: "secret" })
}

/** Names a file whose one line is the value of the secret key of the same name without `_file`. */
export const secretFile = (facts: Facts): Key<string> => ({ ...path(facts), role: "secretFile" })

/** A syntax of its own; a failed `parse` says what is allowed. */
interface Syntax<A> {
  readonly schema: Schema.Codec<A, A>
  readonly parse: (text: string) => Result.Result<A, string>
  readonly format: (value: A) => string
}

const codecOf = <A>({ format, parse, schema }: Syntax<A>): Schema.Codec<A, string> =>
  Schema.String.check(
    Schema.makeFilter((text: string) => Result.match(parse(text), { onSuccess: () => true, onFailure: (why) => why }))
  ).pipe(
    Schema.decodeTo(
      schema,
      SchemaTransformation.transform({ decode: (text) => Result.getOrThrow(parse(text)), encode: format })
    )
  )

/** A text with a syntax of its own. */
export const parsed = <A>(
  facts: Facts & Syntax<A> & { readonly default?: string; readonly allowed: string }
): Key<A> => {
  const { allowed, format, parse, schema, ...rest } = facts
  return key(codecOf({ format, parse, schema }), "string", allowed, rest)
}

/** Several texts with a syntax of their own, no two of which mean the same; `item` is what each of them may be. */
export const list = <A>(
  facts: Facts &
    Syntax<A> & {
      readonly default: ReadonlyArray<string>
      readonly item: string
      readonly itemsMin?: number
      readonly itemsMax: number
    }
): Key<ReadonlyArray<A>> => {
  const { format, item: allowedItem, itemsMax: max, itemsMin: min = 0, parse, schema, ...rest } = facts
  const codec = codecOf({ format, parse, schema })
  const count = min === 0 ? `at most ${max}` : `${min} to ${max}`
  const item = key(codec, "string", allowedItem, { doc: facts.doc })
  const items = Schema.Array(codec).check(Schema.isMinLength(min), Schema.isMaxLength(max), Schema.isUnique())
  return {
    ...key(items, "list", `a list of ${count}, each ${allowedItem}`, rest),
    items: { item, min, max },
    jsonSchema: {
      type: ["array", "string"],
      items: item.jsonSchema,
      ...(min === 0 ? {} : { minItems: min }),
      maxItems: max,
      uniqueItems: true
    }
  }
}
