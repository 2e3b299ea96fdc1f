import { createPrivateKey, createPublicKey, diffieHellman } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { SigningKey } from "../../../src/domain/ed25519.ts"
import {
  kem,
  open,
  openingKey,
  seal,
  sealOverhead,
  suite,
  toMontgomery,
  toMontgomerySecret
} from "../../../src/layers/identity/sealedBox.ts"
import { bytes } from "../../fixtures/arbitraries.ts"
import { didOf } from "../../fixtures/dids.ts"

const tag = "icn-node/link-offer/v1"
const hex = (text: string): ArrayBuffer => Uint8Array.from(Buffer.from(text, "hex")).buffer
const toHex = (bytes: ArrayBuffer | Uint8Array): string => Buffer.from(new Uint8Array(bytes)).toString("hex")

const receiver = (seed: Uint8Array) =>
  Effect.promise(async () => ({ did: didOf(SigningKey.fromSeed(seed)), key: await openingKey(seed) }))

/** node:crypto's view of an X25519 secret (RFC 8410). */
const privateOf = (secret: Uint8Array) =>
  createPrivateKey({
    key: Buffer.concat([Buffer.from("302e020100300506032b656e04220420", "hex"), secret]),
    format: "der",
    type: "pkcs8"
  })
const publicOf = (key: Uint8Array) =>
  createPublicKey({
    key: Buffer.concat([Buffer.from("302a300506032b656e032100", "hex"), key]),
    format: "der",
    type: "spki"
  })

describe("the suite", () => {
  it("is that of RFC 9180 appendix A.1.1", async () => {
    const publicKey = await kem.importKey(
      "raw",
      hex("3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d"),
      true
    )
    const privateKey = await kem.importKey(
      "raw",
      hex("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8"),
      false
    )
    const context = await suite.createRecipientContext({
      recipientKey: { publicKey, privateKey },
      enc: hex("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431"),
      info: hex("4f6465206f6e2061204772656369616e2055726e")
    })
    const plain = "4265617574792069732074727574682c20747275746820626561757479"
    const first = "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a"
    assert.strictEqual(toHex(await context.open(hex(first), hex("436f756e742d30"))), plain)
  })
})

describe("the X25519 key of an Ed25519 key", () => {
  it("is that of libsodium's test ed25519_convert", () => {
    const seed = Buffer.from("421151a459faeade3d247115f94aedae42318124095afabe4d1451a559faedee", "hex")
    const { publicKey } = SigningKey.fromSeed(seed)
    assert.strictEqual(toHex(publicKey), "b5076a8474a832daee4dd5b4040983b6623b5f344aca57d4d6ee4baf3f259e6e")
    assert.strictEqual(
      toHex(toMontgomery(publicKey)),
      "f1814f0e8ff1043d8a44d25babff3cedcae6c22c3edaa48f857ae70de2baae50"
    )
    assert.strictEqual(
      toHex(toMontgomerySecret(seed)),
      "8052030376d47112be7f73ed7a019293dd12ad910b654455798b4667d73de166"
    )
  })

  it.prop(
    "belongs to the secret of the seed, so that both sides agree",
    [bytes(32, 32), bytes(32, 32)],
    ([mine, theirs]) => {
      const [a, b] = [mine, theirs].map((seed) => ({
        secret: privateOf(toMontgomerySecret(seed)),
        key: publicOf(toMontgomery(SigningKey.fromSeed(seed).publicKey))
      }))
      assert.isDefined(a)
      assert.isDefined(b)
      assert.isTrue(createPublicKey(a.secret).equals(a.key))
      const shared = diffieHellman({ privateKey: a.secret, publicKey: b.key })
      assert.deepStrictEqual(shared, diffieHellman({ privateKey: b.secret, publicKey: a.key }))
    },
    { arbitrary: { runs: 100, size: 1000 } }
  )
})

describe("a seal", () => {
  it.effect.prop(
    "opens to what was sealed, and is longer by as much every time",
    [bytes(32, 32), bytes(0, 5120)],
    ([seed, message]) =>
      Effect.gen(function* () {
        const { did, key } = yield* receiver(seed)
        const sealed = yield* Effect.promise(() => seal(did, tag, message))
        assert.strictEqual(sealed.length, message.length + sealOverhead)
        assert.deepStrictEqual(yield* Effect.promise(() => open(key, did, tag, sealed)), message)
      }),
    { arbitrary: { runs: 60, size: 6000 } }
  )

  it.effect("does not open when any bit of it was changed, or its length", () =>
    Effect.gen(function* () {
      const { did, key } = yield* receiver(new Uint8Array(32).fill(7))
      const sealed = yield* Effect.promise(() => seal(did, tag, Buffer.from("eight by")))
      const changed = Array.from({ length: sealed.length * 8 }, (_, bit) =>
        sealed.map((byte, index) => (index === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))
      )
      const lengths = [sealed.subarray(1), sealed.subarray(0, -1), Buffer.concat([sealed, Uint8Array.of(0)])]
      for (const one of [...changed, ...lengths, sealed.subarray(0, 32), sealed.subarray(0, 47), new Uint8Array()]) {
        assert.isUndefined(yield* Effect.promise(() => open(key, did, tag, one)))
      }
      assert.isDefined(yield* Effect.promise(() => open(key, did, tag, sealed)))
    })
  )

  it.effect("does not open for another member, another purpose, or another member's name", () =>
    Effect.gen(function* () {
      const [ours, other] = [yield* receiver(new Uint8Array(32).fill(1)), yield* receiver(new Uint8Array(32).fill(2))]
      const sealed = yield* Effect.promise(() => seal(ours.did, tag, Buffer.from("hello")))
      assert.isUndefined(yield* Effect.promise(() => open(other.key, other.did, tag, sealed)))
      assert.isUndefined(yield* Effect.promise(() => open(ours.key, other.did, tag, sealed)))
      assert.isUndefined(yield* Effect.promise(() => open(ours.key, ours.did, "icn-node/gossip/v1", sealed)))
    })
  )

  it.effect("does not open with an encapsulated key of small order", () =>
    Effect.gen(function* () {
      const { did, key } = yield* receiver(new Uint8Array(32).fill(7))
      const sealed = yield* Effect.promise(() => seal(did, tag, Buffer.from("hello")))
      // 0, 1 and p - 1 as u; RFC 7748 section 6.1 has the shared secret be zero with each of them.
      for (const first of [0x00, 0x01, 0xec]) {
        const point = new Uint8Array(32).fill(first === 0xec ? 0xff : 0)
        point[0] = first
        if (first === 0xec) point[31] = 0x7f
        const weak = Buffer.concat([point, sealed.subarray(32)])
        assert.isUndefined(yield* Effect.promise(() => open(key, did, tag, weak)))
      }
    })
  )
})
