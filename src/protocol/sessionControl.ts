/**
 * What two nodes say to each other about their session, on its control stream (`/icn/control/1`): greetings, the round
 * trip, where other members are, and what is to be passed on to one of them. Each message is one frame of JSON, read
 * strictly; numbers pair answers with questions. The first message of each side is its `Hello`.
 */
import { Result, Schema } from "effect"
import { ConnectionCandidate } from "../domain/connectionCandidate.ts"
import { DidFromString } from "../domain/did.ts"

/** The protocol under which the control stream is opened, by whoever dialled. */
export const controlProtocol = "/icn/control/1"
/** The version of these messages; another one is not spoken yet. */
export const controlVersion = 1

/** Candidates in one message: enough for a small cooperative, and about 40 KiB. */
export const candidatesPerMessageMax = 64
/** Members in one answer of the peer exchange, whatever was asked for. */
export const peersPerMessageMax = 1000
const addressesPerPeerMax = 16
const addressLengthMax = 512
/** The longest seal passed on, as text: that of the longest link offer (protocol/linkOffer.ts) and some room. */
export const sealedTextMax = 8192
/** A message of the largest allowed content, and some room. */
export const controlMessageBytesMax = 1_048_576

const Id = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffff_ffff }))
const Text = Schema.String.check(Schema.isMaxLength(128))

const Hello = Schema.TaggedStruct("Hello", {
  version: Schema.Int,
  software: Text,
  /** The sender's own candidate, unless it announces nothing. */
  candidate: Schema.NullOr(ConnectionCandidate),
  /** The UDP port of the sender's link socket, where it answers STUN Binding requests (RFC 8489); null without one. */
  linkPort: Schema.NullOr(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 0xffff })))
})
const Ping = Schema.TaggedStruct("Ping", { id: Id })
const Pong = Schema.TaggedStruct("Pong", { id: Id })
const Candidates = Schema.TaggedStruct("Candidates", {
  candidates: Schema.Array(ConnectionCandidate).check(Schema.isMaxLength(candidatesPerMessageMax))
})
/** Asks for the candidate of a member. */
const Find = Schema.TaggedStruct("Find", { id: Id, did: DidFromString })
const Found = Schema.TaggedStruct("Found", { id: Id, candidate: Schema.NullOr(ConnectionCandidate) })
const PeersRequest = Schema.TaggedStruct("PeersRequest", {
  id: Id,
  maxPeers: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: peersPerMessageMax }))
})
const PeersResponse = Schema.TaggedStruct("PeersResponse", {
  id: Id,
  peers: Schema.Array(
    Schema.Struct({
      did: DidFromString,
      /** In the form of domain/peerAddress.ts. */
      addresses: Schema.Array(Schema.String.check(Schema.isMaxLength(addressLengthMax))).check(
        Schema.isMaxLength(addressesPerPeerMax)
      )
    })
  ).check(Schema.isMaxLength(peersPerMessageMax)),
  /** Members that the sender has sessions with, also those left out. */
  totalKnown: Schema.Int
})
/** A sealed link offer for a member: for the receiver itself, or to be passed on over a session that it has. */
const Signal = Schema.TaggedStruct("Signal", {
  id: Id,
  to: DidFromString,
  sealed: Schema.String.check(Schema.isMaxLength(sealedTextMax), Schema.isPattern(/^[A-Za-z0-9_-]+$/)),
  /** 1 when it was passed on, and nobody passes it on again. */
  hops: Schema.Literals([0, 1])
})
/** What signals come to: `unknown` when there is no way to the member from here, or it has no use for the offer. */
export const signalResults = ["delivered", "unknown", "limited"] as const
export type SignalResult = (typeof signalResults)[number]
const Signalled = Schema.TaggedStruct("Signalled", { id: Id, result: Schema.Literals(signalResults) })
const Bye = Schema.TaggedStruct("Bye", {
  reason: Text,
  /** Whether the sender is to be dialled again; false until it comes by itself. */
  redial: Schema.Boolean
})

export const ControlMessage = Schema.Union([
  Hello,
  Ping,
  Pong,
  Candidates,
  Find,
  Found,
  PeersRequest,
  PeersResponse,
  Signal,
  Signalled,
  Bye
])
export type ControlMessage = typeof ControlMessage.Type
export type ControlHello = typeof Hello.Type
export type ControlSignal = typeof Signal.Type
export type ControlPeers = typeof PeersResponse.Type

const codec = Schema.fromJsonString(ControlMessage)
const encodeText = Schema.encodeSync(codec)
const decodeText = Schema.decodeUnknownResult(codec)
const utf8Encoder = new TextEncoder()
const utf8Decoder = new TextDecoder("utf-8", { fatal: true })

export const encodeControl = (message: ControlMessage): Uint8Array => utf8Encoder.encode(encodeText(message))

/** Reads a frame; the failure says why it is no message. */
export const decodeControl = (frame: Uint8Array): Result.Result<ControlMessage, string> => {
  if (frame.length > controlMessageBytesMax) return Result.fail(`${frame.length} bytes are too long`)
  const text = Result.try({ try: () => utf8Decoder.decode(frame), catch: () => "it is not UTF-8" })
  return Result.flatMap(text, (text) => Result.mapError(decodeText(text), ({ message }) => message))
}
