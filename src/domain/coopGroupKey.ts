/**
 * The key that members of a cooperative share: what is meant for all of them and for nobody else is sealed with it. It
 * belongs to an epoch, which begins when a steward signs a roster (domain/coopRoster.ts), and gives way to a new one
 * when somebody is excluded.
 */
import { createHash } from "node:crypto"

/** Bytes of a key. */
export const groupKeyBytes = 32
/** Bytes of its name. */
export const groupKeyIdBytes = 16
/** Keys of earlier epochs that are kept, the present one among them, for what was sealed before the change. */
export const groupKeysMax = 8

export interface GroupKey {
  /** Names the key and tells nothing of it: the beginning of its hash, 32 hex digits. */
  readonly id: string
  /** From 1, and higher with each change. */
  readonly epoch: number
  readonly key: Uint8Array
}

const idPrefix = Buffer.from("icn-node/coop-group-key/v1", "ascii")

/** The name of a key: whoever is given one checks it against what a steward signed. */
export const groupKeyId = (key: Uint8Array): string =>
  createHash("sha256")
    .update(idPrefix)
    .update(key)
    .digest("hex")
    .slice(0, groupKeyIdBytes * 2)
