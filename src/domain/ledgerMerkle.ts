/**
 * A Merkle tree over the rows of the books, hashed as RFC 6962 section 2.1 hashes a log: leaves with a 0 byte in front,
 * nodes with a 1 byte, so that neither can be taken for the other; the left part of a tree is the largest power of two
 * below its size. Equal roots mean equal books, whichever node they are on: rows come ascending by account, then
 * currency, and those with nothing in them do not count.
 */
import { createHash } from "node:crypto"
import type { AccountId } from "./ledgerEntry.ts"
import type { Sums } from "./ledgerSums.ts"

const leafPrefix = Uint8Array.of(0)
const nodePrefix = Uint8Array.of(1)

/** A row as bytes: account (32), currency (1), then posted, held and unacked as signed 64-bit big-endian integers. */
const rowBytes = (account: AccountId, currency: number, { held, posted, unacked }: Sums): Uint8Array => {
  const bytes = Buffer.alloc(57)
  bytes.write(account, "hex")
  bytes.writeUInt8(currency, 32)
  bytes.writeBigInt64BE(BigInt(posted), 33)
  bytes.writeBigInt64BE(BigInt(held), 41)
  bytes.writeBigInt64BE(BigInt(unacked), 49)
  return bytes
}

const leafHash = (leaf: Uint8Array): Uint8Array => createHash("sha256").update(leafPrefix).update(leaf).digest()

const nodeHash = (left: Uint8Array, right: Uint8Array): Uint8Array =>
  createHash("sha256").update(nodePrefix).update(left).update(right).digest()

/** The root of leaves that come one by one; it keeps one hash per level. */
export class MerkleTree {
  /** Roots of complete trees, the largest first, each with the number of its leaves. */
  readonly #complete: Array<{ readonly leaves: number; readonly hash: Uint8Array }> = []

  add(leaf: Uint8Array): void {
    let tree = { leaves: 1, hash: leafHash(leaf) }
    for (let left = this.#complete.at(-1); left?.leaves === tree.leaves; left = this.#complete.at(-1)) {
      this.#complete.pop()
      tree = { leaves: 2 * tree.leaves, hash: nodeHash(left.hash, tree.hash) }
    }
    this.#complete.push(tree)
  }

  /** The root of the leaves so far; the hash of nothing without any. */
  root(): Uint8Array {
    const [last, ...others] = this.#complete.toReversed()
    if (last === undefined) return createHash("sha256").digest()
    return others.reduce((right, { hash }) => nodeHash(hash, right), last.hash)
  }
}

/** A row of the books as a leaf. */
export interface BooksRow {
  readonly account: AccountId
  readonly currency: number
  readonly sums: Sums
}

/** The root over rows that are ascending by account, then currency. */
export const booksRoot = (rows: Iterable<BooksRow>): Uint8Array => {
  const tree = new MerkleTree()
  for (const { account, currency, sums } of rows) {
    if (sums.posted !== 0 || sums.held !== 0 || sums.unacked !== 0) tree.add(rowBytes(account, currency, sums))
  }
  return tree.root()
}

/** What a node says about its own books, for itself to find them as it left them. */
export interface Checkpoint {
  /** The journal's version. */
  readonly version: number
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly root: Uint8Array
}

/** What is signed of a checkpoint: cooperative (32), version and time as 64-bit big-endian integers, root (32). */
export const checkpointMessage = (coop: string, { at, root, version }: Checkpoint): Uint8Array => {
  const numbers = Buffer.alloc(16)
  numbers.writeBigUInt64BE(BigInt(version), 0)
  numbers.writeBigUInt64BE(BigInt(at), 8)
  return Buffer.concat([Buffer.from(coop, "hex"), numbers, root])
}
