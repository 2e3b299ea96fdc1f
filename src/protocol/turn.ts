/**
 * TURN messages of a client (RFC 8656): requests and indications as bytes ready to be sent, and readers for what a
 * server answers. Transaction ids come from the caller; whether an answer may be believed is decided in
 * turnAuthentication.ts, what a server sends is built in turnServerMessages.ts, and ChannelData is in channelData.ts.
 */
import { Result } from "effect"
import type { TransportAddress } from "../domain/transportAddress.ts"
import { type DecodedStun, decodeFailure, encode, type StunAttribute, type StunDecodeError } from "./stun.ts"
import * as Attribute from "./stunAttributes.ts"
import type { IntegrityKey, PreparationProfile } from "./stunIntegrity.ts"

/** The STUN methods of RFC 8489 section 18.2 and RFC 8656 section 17. */
export const method = {
  binding: 0x001,
  allocate: 0x003,
  refresh: 0x004,
  send: 0x006,
  data: 0x007,
  createPermission: 0x008,
  channelBind: 0x009
} as const

/** The protocol number of UDP, for REQUESTED-TRANSPORT. */
export const transportUdp = 17

/** What a request is authenticated with (RFC 8489 section 9.2): made by `nextStep` from a server's challenge. */
export interface TurnAuth {
  /** As prepared for the server. */
  readonly username: string
  readonly realm: string
  readonly nonce: Uint8Array
  readonly key: IntegrityKey
  /** How user name and key were prepared. */
  readonly profile: PreparationProfile
}

/** What every request needs. */
export interface RequestOptions {
  /** 12 unpredictable bytes; fresh for each request, kept for its retransmissions. */
  readonly transactionId: Uint8Array
  readonly auth?: TurnAuth | undefined
}

const request = (number: number, attributes: ReadonlyArray<StunAttribute>, options: RequestOptions): Uint8Array => {
  const { auth, transactionId } = options
  const credentials =
    auth === undefined
      ? []
      : [
          Attribute.make(Attribute.username, auth.username, transactionId),
          Attribute.make(Attribute.realm, auth.realm, transactionId),
          Attribute.make(Attribute.nonce, auth.nonce, transactionId)
        ]
  return encode(
    { class: "request", method: number, transactionId, attributes: [...attributes, ...credentials] },
    { key: auth?.key, fingerprint: true }
  )
}

/** What Allocate asks for. */
export interface AllocateOptions extends RequestOptions {
  readonly lifetimeSeconds: number
  /** Asks for a relayed address of this family; the server chooses (IPv4, by the RFC) when absent. */
  readonly family?: 4 | 6 | undefined
}

/** Asks for a relayed UDP address (RFC 8656 section 7.1). */
export const allocateRequest = (options: AllocateOptions): Uint8Array => {
  const { family, lifetimeSeconds, transactionId } = options
  const attributes = [
    Attribute.make(Attribute.requestedTransport, transportUdp, transactionId),
    Attribute.make(Attribute.lifetime, lifetimeSeconds, transactionId)
  ]
  if (family !== undefined) attributes.push(Attribute.make(Attribute.requestedAddressFamily, family, transactionId))
  return request(method.allocate, attributes, options)
}

/** Prolongs the allocation, or releases it with a lifetime of 0 (RFC 8656 section 8.1). */
export const refreshRequest = (options: RequestOptions & { readonly lifetimeSeconds: number }): Uint8Array =>
  request(method.refresh, [Attribute.make(Attribute.lifetime, options.lifetimeSeconds, options.transactionId)], options)

/** Installs or prolongs permissions for peers; only their IP addresses count (RFC 8656 section 10.1). */
export const createPermissionRequest = (
  options: RequestOptions & { readonly peers: ReadonlyArray<TransportAddress> }
): Uint8Array =>
  request(
    method.createPermission,
    options.peers.map((peer) => Attribute.make(Attribute.xorPeerAddress, peer, options.transactionId)),
    options
  )

/** Binds or prolongs a channel (RFC 8656 section 12.1). */
export const channelBindRequest = (
  options: RequestOptions & { readonly channel: number; readonly peer: TransportAddress }
): Uint8Array =>
  request(
    method.channelBind,
    [
      Attribute.make(Attribute.channelNumber, options.channel, options.transactionId),
      Attribute.make(Attribute.xorPeerAddress, options.peer, options.transactionId)
    ],
    options
  )

/** A peer's datagram, or one for a peer. */
export interface RelayedData {
  readonly peer: TransportAddress
  /** A view into the datagram once decoded. */
  readonly data: Uint8Array
}

/** Sends a datagram through the relay without a channel (RFC 8656 section 11.1). */
export const sendIndication = (options: RelayedData & { readonly transactionId: Uint8Array }): Uint8Array =>
  encode({
    class: "indication",
    method: method.send,
    transactionId: options.transactionId,
    attributes: [
      Attribute.make(Attribute.xorPeerAddress, options.peer, options.transactionId),
      Attribute.make(Attribute.data, options.data, options.transactionId)
    ]
  })

/** Reads a Data indication (RFC 8656 section 11.4); the caller has seen that it is one. Runs for each packet. */
export const decodeDataIndication = (message: DecodedStun): Result.Result<RelayedData, StunDecodeError> => {
  const peer = Attribute.required(message, Attribute.xorPeerAddress)
  if (Result.isFailure(peer)) return Result.fail(peer.failure)
  const data = Attribute.required(message, Attribute.data)
  if (Result.isFailure(data)) return Result.fail(data.failure)
  return Result.succeed({ peer: peer.success, data: data.success })
}

/** What the server granted. */
export interface AllocateSuccess {
  readonly relayedAddress: TransportAddress
  readonly mappedAddress: TransportAddress
  /** At least 1. */
  readonly lifetimeSeconds: number
}

const unspecified = new Set(["0.0.0.0", "::"])

/**
 * Reads the success response to an Allocate. A lifetime of zero is refused like a missing one, since a client that took
 * it would refresh without a pause, and so is the relayed address 0.0.0.0:0 that coturn gives for a family it lacks.
 */
export const readAllocateSuccess = (response: DecodedStun): Result.Result<AllocateSuccess, StunDecodeError> =>
  Result.gen(function* () {
    const relayedAddress = yield* Attribute.required(response, Attribute.xorRelayedAddress)
    const mappedAddress = yield* Attribute.required(response, Attribute.xorMappedAddress)
    const lifetimeSeconds = yield* Attribute.required(response, Attribute.lifetime)
    if (lifetimeSeconds === 0) return yield* decodeFailure("attributeValue", 0, Attribute.lifetime.type)
    if (relayedAddress.port === 0 || unspecified.has(relayedAddress.host)) {
      return yield* decodeFailure("attributeValue", 0, Attribute.xorRelayedAddress.type)
    }
    return { relayedAddress, mappedAddress, lifetimeSeconds }
  })

/** Reads the lifetime in seconds that a Refresh was granted; 0 confirms a release. */
export const readRefreshSuccess = (response: DecodedStun): Result.Result<number, StunDecodeError> =>
  Attribute.required(response, Attribute.lifetime)

/** Reads what an error response says. */
export const readError = (response: DecodedStun): Result.Result<Attribute.ErrorCode, StunDecodeError> =>
  Attribute.required(response, Attribute.errorCode)
