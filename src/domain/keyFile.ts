/**
 * The format of the key file: one JSON document that holds the seed of an Ed25519 key pair, either plain or encrypted
 * with a passphrase (scrypt, then AES-256-GCM over the seed with everything else as associated data). Pure text to data
 * and back; the cryptography is in layers/identity/seal.ts. No error of this module tells anything of the content.
 */
import { Predicate, Result, Schema, SchemaIssue } from "effect"
import { DidFromString } from "./did.ts"
import { seedLength } from "./ed25519.ts"

const format = "icn-node identity"
const version = 1

/** A key file has about 500 bytes; what is longer is not read. */
export const keyFileBytesMax = 4096

/** Lengths in bytes: 128-bit salt, the nonce that GCM is made for, the full tag (NIST SP 800-38D). */
export const saltLength = 16
export const nonceLength = 12
export const tagLength = 16

/** What new files get: 128 MiB and about half a second per guess (OWASP's first choice for scrypt, 2^17, 8, 1). */
export const scryptParameters = { n: 2 ** 17, r: 8, p: 1 } as const

/** A file may ask for at most 128 · r · n = 256 MiB, so that a hostile one can't exhaust memory. */
const scryptCostMin = 2 ** 14
const scryptCostMax = 2 ** 18
const scryptParallelismMax = 4

const bytes = (length: number) =>
  Schema.Uint8ArrayFromBase64Url.check(Schema.makeFilter((value) => value.length === length))

const isPowerOfTwo = Schema.makeFilter<number>((value) => Number.isInteger(Math.log2(value)))

const header = {
  format: Schema.Literal(format),
  version: Schema.Literal(version),
  did: DidFromString,
  /** When the key was made, ISO 8601 in UTC; for people. */
  createdAt: Schema.String.check(Schema.isPattern(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/))
}

const PlainKeyFile = Schema.Struct({ ...header, kind: Schema.Literal("plain"), seed: bytes(seedLength) })
export type PlainKeyFile = typeof PlainKeyFile.Type

const EncryptedKeyFile = Schema.Struct({
  ...header,
  kind: Schema.Literal("encrypted"),
  kdf: Schema.Struct({
    name: Schema.Literal("scrypt"),
    n: Schema.Int.check(Schema.isBetween({ minimum: scryptCostMin, maximum: scryptCostMax }), isPowerOfTwo),
    r: Schema.Literal(scryptParameters.r),
    p: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: scryptParallelismMax })),
    salt: bytes(saltLength)
  }),
  cipher: Schema.Struct({ name: Schema.Literal("aes-256-gcm"), nonce: bytes(nonceLength) }),
  /** The encrypted seed, then the tag. */
  sealedSeed: bytes(seedLength + tagLength)
})
export type EncryptedKeyFile = typeof EncryptedKeyFile.Type

const KeyFile = Schema.Union([PlainKeyFile, EncryptedKeyFile])
export type KeyFile = typeof KeyFile.Type

/** What both kinds of file begin with. */
export const keyFileHeader = { format, version } as const

/** Why a text is not a key file that can be used. */
export interface KeyFileProblem {
  readonly reason: "malformed" | "unsupported"
  readonly detail: string
}

const problem = (reason: KeyFileProblem["reason"], detail: string) => Result.fail({ reason, detail })

/** A field for a message; a hostile file can have any text in its place. */
const fieldName = (key: PropertyKey): string => (/^\w{1,32}$/.test(String(key)) ? String(key) : "?")

/** Where a document is wrong, never what stands there. */
const fieldsOf = (issue: SchemaIssue.Issue): string => {
  const { issues } = SchemaIssue.makeFormatterStandardSchemaV1()(issue)
  const fields = issues.map(({ path }) =>
    (path ?? []).map((key) => fieldName(typeof key === "object" ? key.key : key)).join(".")
  )
  return [...new Set(fields)].filter((field) => field !== "").join(", ")
}

const decodeDocument = Schema.decodeUnknownResult(KeyFile)

/** Reads the text of a key file. */
export const decodeKeyFile = (text: string): Result.Result<KeyFile, KeyFileProblem> => {
  const document = Result.try(() => JSON.parse(text) as unknown)
  if (Result.isFailure(document)) return problem("malformed", "it is not JSON; is it cut off, or another program's?")
  const content = document.success
  if (!Predicate.hasProperty(content, "format") || content.format !== format) {
    return problem("malformed", "it is no key file of this program")
  }
  if (!Predicate.hasProperty(content, "version") || content.version !== version) {
    return problem("unsupported", `it has a format that this version does not know (it reads version ${version})`)
  }
  return Result.mapError(
    decodeDocument(content, { errors: "all", onExcessProperty: "error" }),
    ({ issue }): KeyFileProblem => ({ reason: "malformed", detail: `it is damaged at ${fieldsOf(issue) || "its top"}` })
  )
}

const encodeDocument = Schema.encodeResult(KeyFile)

/** Writes the text of a key file. */
export const encodeKeyFile = (file: KeyFile): string =>
  `${JSON.stringify(Result.getOrThrow(encodeDocument(file)), null, 2)}\n`

const base64url = (value: Uint8Array): string => Buffer.from(value).toString("base64url")

/** What the tag of an encrypted file vouches for besides the seed: every other field, in this order. */
export const associatedData = (file: Omit<EncryptedKeyFile, "sealedSeed">): Uint8Array => {
  const { cipher, createdAt, did, kdf, kind } = file
  return Buffer.from(
    JSON.stringify([
      [file.format, file.version, kind, did.text, createdAt],
      [kdf.name, kdf.n, kdf.r, kdf.p, base64url(kdf.salt)],
      [cipher.name, base64url(cipher.nonce)]
    ])
  )
}
