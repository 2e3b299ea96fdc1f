import { assert, describe, it } from "@effect/vitest"
import type { SealedBytes } from "../../../src/layers/ledger/Journal.ts"
import { SignatureVerifier } from "../../../src/layers/ledger/signatures.ts"
import { Coop } from "../../fixtures/ledgerCoop.ts"
import { keyOf, seal } from "../../fixtures/ledgerEntries.ts"

const coop = new Coop(["alice", "bob"])
const chain = Array.from({ length: 5 }, (_, index) => coop.pay("alice", "bob", 1 + index))
const ofBob = coop.ack("bob", ...chain.slice(0, 1))
const [first, second, third, fourth, fifth] = chain.map(({ entry }) => seal(entry, keyOf("alice")))
if (!first || !second || !third || !fourth || !fifth) throw new Error("five entries")

const unsigned = ({ body }: SealedBytes): SealedBytes => ({ body, signature: new Uint8Array(64) })
const verdicts = (entries: ReadonlyArray<SealedBytes>, verify: "each" | "runs") =>
  new SignatureVerifier().verify(entries, verify)

describe("SignatureVerifier", () => {
  it("verifies each signature", () => {
    const entries = [first, unsigned(second), { body: Uint8Array.of(1), signature: first.signature }, third]
    assert.deepStrictEqual(verdicts(entries, "each"), ["signed", "badSignature", "malformed", "signed"])
    assert.deepStrictEqual(verdicts([{ body: first.body, signature: second.signature }], "each"), ["badSignature"])
    assert.deepStrictEqual(verdicts([{ body: first.body, signature: Uint8Array.of(1) }], "each"), ["badSignature"])
  })

  it("takes the entries of a run by the signature of the last, in any order", () => {
    const run = [unsigned(third), unsigned(first), fourth, unsigned(second)]
    assert.deepStrictEqual(verdicts(run, "runs"), ["vouched", "vouched", "signed", "vouched"])
  })

  it("lets nobody hide other data in the place of a signature that is looked at later", () => {
    const long = { body: second.body, signature: new Uint8Array(100_000) }
    assert.deepStrictEqual(verdicts([unsigned(first), long, third], "runs"), ["badSignature", "badSignature", "signed"])
  })

  it("lets the last one vouch that is signed", () => {
    const run = [first, second, third, unsigned(fourth)]
    assert.deepStrictEqual(verdicts(run, "runs"), ["vouched", "vouched", "signed", "badSignature"])
    assert.deepStrictEqual(verdicts([first, second].map(unsigned), "runs"), ["badSignature", "badSignature"])
  })

  it("lets nothing vouch across a gap, nor for what it only refers to", () => {
    assert.deepStrictEqual(verdicts([unsigned(first), third], "runs"), ["badSignature", "signed"])
    const ack = seal(ofBob.entry, keyOf("bob"))
    assert.deepStrictEqual(verdicts([unsigned(first), ack], "runs"), ["badSignature", "signed"])
  })

  it("lets nobody vouch for entries of others by naming them as the one before", () => {
    const forged = seal({ ...ofBob.entry, prev: fifth.id, seq: fifth.entry.seq + 1 }, keyOf("bob"))
    assert.deepStrictEqual(verdicts([unsigned(fifth), forged], "runs"), ["badSignature", "signed"])
  })
})
