/**
 * The text of `peers.json`: the members that a node has met and where they were, last seen first. Reading is strict,
 * since only this program writes the file; writing never makes more than reading takes.
 */
import { Result, Schema } from "effect"
import { DidFromString } from "./did.ts"
import { keptAddressesMax, type KeptPeer, keptPeersMax } from "./knownPeers.ts"
import { formatAddress, PeerAddressFromString } from "./peerAddress.ts"

/** 512 members with eight addresses need some 300 KiB; what is larger is not ours. */
export const peerBookFileBytesMax = 1024 * 1024

const Millis = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))

const Peer = Schema.Struct({
  did: DidFromString,
  lastSeen: Millis,
  addresses: Schema.Array(
    Schema.Struct({
      address: PeerAddressFromString,
      source: Schema.Literals(["session", "exchange", "mdns"]),
      worked: Schema.optionalKey(Millis)
    })
  ).check(Schema.isMaxLength(keptAddressesMax))
})

const Document = Schema.fromJsonString(
  Schema.Struct({ version: Schema.Literal(1), peers: Schema.Array(Peer).check(Schema.isMaxLength(keptPeersMax)) })
)

const decodeDocument = Schema.decodeResult(Document, { onExcessProperty: "error" })

/** Plain, since this may run every second: the codec would check each key again, at 0.3 ms for a member. */
const line = ({ addresses, did, lastSeenMillis }: KeptPeer): string =>
  JSON.stringify({
    did: did.text,
    lastSeen: lastSeenMillis,
    addresses: addresses.flatMap(({ address, source, workedMillis }) =>
      source === "config" || source === "candidate"
        ? []
        : [{ address: formatAddress(address), source, worked: workedMillis }]
    )
  })

const head = '{"version":1,"peers":['
const tail = "]}\n"

/** As many members as fit, from the front; one on each line. */
export const encode = (peers: ReadonlyArray<KeptPeer>): string => {
  const lines: Array<string> = []
  let bytes = Buffer.byteLength(head + tail)
  for (const peer of peers.slice(0, keptPeersMax)) {
    const text = `\n${line(peer)}`
    // One more for the comma.
    bytes += Buffer.byteLength(text) + 1
    if (bytes > peerBookFileBytesMax) break
    lines.push(text)
  }
  return head + lines.join(",") + tail
}

/** The members in the file; the failure is a sentence that says what is wrong with it. */
export const decode = (text: string): Result.Result<ReadonlyArray<KeptPeer>, string> =>
  Result.mapBoth(decodeDocument(text), {
    onFailure: ({ message }) => message,
    onSuccess: ({ peers }) =>
      peers.map(({ addresses, did, lastSeen }) => ({
        did,
        lastSeenMillis: lastSeen,
        addresses: addresses.map(({ address, source, worked }) => ({ address, source, workedMillis: worked }))
      }))
  })
