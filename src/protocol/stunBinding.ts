/**
 * Binding, the one STUN method between nodes: connectivity checks with short-term credentials (RFC 8445 section 7,
 * RFC 8489 section 9.1), plain requests that ask for the mapped address (RFC 8489 section 12), and what the discovery
 * of a NAT's behaviour adds to them (RFC 5780). Requests and responses as bytes ready to be sent, readers for what
 * arrives; transaction ids and keys come from the caller. Never sends SOFTWARE, which makes answers longer and tells
 * strangers what runs here.
 */
import { Result } from "effect"
import { unmapped } from "../domain/ipAddress.ts"
import { isPort, type TransportAddress } from "../domain/transportAddress.ts"
import {
  type DecodedStun,
  encode,
  fingerprintType,
  messageIntegritySha256Type,
  messageIntegrityType,
  type StunAttribute,
  type StunMessage
} from "./stun.ts"
import * as Attribute from "./stunAttributes.ts"
import { type IntegrityKey, verifyIntegrity } from "./stunIntegrity.ts"
import { method } from "./turn.ts"

/** Listed in a 420; more of them are somebody's game. */
const unknownListedMax = 16

/** The error codes that answer a Binding request (RFC 8489 section 14.8, RFC 8445 section 7.3.1.1). */
export const bindingErrors = {
  badRequest: 400,
  unauthenticated: 401,
  unknownAttribute: 420,
  roleConflict: 487
} as const
export type BindingErrorCode = (typeof bindingErrors)[keyof typeof bindingErrors]

/** One connectivity check (RFC 8445 section 7.2.4). */
export interface Check {
  /** 12 unpredictable bytes; fresh for each check, kept for its retransmissions. */
  readonly transactionId: Uint8Array
  /** `theirs:ours`: the name that the receiver gave out, then that of the sender. */
  readonly username: string
  /** Made of the receiver's password by `shortTermKey`. */
  readonly key: IntegrityKey
  /** What a candidate found by this check would have: 32 bits. */
  readonly priority: number
  readonly controlling: boolean
  /** 64 random bits, the same for a whole session of checks. */
  readonly tieBreaker: bigint
  /** Says USE-CANDIDATE; only the controlling side may. */
  readonly nominate: boolean
}

/** A check as bytes. Throws a RangeError for what no check can hold. */
export const encodeCheck = (check: Check): Uint8Array => {
  const { controlling, key, nominate, priority, tieBreaker, transactionId, username } = check
  if (nominate && !controlling) throw new RangeError("only the controlling side nominates")
  const role = controlling ? Attribute.iceControlling : Attribute.iceControlled
  const attributes = [
    Attribute.make(Attribute.username, username, transactionId),
    Attribute.make(Attribute.priority, priority, transactionId),
    Attribute.make(role, tieBreaker, transactionId)
  ]
  if (nominate) attributes.push(Attribute.make(Attribute.useCandidate, true, transactionId))
  return encode({ class: "request", method: method.binding, transactionId, attributes }, { key, fingerprint: true })
}

const valueOf = <A extends {}>(message: StunMessage, kind: Attribute.AttributeKind<A>): A | undefined =>
  Result.getOrUndefined(Attribute.optional(message, kind))

/** The USERNAME of a request, which tells a check from a plain Binding request; `undefined` when it has none. */
export const usernameOf = (message: StunMessage): string | undefined => valueOf(message, Attribute.username)

/** What a check says, once its signature has been verified. */
export interface ReceivedCheck {
  readonly username: string
  readonly priority: number
  /** The role that the sender has. */
  readonly controlling: boolean
  readonly tieBreaker: bigint
  readonly nominate: boolean
}

/** Why a request is no valid check, as the code to answer it with. */
export interface CheckRefusal {
  readonly code: BindingErrorCode
  /** The attributes that a 420 names. */
  readonly unknown: ReadonlyArray<number>
}

const refuse = (code: BindingErrorCode, unknown: ReadonlyArray<number> = []): Result.Result<never, CheckRefusal> =>
  Result.fail({ code, unknown })

const integrityTypes = [messageIntegrityType, messageIntegritySha256Type, fingerprintType]
const typesOf = (...kinds: ReadonlyArray<{ readonly type: number }>): ReadonlySet<number> =>
  new Set([...integrityTypes, ...kinds.map(({ type }) => type)])

const understoodInCheck = typesOf(Attribute.username, Attribute.priority, Attribute.useCandidate)
const understoodInRequest = typesOf(Attribute.username)
const understoodInResponse = typesOf(
  Attribute.mappedAddress,
  Attribute.xorMappedAddress,
  Attribute.errorCode,
  Attribute.unknownAttributes
)

/** The attributes of a plain Binding request that must be understood and are not: CHANGE-REQUEST is among them. */
export const unknownInRequest = (message: StunMessage): ReadonlyArray<number> =>
  Attribute.unknownRequired(message, understoodInRequest)

/**
 * Verifies and reads a check; `key` is made of this node's own password for that user name. Nothing of it may be
 * believed before (RFC 8489 section 9.1.3).
 */
export const readCheck = (message: DecodedStun, key: IntegrityKey): Result.Result<ReceivedCheck, CheckRefusal> => {
  if (message.class !== "request" || message.method !== method.binding) return refuse(bindingErrors.badRequest)
  const integrity = verifyIntegrity(message, key)
  const username = usernameOf(message)
  if (username === undefined || integrity === "absent") return refuse(bindingErrors.badRequest)
  if (integrity === "invalid") return refuse(bindingErrors.unauthenticated)
  const unknown = Attribute.unknownRequired(message, understoodInCheck)
  if (unknown.length > 0) return refuse(bindingErrors.unknownAttribute, unknown)
  const controlling = valueOf(message, Attribute.iceControlling)
  const controlled = valueOf(message, Attribute.iceControlled)
  const tieBreaker = controlling ?? controlled
  const priority = valueOf(message, Attribute.priority)
  const oneRole = (controlling === undefined) !== (controlled === undefined)
  if (tieBreaker === undefined || priority === undefined || !oneRole || message.fingerprint !== "valid") {
    return refuse(bindingErrors.badRequest)
  }
  const isControlling = controlling !== undefined
  const nominate = isControlling && valueOf(message, Attribute.useCandidate) === true
  return Result.succeed({ username, priority, controlling: isControlling, tieBreaker, nominate })
}

/** What the success response to a check holds. */
export interface CheckResponse {
  /** That of the request. */
  readonly transactionId: Uint8Array
  /** Where the check came from. */
  readonly mapped: TransportAddress
  /** The key that signed the check. */
  readonly key: IntegrityKey
}

export const encodeCheckResponse = ({ key, mapped, transactionId }: CheckResponse): Uint8Array =>
  encode(
    {
      class: "success",
      method: method.binding,
      transactionId,
      attributes: [Attribute.make(Attribute.xorMappedAddress, mapped, transactionId)]
    },
    { key, fingerprint: true }
  )

/** What an error response holds. */
export interface BindingError {
  readonly transactionId: Uint8Array
  readonly code: BindingErrorCode
  /** For 420: the attributes that were not understood. */
  readonly unknown?: ReadonlyArray<number>
  /** Signs the response: whenever the check was signed with it, so not with 400 and 401. */
  readonly key?: IntegrityKey | undefined
  readonly fingerprint: boolean
}

/** An error response, without a reason phrase: nobody reads it, and it would make the answer longer. */
export const encodeBindingError = (error: BindingError): Uint8Array => {
  const { code, fingerprint, key, transactionId, unknown = [] } = error
  const attributes: Array<StunAttribute> = [Attribute.make(Attribute.errorCode, { code, reason: "" }, transactionId)]
  if (code === bindingErrors.unknownAttribute) {
    const listed = unknown.slice(0, unknownListedMax)
    attributes.push(Attribute.make(Attribute.unknownAttributes, listed, transactionId))
  }
  return encode({ class: "error", method: method.binding, transactionId, attributes }, { key, fingerprint })
}

/** What a response says. */
export type BindingAnswer =
  | {
      readonly _tag: "Mapped"
      /** The asker as the answerer sees it; never an IPv4-mapped address. */
      readonly mapped: TransportAddress
      /** RESPONSE-ORIGIN: where the answerer thinks that it sent this from. */
      readonly origin: TransportAddress | undefined
      /** OTHER-ADDRESS: the answerer's second address, for the tests of RFC 5780. */
      readonly other: TransportAddress | undefined
    }
  | ({ readonly _tag: "Refused" } & Attribute.ErrorCode)

const plain = ({ host, port }: TransportAddress): TransportAddress => ({ host: unmapped(host), port })

const usable = (address: TransportAddress | undefined): TransportAddress | undefined =>
  address === undefined || !isPort(address.port) ? undefined : plain(address)

/**
 * Reads a response to a plain Binding request. `undefined` when it says nothing usable, or something that must be
 * understood and is not: a client then goes on waiting, since anybody who guesses may send such a thing.
 */
export const readBindingResponse = (message: DecodedStun): BindingAnswer | undefined => {
  if (message.method !== method.binding || message.fingerprint === "invalid") return undefined
  if (message.class === "error") {
    const error = valueOf(message, Attribute.errorCode)
    return error === undefined ? undefined : { _tag: "Refused", ...error }
  }
  if (message.class !== "success" || Attribute.unknownRequired(message, understoodInResponse).length > 0) {
    return undefined
  }
  // Some routers rewrite the address in the plain form, so that it counts only where the other is missing.
  const mapped = usable(valueOf(message, Attribute.xorMappedAddress) ?? valueOf(message, Attribute.mappedAddress))
  if (mapped === undefined) return undefined
  const origin = usable(valueOf(message, Attribute.responseOrigin))
  const other = usable(valueOf(message, Attribute.otherAddress))
  return { _tag: "Mapped", mapped, origin, other }
}

/**
 * Reads a response to a check; `key` is the one that signed the check. `undefined` when it has to be treated as though
 * it had never arrived, such as one without a valid signature (RFC 8489 section 9.1.4).
 */
export const readCheckResponse = (message: DecodedStun, key: IntegrityKey): BindingAnswer | undefined =>
  verifyIntegrity(message, key) === "valid" ? readBindingResponse(message) : undefined

/** What a plain Binding request may ask for. */
export interface BindingRequest {
  readonly transactionId: Uint8Array
  /** RFC 5780: to be answered from elsewhere. */
  readonly change?: Attribute.ChangeRequest | undefined
}

/** A plain Binding request, with FINGERPRINT so that it can be told from other protocols. */
export const encodeBindingRequest = ({ change, transactionId }: BindingRequest): Uint8Array =>
  encode(
    {
      class: "request",
      method: method.binding,
      transactionId,
      attributes: change === undefined ? [] : [Attribute.make(Attribute.changeRequest, change, transactionId)]
    },
    { fingerprint: true }
  )

/** What a plain success response holds. */
export interface BindingResponse {
  readonly transactionId: Uint8Array
  readonly mapped: TransportAddress
  readonly origin?: TransportAddress | undefined
  readonly other?: TransportAddress | undefined
  /** Where the request had one; without it the answer is shorter. */
  readonly fingerprint: boolean
}

export const encodeBindingResponse = (response: BindingResponse): Uint8Array => {
  const { fingerprint, mapped, origin, other, transactionId } = response
  const attributes = [Attribute.make(Attribute.xorMappedAddress, mapped, transactionId)]
  if (origin !== undefined) attributes.push(Attribute.make(Attribute.responseOrigin, origin, transactionId))
  if (other !== undefined) attributes.push(Attribute.make(Attribute.otherAddress, other, transactionId))
  return encode({ class: "success", method: method.binding, transactionId, attributes }, { fingerprint })
}
