/**
 * Who this node is: one Ed25519 key pair, its DID, signatures that are good for one purpose only, and bytes sealed to
 * one member. Implemented by layers/IdentityFile.ts (a key file in the data directory) and layers/IdentityMemory.ts;
 * the rules of DIDs are in domain/did.ts, those of keys and signatures in domain/ed25519.ts, and sealing (HPKE, RFC
 * 9180) is in layers/identity/sealedBox.ts.
 */
import { Context, type Effect, type Redacted, Schema } from "effect"
import type { Did } from "../domain/did.ts"
import type { DomainTag } from "../domain/ed25519.ts"

/** The key file cannot be used; it is never changed by a failed attempt. */
export class IdentityError extends Schema.TaggedError<IdentityError>()("IdentityError", {
  keyFile: Schema.String,
  reason: Schema.Literals([
    "unreadable",
    "exposed",
    "malformed",
    "unsupported",
    "passphraseNeeded",
    "wrongPassphrase",
    "unwritable"
  ]),
  detail: Schema.String
}) {
  override get message() {
    return `identity ${this.keyFile}: ${this.detail}`
  }
}

/** Sealed bytes that this node cannot open: for another member, for another purpose, or changed on the way. */
export class SealBroken extends Schema.TaggedError<SealBroken>()("SealBroken", {}) {
  override get message() {
    return "the seal is not for this node and purpose, or is broken"
  }
}

export class Identity extends Context.Service<
  Identity,
  {
    readonly did: Did
    /** Where the key is kept; `undefined` for a key in memory. */
    readonly keyFile: string | undefined
    /** Ed25519 over the tag and the bytes, so that a signature made for one purpose never serves another. */
    sign(tag: DomainTag, bytes: Uint8Array): Effect.Effect<Uint8Array>
    /** Whether `signature` is `signer`'s for this tag and these bytes, by the strict rules of domain/ed25519.ts. */
    verify(signer: Did, tag: DomainTag, bytes: Uint8Array, signature: Uint8Array): Effect.Effect<boolean>
    /**
     * Bytes that only `receiver` can open, and only for this purpose. It says nothing of the sender: what needs one is
     * signed before it is sealed.
     */
    seal(receiver: Did, tag: DomainTag, bytes: Uint8Array): Effect.Effect<Uint8Array>
    /** What somebody sealed to this node for this purpose. */
    open(tag: DomainTag, sealed: Uint8Array): Effect.Effect<Uint8Array, SealBroken>
    /**
     * The 32-byte seed, for transports whose own code proves this node in a handshake: libp2p signs under prefixes of
     * its own (`libp2p-tls-handshake:`, `noise-libp2p-static-key:`, `libp2p-pubsub:`), which no frame of ours begins
     * with; and for the ledger, which signs framed entries where no Effect runs, in a thread of its own. For nothing
     * else.
     */
    readonly handshakeSeed: Redacted.Redacted<Uint8Array>
  }
>()("icn-node/services/Identity") {}
