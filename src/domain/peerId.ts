/**
 * The libp2p name of a member's key and back: `12D3Koo…` is base58btc of the identity multihash (0x00, length 0x24)
 * over the protobuf of an Ed25519 public key (0x08 0x01 type, 0x12 0x20 length of the 32 bytes that follow), so it
 * says the same as the DID. Hashed ids (`Qm…`, RSA keys) and the CID form (`bafz…`) are left out: no member has such a
 * key, and one key has one spelling.
 */
import { Result } from "effect"
import * as Base58 from "./base58.ts"
import { Did } from "./did.ts"
import { publicKeyLength } from "./ed25519.ts"

const header = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20)

/** 38 bytes whose first six are fixed always take this many characters. */
export const peerIdLength = 52

/** What a peer id must look like, for errors. */
export const allowed = `a peer id of an Ed25519 key ("12D3Koo…", ${peerIdLength} characters)`

/** `12D3Koo…`: the member as libp2p writes it. */
export const peerIdText = (did: Did): string => Base58.encode(Uint8Array.of(...header, ...did.publicKey))

/** The member of a libp2p peer id, strictly: the whole text in its one spelling. */
export const didOfPeerId = (text: string): Result.Result<Did, string> => {
  const bytes = text.length === peerIdLength ? Base58.decode(text, header.length + publicKeyLength) : undefined
  if (bytes?.length !== header.length + publicKeyLength || !header.every((byte, index) => bytes[index] === byte)) {
    return Result.fail(`expected ${allowed}`)
  }
  return Result.mapError(
    Did.fromPublicKey(bytes.subarray(header.length)),
    () => `the key in the peer id is no key that can sign; expected ${allowed}`
  )
}
