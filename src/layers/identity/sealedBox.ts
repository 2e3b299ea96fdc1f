/**
 * Bytes sealed to a member by its DID alone: HPKE in base mode (RFC 9180) with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256
 * and AES-128-GCM, the suite of its appendix A.1. The X25519 keys follow from the Ed25519 keys: the public one by the
 * birational map (RFC 7748 section 4.1), the private one as the scalar of the seed (RFC 8032 section 5.1.5). What is
 * sealed: the encapsulated key (32 bytes), the ciphertext, its tag (16 bytes).
 */
import { Aes128Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core"
import { ed25519 } from "@noble/curves/ed25519.js"
import type { Did } from "../../domain/did.ts"
import type { DomainTag } from "../../domain/ed25519.ts"

const encapsulatedKeyLength = 32
const tagLength = 16
/** What sealing adds, in bytes. */
export const sealOverhead = encapsulatedKeyLength + tagLength

export const kem = new DhkemX25519HkdfSha256()
export const suite = new CipherSuite({ kem, kdf: new HkdfSha256(), aead: new Aes128Gcm() })

/** The bytes in a buffer of their own, as WebCrypto wants them. */
const owned = (bytes: Uint8Array): ArrayBuffer => Uint8Array.from(bytes).buffer

/** One seal serves one purpose; the prefix keeps it apart from other software's seals to the same key. */
const info = (tag: DomainTag): ArrayBuffer => owned(Buffer.from(`icn-node seal v1 ${tag}`, "ascii"))

/** The X25519 key of an Ed25519 key that domain/ed25519.ts accepts: no weak point has a DID. */
export const toMontgomery = (publicKey: Uint8Array): Uint8Array => ed25519.utils.toMontgomery(publicKey)

/** The X25519 secret of an Ed25519 seed. */
export const toMontgomerySecret = (seed: Uint8Array): Uint8Array => ed25519.utils.toMontgomerySecret(seed)

/** The key with which a node opens what is sealed to it. */
export const openingKey = (seed: Uint8Array): Promise<CryptoKey> => {
  const secret = toMontgomerySecret(seed)
  return kem.importKey("raw", owned(secret), false).finally(() => secret.fill(0))
}

/** Seals to a member; the randomness is WebCrypto's. */
export const seal = async (receiver: Did, tag: DomainTag, bytes: Uint8Array): Promise<Uint8Array> => {
  const recipientPublicKey = await kem.importKey("raw", owned(toMontgomery(receiver.publicKey)), true)
  const sealed = await suite.seal({ recipientPublicKey, info: info(tag) }, owned(bytes), owned(receiver.publicKey))
  return Buffer.concat([new Uint8Array(sealed.enc), new Uint8Array(sealed.ct)])
}

/** Opens what was sealed to `self`; `undefined` when it was not, or not for this purpose, or was changed. */
export const open = async (
  recipientKey: CryptoKey,
  self: Did,
  tag: DomainTag,
  sealed: Uint8Array
): Promise<Uint8Array | undefined> => {
  if (sealed.length < sealOverhead) return undefined
  const enc = owned(sealed.subarray(0, encapsulatedKeyLength))
  const ciphertext = owned(sealed.subarray(encapsulatedKeyLength))
  try {
    return new Uint8Array(await suite.open({ recipientKey, enc, info: info(tag) }, ciphertext, owned(self.publicKey)))
  } catch {
    // An encapsulated key of small order and a tag that does not match are all that can be wrong here.
    return undefined
  }
}
