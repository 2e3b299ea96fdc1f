/**
 * What a client makes of a response, by the long-term credential mechanism (RFC 8489 section 9.2.5): ask again with
 * credentials or a new nonce, take it as the answer, or treat it as never received. Pure: the caller matches responses
 * to requests by transaction id and source, sends, retransmits and gives up.
 *
 *   Allocate --401 realm, nonce--> Allocate with credentials --438 nonce--> the same with the new nonce --> success
 */
import { Redacted, Result } from "effect"
import type { TurnCredentials } from "../domain/turnConfig.ts"
import type { PreparationError } from "./saslprep.ts"
import { type DecodedStun, describeDecodeError } from "./stun.ts"
import * as Attribute from "./stunAttributes.ts"
import { longTermKey, prepare, type PreparationProfile, verifyIntegrity } from "./stunIntegrity.ts"
import { method, readError, type TurnAuth } from "./turn.ts"

/** 401 responses that one request answers: the challenge, a changed realm, and a refusal of prepared credentials. */
export const challengesMax = 3
/** 438 responses that one request answers; a server that never accepts its own nonces must not keep us busy. */
export const staleNoncesMax = 3

/** One request on its way to an answer, across its repetitions. */
export interface TurnAttempt {
  readonly method: number
  readonly credentials: TurnCredentials | undefined
  /** What the latest repetition was sent with. */
  readonly auth: TurnAuth | undefined
  readonly challenges: number
  readonly staleNonces: number
}

/** The first attempt of a request; `auth` is what an earlier exchange with this server has left. */
export const firstAttempt = (
  requestMethod: number,
  credentials: TurnCredentials | undefined,
  auth?: TurnAuth
): TurnAttempt => ({ method: requestMethod, credentials, auth, challenges: 0, staleNonces: 0 })

/** What to do about a response. */
export type NextStep =
  /** Behave as if the response had never come: forged, damaged, or not an answer to this request. */
  | { readonly _tag: "Discard"; readonly reason: "unrelated" | "fingerprint" | "integrity" }
  /** Send again under a new transaction id with `attempt.auth`, which other requests to this server use from now on. */
  | { readonly _tag: "Retry"; readonly attempt: TurnAttempt }
  | { readonly _tag: "Success" }
  /** The end: `code` is the server's error code, or 0 when its answer cannot be used. */
  | { readonly _tag: "Failure"; readonly code: number; readonly detail: string; readonly realm: string | undefined }

const failure = (code: number, detail: string, realm?: string): NextStep => ({
  _tag: "Failure",
  code,
  detail,
  realm: realm === undefined ? undefined : Attribute.printable(realm)
})

const nonceCookie = new TextEncoder().encode("obMatJos2")

/** Servers of RFC 8489 begin their nonces with a cookie (section 9.2); others are taken for ones of RFC 5389. */
const profileOf = (nonce: Uint8Array): PreparationProfile =>
  nonceCookie.every((byte, index) => nonce[index] === byte) ? "OpaqueString" : "SASLprep"

interface Challenge {
  readonly realm: string
  readonly nonce: Uint8Array
}

/** What a 401 or 438 asks for; one that names no realm means the one at hand. The failure is a sentence. */
const readChallenge = (response: DecodedStun, auth: TurnAuth | undefined): Result.Result<Challenge, string> => {
  const nonce = Attribute.required(response, Attribute.nonce)
  if (Result.isFailure(nonce)) return Result.fail(describeDecodeError(nonce.failure))
  const realm = Attribute.optional(response, Attribute.realm)
  if (Result.isFailure(realm)) return Result.fail(describeDecodeError(realm.failure))
  const known = realm.success ?? auth?.realm
  if (known === undefined) return Result.fail("the server's challenge names no realm")
  // A copy, since the nonce outlives the datagram.
  return Result.succeed({ realm: known, nonce: nonce.success.slice() })
}

const prepared = (
  { password, username }: TurnCredentials,
  { nonce, realm }: Challenge,
  profile: PreparationProfile
): Result.Result<TurnAuth, PreparationError> =>
  Result.gen(function* () {
    const key = yield* longTermKey({ username, realm, password, profile })
    return { username: yield* prepare(profile, username), realm, nonce, key, profile }
  })

/** Whether a server that prepares nothing would make another key of these credentials. */
const changes = (profile: PreparationProfile, { password, username }: TurnCredentials): boolean =>
  [username, Redacted.value(password)].some((text) => Result.getOrUndefined(prepare(profile, text)) !== text)

/** Sends again with these credentials; those that cannot be prepared go as they are. */
const retry = (
  attempt: TurnAttempt,
  credentials: TurnCredentials,
  challenge: Challenge,
  profile: PreparationProfile
): NextStep => {
  const auth = Result.getOrElse(prepared(credentials, challenge, profile), () =>
    Result.getOrThrow(prepared(credentials, challenge, "Verbatim"))
  )
  return new TextEncoder().encode(auth.username).length > Attribute.usernameLengthMax
    ? failure(0, `the user name is longer than ${Attribute.usernameLengthMax} bytes`)
    : { _tag: "Retry", attempt: { ...attempt, auth } }
}

/** Whether the response is signed with the key of the request; a request without credentials has nothing to check. */
const integrityOf = ({ auth }: TurnAttempt, response: DecodedStun): "valid" | "invalid" | "absent" =>
  auth === undefined ? "valid" : verifyIntegrity(response, auth.key)

/**
 * Which integrity an error needs. A server has no key to sign 401 and 438 with; before it authenticated the request it
 * may also send 300, 441 and, to Allocate, 437 (coturn does). Everything else must be signed.
 */
const believable = (attempt: TurnAttempt, response: DecodedStun, code: number): boolean => {
  if (code === 401 || code === 438) return true
  const unsigned = code === 300 || code === 441 || (code === 437 && attempt.method === method.allocate)
  const integrity = integrityOf(attempt, response)
  return integrity === "valid" || (unsigned && integrity === "absent")
}

/** 401: a first challenge, a changed realm, or credentials that are wrong. */
const challenged = (attempt: TurnAttempt, response: DecodedStun, reason: string): NextStep => {
  const { auth, challenges, credentials } = attempt
  const challenge = readChallenge(response, auth)
  if (Result.isFailure(challenge)) {
    return auth === undefined ? failure(0, challenge.failure) : failure(401, reason, auth.realm)
  }
  const { nonce, realm } = challenge.success
  if (credentials === undefined || challenges >= challengesMax) return failure(401, reason, realm)
  const next = { ...attempt, challenges: challenges + 1 }
  if (auth?.realm !== realm) return retry(next, credentials, challenge.success, profileOf(nonce))
  // Refused for that very realm. Servers that hash what their operator typed, as coturn does, may want it unprepared.
  return auth.profile !== "Verbatim" && changes(auth.profile, credentials)
    ? retry(next, credentials, challenge.success, "Verbatim")
    : failure(401, reason, realm)
}

/** 438: the same credentials with the nonce that the server gives. */
const stale = (attempt: TurnAttempt, response: DecodedStun, reason: string): NextStep => {
  const { auth, credentials, staleNonces } = attempt
  if (staleNonces >= staleNoncesMax) return failure(438, reason, auth?.realm)
  const challenge = readChallenge(response, auth)
  if (Result.isFailure(challenge)) return failure(0, challenge.failure, auth?.realm)
  const { nonce, realm } = challenge.success
  const next = { ...attempt, staleNonces: staleNonces + 1 }
  const profile = profileOf(nonce)
  if (auth !== undefined && auth.realm === realm && (auth.profile === profile || auth.profile === "Verbatim")) {
    return { _tag: "Retry", attempt: { ...next, auth: { ...auth, nonce } } }
  }
  return credentials === undefined ? failure(438, reason, realm) : retry(next, credentials, challenge.success, profile)
}

const failed = (attempt: TurnAttempt, response: DecodedStun): NextStep => {
  const error = readError(response)
  const code = Result.isSuccess(error) ? error.success.code : 0
  if (!believable(attempt, response, code)) return { _tag: "Discard", reason: "integrity" }
  if (Result.isFailure(error)) return failure(0, describeDecodeError(error.failure), attempt.auth?.realm)
  const { reason } = error.success
  switch (code) {
    case 401:
      return challenged(attempt, response, reason)
    case 438:
      return stale(attempt, response, reason)
    default:
      return failure(code, reason, attempt.auth?.realm)
  }
}

/** Decides about a response that was matched to the request by transaction id and source. */
export const nextStep = (attempt: TurnAttempt, response: DecodedStun): NextStep => {
  if (response.method !== attempt.method || (response.class !== "success" && response.class !== "error")) {
    return { _tag: "Discard", reason: "unrelated" }
  }
  if (response.fingerprint === "invalid") return { _tag: "Discard", reason: "fingerprint" }
  if (response.class === "error") return failed(attempt, response)
  if (integrityOf(attempt, response) !== "valid") return { _tag: "Discard", reason: "integrity" }
  const unknown = Attribute.unknownRequired(response)
  // RFC 8489 section 6.3.3: the transaction has failed, since the answer cannot be understood.
  return unknown.length === 0
    ? { _tag: "Success" }
    : failure(0, `the answer has unknown attributes ${unknown.join(", ")}`, attempt.auth?.realm)
}
