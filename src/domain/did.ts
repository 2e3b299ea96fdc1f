/**
 * Decentralised identifiers of members: an Ed25519 public key in the `did:key` method. The canonical text is
 * `did:key:z` + base58btc(0xed 0x01 ‖ key); `did:icn:z` + base58btc(key) is read as another spelling of the same key
 * and never written. Equality is equality of key bytes; documents, key rotation and other key types are left out.
 */
import { Equal, Hash, Result, Schema, SchemaTransformation } from "effect"
import * as Base58 from "./base58.ts"
import { publicKeyLength, publicKeyProblem } from "./ed25519.ts"

/** The multicodec code of an Ed25519 public key, 0xed, as an unsigned varint. */
const multicodec = Uint8Array.of(0xed, 0x01)
const keyPrefix = "did:key:"
const icnPrefix = "did:icn:"
/** The longest text of either method has 56 characters; what is longer is not even looked at. */
const textLengthMax = 64

/** A text or bytes that are not the identifier of a member. */
export class DidError extends Schema.TaggedError<DidError>()("DidError", {
  /** The text as found, shortened to `textLengthMax` characters. */
  found: Schema.String,
  reason: Schema.Literals([
    "tooLong",
    "unknownMethod",
    "unknownMultibase",
    "malformedBase58",
    "unknownKeyType",
    "wrongLength",
    "nonCanonical",
    "smallOrder",
    "notOnCurve"
  ])
}) {
  override get message() {
    return `${JSON.stringify(this.found)} is not a DID of this network: ${explanations[this.reason]}`
  }
}

const explanations: Record<DidError["reason"], string> = {
  tooLong: "it is too long",
  unknownMethod: "it does not begin with did:key: or did:icn:",
  unknownMultibase: 'the key is not in base58btc (a "z" in front)',
  malformedBase58: "the key has a character that is not base58, or is too long",
  unknownKeyType: "the key is not an Ed25519 key (0xed 0x01 in front)",
  wrongLength: `the key has not ${publicKeyLength} bytes`,
  nonCanonical: "the key is not encoded in its only allowed way",
  smallOrder: "the key is one of the eight weak points, for which anybody can sign",
  notOnCurve: "the key is not a point of the curve"
}

/** Texts read lately, at about 300 bytes each: more members than one node hears of at a time. */
const recentMax = 4096
/** What each text is, so that members heard of again and again are checked once; the oldest give way. */
const recent = new Map<string, Result.Result<Did, DidError>>()

const remember = (text: string, did: Result.Result<Did, DidError>): void => {
  if (recent.size >= recentMax) {
    for (const oldest of recent.keys()) {
      recent.delete(oldest)
      break
    }
  }
  recent.set(text, did)
}

/** The identity of a member: a checked public key and its canonical text. */
export class Did implements Equal.Equal {
  /** The 32 bytes of the key; not to be written to. */
  readonly publicKey: Uint8Array
  /** `did:key:z6Mk…`: one text per key, so it serves as a map key. */
  readonly text: string

  private constructor(publicKey: Uint8Array) {
    this.publicKey = publicKey
    this.text = `${keyPrefix}z${Base58.encode(Uint8Array.of(...multicodec, ...publicKey))}`
  }

  /** The DID of a public key, after the checks of domain/ed25519.ts; the bytes are copied. */
  static fromPublicKey(bytes: Uint8Array): Result.Result<Did, DidError> {
    const problem = publicKeyProblem(bytes)
    if (problem === undefined) return Result.succeed(new Did(Uint8Array.from(bytes)))
    return fail(`${bytes.length} bytes`, problem)
  }

  /** Reads either spelling, strictly: the whole text, nothing before, nothing after, no path, query or fragment. */
  static parse(text: string): Result.Result<Did, DidError> {
    const known = recent.get(text)
    if (known !== undefined) return known
    const parsed = Did.#read(text)
    // A text that is no DID costs little to refuse; one that is costs as much as verifying a signature.
    if (Result.isSuccess(parsed)) remember(text, parsed)
    return parsed
  }

  static #read(text: string): Result.Result<Did, DidError> {
    if (text.length > textLengthMax) return fail(text, "tooLong")
    const isKeyMethod = text.startsWith(keyPrefix)
    if (!isKeyMethod && !text.startsWith(icnPrefix)) return fail(text, "unknownMethod")
    if (text.charAt(keyPrefix.length) !== "z") return fail(text, "unknownMultibase")
    const header = isKeyMethod ? multicodec : Uint8Array.of()
    const bytes = Base58.decode(text.slice(keyPrefix.length + 1), header.length + publicKeyLength)
    if (bytes === undefined) return fail(text, "malformedBase58")
    if (!header.every((byte, index) => bytes[index] === byte)) return fail(text, "unknownKeyType")
    return Result.mapError(Did.fromPublicKey(bytes.subarray(header.length)), ({ reason }) => {
      return new DidError({ found: text, reason })
    })
  }

  /** Whether both are the same key. */
  static equals(a: Did, b: Did): boolean {
    return a.text === b.text
  }

  [Equal.symbol](that: unknown): boolean {
    return that instanceof Did && Did.equals(this, that)
  }
  [Hash.symbol](): number {
    return Hash.string(this.text)
  }
  toString(): string {
    return this.text
  }
  toJSON(): string {
    return this.text
  }
}

const fail = (found: string, reason: DidError["reason"]): Result.Result<never, DidError> =>
  Result.fail(new DidError({ found: found.slice(0, textLengthMax), reason }))

const isDidText = Schema.makeFilter<string>((text) =>
  Result.match(Did.parse(text), { onFailure: ({ message }) => message, onSuccess: () => undefined })
)

/** Reads a DID from either spelling and writes the canonical one. */
export const DidFromString = Schema.String.check(isDidText).pipe(
  Schema.decodeTo(
    Schema.declare((value): value is Did => value instanceof Did, { expected: "a DID" }),
    SchemaTransformation.transform({
      decode: (text) => Result.getOrThrow(Did.parse(text)),
      encode: (did) => did.text
    })
  )
)
