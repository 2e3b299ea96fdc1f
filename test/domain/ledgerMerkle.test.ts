import { assert, describe, it } from "@effect/vitest"
import { createHash } from "node:crypto"
import { booksRoot, checkpointMessage, MerkleTree } from "../../src/domain/ledgerMerkle.ts"

const hash = (...parts: ReadonlyArray<Uint8Array>) => {
  const sha = createHash("sha256")
  for (const part of parts) sha.update(part)
  return sha.digest()
}
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")

/** MTH of RFC 6962 section 2.1, word for word. */
const definition = (leaves: ReadonlyArray<Uint8Array>): Uint8Array => {
  const [only] = leaves
  if (only === undefined) return hash()
  if (leaves.length === 1) return hash(Uint8Array.of(0), only)
  let k = 1
  while (2 * k < leaves.length) k *= 2
  return hash(Uint8Array.of(1), definition(leaves.slice(0, k)), definition(leaves.slice(k)))
}

// The example tree of Certificate Transparency's own tests: RFC 6962 roots of its first 1 to 8 leaves.
const exampleLeaves = [
  "",
  "00",
  "10",
  "2021",
  "3031",
  "40414243",
  "5051525354555657",
  "606162636465666768696a6b6c6d6e6f"
]
const exampleRoots = [
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
]

const row = (account: number, posted: number, held = 0, unacked = 0, currency = 0) => ({
  account: account.toString(16).padStart(64, "0"),
  currency,
  sums: { posted, held, unacked }
})

describe("the Merkle tree", () => {
  it("has the roots of Certificate Transparency", () => {
    const tree = new MerkleTree()
    for (const [index, leaf] of exampleLeaves.entries()) {
      tree.add(Buffer.from(leaf, "hex"))
      assert.strictEqual(hex(tree.root()), exampleRoots[index])
    }
  })

  it("is the tree of the definition for any number of leaves", () => {
    const leaves: Array<Uint8Array> = []
    const tree = new MerkleTree()
    for (let count = 0; count < 70; count++) {
      assert.strictEqual(hex(tree.root()), hex(definition(leaves)))
      leaves.push(Uint8Array.of(count))
      tree.add(Uint8Array.of(count))
    }
  })

  it("changes with each figure, account and currency, and with the order", () => {
    const rows = [row(1, 5), row(2, -5)]
    const others = [
      [],
      [row(1, 5)],
      [row(1, 6), row(2, -5)],
      [row(1, 5, 1), row(2, -5)],
      [row(1, 5, 0, 1), row(2, -5)],
      [row(1, 5, 0, 0, 1), row(2, -5)],
      [row(3, 5), row(2, -5)],
      [row(2, -5), row(1, 5)],
      [row(1, -5), row(2, 5)]
    ]
    const roots = new Set([rows, ...others].map((some) => hex(booksRoot(some))))
    assert.strictEqual(roots.size, others.length + 1)
  })

  it("does not count rows that have nothing", () => {
    assert.strictEqual(hex(booksRoot([row(1, 5), row(2, 0)])), hex(booksRoot([row(1, 5)])))
    assert.strictEqual(hex(booksRoot([])), hex(hash()))
  })

  it("signs everything that a checkpoint says", () => {
    const coop = "c0".repeat(32)
    const checkpoint = { version: 7, at: 1_767_225_600_000, root: booksRoot([]) }
    const messages = new Set([
      hex(checkpointMessage(coop, checkpoint)),
      hex(checkpointMessage("c1".repeat(32), checkpoint)),
      hex(checkpointMessage(coop, { ...checkpoint, version: 8 })),
      hex(checkpointMessage(coop, { ...checkpoint, at: 0 })),
      hex(checkpointMessage(coop, { ...checkpoint, root: booksRoot([row(1, 1)]) }))
    ])
    assert.strictEqual(messages.size, 5)
    assert.isTrue([...messages].every((message) => message.length === 2 * 80))
  })
})
