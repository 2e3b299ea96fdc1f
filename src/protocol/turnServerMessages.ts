/**
 * TURN messages of a server (RFC 8656), as far as a scripted server that tests clients needs them: responses to a
 * decoded request, challenges, and Data indications. The client's side is in turn.ts.
 */
import type { TransportAddress } from "../domain/transportAddress.ts"
import { encode, type StunAttribute, type StunMessage } from "./stun.ts"
import * as Attribute from "./stunAttributes.ts"
import type { IntegrityKey } from "./stunIntegrity.ts"
import { method, type RelayedData } from "./turn.ts"

/** What a response carries besides its class and transaction. */
export interface ResponseOptions {
  /** Signs the response; absent for what a server sends before it authenticated the request. */
  readonly key?: IntegrityKey | undefined
  readonly fingerprint?: boolean
  readonly attributes?: ReadonlyArray<StunAttribute>
}

/** A success response to a request; without attributes it is the whole answer to CreatePermission and ChannelBind. */
export const successResponse = (request: StunMessage, options: ResponseOptions = {}): Uint8Array => {
  const { attributes = [], fingerprint = false, key } = options
  const { method, transactionId } = request
  return encode({ class: "success", method, transactionId, attributes }, { key, fingerprint })
}

/** An error response to a request (RFC 8489 section 6.3.1.1). */
export const errorResponse = (
  request: StunMessage,
  error: Attribute.ErrorCode,
  options: ResponseOptions = {}
): Uint8Array => {
  const { attributes = [], fingerprint = false, key } = options
  const { method, transactionId } = request
  const code = Attribute.make(Attribute.errorCode, error, transactionId)
  return encode({ class: "error", method, transactionId, attributes: [code, ...attributes] }, { key, fingerprint })
}

/** What a client needs to authenticate its next request. */
export interface Challenge {
  readonly realm: string
  readonly nonce: Uint8Array
}

const challengeResponse = (request: StunMessage, error: Attribute.ErrorCode, challenge: Challenge): Uint8Array =>
  errorResponse(request, error, {
    attributes: [
      Attribute.make(Attribute.realm, challenge.realm, request.transactionId),
      Attribute.make(Attribute.nonce, challenge.nonce, request.transactionId)
    ]
  })

/** 401: asks for credentials, or says that they are wrong (RFC 8489 section 9.2.4). */
export const unauthorizedResponse = (request: StunMessage, challenge: Challenge): Uint8Array =>
  challengeResponse(request, { code: 401, reason: "Unauthorized" }, challenge)

/** 438: the nonce is no longer accepted, and here is the next one (RFC 8489 section 9.2.4). */
export const staleNonceResponse = (request: StunMessage, challenge: Challenge): Uint8Array =>
  challengeResponse(request, { code: 438, reason: "Stale Nonce" }, challenge)

/** The success response to an Allocate (RFC 8656 section 7.2). */
export const allocateSuccess = (
  request: StunMessage,
  granted: {
    readonly relayedAddress: TransportAddress
    readonly mappedAddress: TransportAddress
    readonly lifetimeSeconds: number
  },
  key?: IntegrityKey
): Uint8Array =>
  successResponse(request, {
    key,
    attributes: [
      Attribute.make(Attribute.xorRelayedAddress, granted.relayedAddress, request.transactionId),
      Attribute.make(Attribute.lifetime, granted.lifetimeSeconds, request.transactionId),
      Attribute.make(Attribute.xorMappedAddress, granted.mappedAddress, request.transactionId)
    ]
  })

/** The success response to a Refresh (RFC 8656 section 8.2). */
export const refreshSuccess = (request: StunMessage, lifetimeSeconds: number, key?: IntegrityKey): Uint8Array =>
  successResponse(request, {
    key,
    attributes: [Attribute.make(Attribute.lifetime, lifetimeSeconds, request.transactionId)]
  })

/** Delivers a peer's datagram without a channel (RFC 8656 section 11.3). */
export const dataIndication = (options: RelayedData & { readonly transactionId: Uint8Array }): Uint8Array =>
  encode({
    class: "indication",
    method: method.data,
    transactionId: options.transactionId,
    attributes: [
      Attribute.make(Attribute.xorPeerAddress, options.peer, options.transactionId),
      Attribute.make(Attribute.data, options.data, options.transactionId)
    ]
  })
