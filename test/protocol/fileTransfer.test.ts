import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Result } from "effect"
import { messageBytesMax, receiver, ReceiverMessage, sender, SenderMessage } from "../../src/protocol/fileTransfer.ts"
import { bytes, thorough } from "../fixtures/arbitraries.ts"

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const offer = { _tag: "Offer", transfer: "0".repeat(32), name: "a.txt", bytes: 1, sha256: "f".repeat(64) } as const

describe("messages of a file transfer", () => {
  it.prop(
    "of a sender come back as they were",
    [Arbitrary.schema(SenderMessage)],
    ([message]) => {
      assert.deepStrictEqual(Result.getOrThrow(sender.decode(sender.encode(message))), message)
    },
    thorough
  )

  it.prop(
    "of a receiver come back as they were",
    [Arbitrary.schema(ReceiverMessage)],
    ([message]) => {
      assert.deepStrictEqual(Result.getOrThrow(receiver.decode(receiver.encode(message))), message)
    },
    thorough
  )

  it.prop(
    "are refused when they are any bytes, and nothing is thrown",
    [bytes(0, 64)],
    ([frame]) => {
      assert.isTrue(Result.isFailure(sender.decode(frame)))
      assert.isTrue(Result.isFailure(receiver.decode(frame)))
    },
    thorough
  )

  it.each([
    ["a negative length", { ...offer, bytes: -1 }],
    ["a broken length", { ...offer, bytes: 1.5 }],
    ["a length beyond what numbers hold", { ...offer, bytes: 2 ** 53 }],
    ["a checksum in capitals", { ...offer, sha256: "F".repeat(64) }],
    ["a short checksum", { ...offer, sha256: "f".repeat(63) }],
    ["a path in place of a transfer", { ...offer, transfer: "../../../../../../../../x/y/z/a/b" }],
    ["an endless name", { ...offer, name: "x".repeat(1025) }],
    ["a missing name", { ...offer, name: undefined }],
    ["an unknown message", { ...offer, _tag: "Delete" }],
    ["a receiver's message", { _tag: "Done", sha256: offer.sha256 }]
  ])("are refused with %s", (_, value) => {
    assert.isTrue(Result.isFailure(sender.decode(text(JSON.stringify(value)))))
  })

  it("are refused when they are too long or not UTF-8", () => {
    const long = text(`${JSON.stringify(offer)}${" ".repeat(messageBytesMax)}`)
    assert.match(Result.getOrThrow(Result.flip(sender.decode(long))), /too long/)
    assert.match(Result.getOrThrow(Result.flip(sender.decode(Uint8Array.of(0xff)))), /not UTF-8/)
  })
})
