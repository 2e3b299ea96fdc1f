import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Result, type Scope } from "effect"
import { FileTransferError } from "../../../src/programs/fileTransfer/errors.ts"
import {
  type FileOffer,
  receiver,
  type ReceiverMessage,
  sender,
  type SenderMessage
} from "../../../src/protocol/fileTransfer.ts"
import type { SessionStream } from "../../../src/services/SessionManager.ts"
import { content, fileIn, inPacedTime, pair, sending, sha256 } from "../../fixtures/fileTransferNodes.ts"

const bytes = content(300_000)
const nothing = sha256(new Uint8Array())

/** A receiver that says what a test wants. */
interface Dishonest {
  readonly offer: FileOffer
  readonly say: (message: ReceiverMessage) => Effect.Effect<void>
  readonly hear: Effect.Effect<SenderMessage>
  /** Reads everything up to the sender's end, and ends. */
  readonly drain: Effect.Effect<void>
}

const read = (stream: SessionStream) =>
  stream.receive.pipe(
    Effect.map((frame) => Result.getOrThrow(sender.decode(Option.getOrThrow(frame)))),
    Effect.orDie
  )

/** Sends a file to such a receiver; gives how that went and what was told. */
const sentTo = Effect.fnUntraced(function* (behave: (receiver: Dishonest, turn: number) => Effect.Effect<void>) {
  const { a, b, from } = yield* pair
  let turn = 0
  yield* b.manager.handle(
    "/icn/file/1",
    Effect.fnUntraced(function* (stream) {
      const offer = yield* read(stream)
      if (offer._tag !== "Offer") return assert.fail(offer._tag)
      yield* behave(
        {
          offer,
          say: (message) => Effect.ignore(stream.send(receiver.encode(message))),
          hear: read(stream),
          drain: Effect.ignore(Effect.repeat(stream.receive, { until: Option.isNone }))
        },
        turn++
      )
    })
  )
  const { result, tags } = sending(a, b, fileIn(from, "a.bin", bytes))
  return { outcome: yield* Effect.result(result), tags: tags(), turns: turn }
})

const accept: ReceiverMessage = { _tag: "Accept", offset: 0, sha256: nothing }

/** Most of these wait for long and read little. */
const test = (name: string, body: Effect.Effect<void, unknown, Scope.Scope>) =>
  it.effect(name, () => inPacedTime(Effect.scoped(body), 20))

type Outcome = Effect.Success<ReturnType<typeof sentTo>>

const failureOf = ({ outcome }: Outcome): FileTransferError => {
  if (Result.isSuccess(outcome)) return assert.fail("it was sent")
  return outcome.failure instanceof FileTransferError ? outcome.failure : assert.fail(String(outcome.failure))
}

describe("sending a file", () => {
  test(
    "fails when the receiver answers nonsense",
    Effect.gen(function* () {
      const answers: ReadonlyArray<ReadonlyArray<ReceiverMessage>> = [
        [{ _tag: "Accept", offset: bytes.length + 1, sha256: nothing }],
        [{ _tag: "Done", sha256: sha256(bytes) }],
        [accept, { _tag: "Done", sha256: nothing }],
        [accept, accept]
      ]
      for (const messages of answers) {
        const sent = yield* sentTo(({ drain, say }) =>
          Effect.andThen(Effect.forEach(messages, say, { discard: true }), drain)
        )
        assert.strictEqual(failureOf(sent).reason._tag, "Unintelligible")
        assert.strictEqual(sent.turns, 1)
      }
    })
  )

  test(
    "fails when the receiver computes for ever",
    Effect.gen(function* () {
      const sent = yield* sentTo(({ drain, say }) =>
        Effect.andThen(
          Effect.forEach(Array.from({ length: 1001 }), () => say({ _tag: "Working" })),
          drain
        )
      )
      assert.include(failureOf(sent).message, "it computes for ever")
    })
  )

  test(
    "waits for a receiver that says it is at work, and not for one that is silent",
    Effect.gen(function* () {
      const patient = yield* sentTo(({ drain, hear, say }) =>
        Effect.gen(function* () {
          for (let minutes = 0; minutes < 5; minutes++) {
            yield* Effect.sleep("1 minute")
            yield* say({ _tag: "Working" })
          }
          yield* say(accept)
          yield* hear
          yield* Effect.forkDetach(Effect.andThen(Effect.sleep(100), say({ _tag: "Done", sha256: sha256(bytes) })))
          yield* drain
        })
      )
      assert.isTrue(Result.isSuccess(patient.outcome))
      const silent = yield* sentTo(() => Effect.never)
      assert.strictEqual(failureOf(silent).reason._tag, "Stalled")
    })
  )

  test(
    "says why the receiver does not store the file, as soon as it knows",
    Effect.gen(function* () {
      const sent = yield* sentTo(({ drain, hear, say }) =>
        say(accept).pipe(
          Effect.andThen(hear),
          Effect.andThen(say({ _tag: "Failed", reason: "noSpace" })),
          Effect.andThen(drain)
        )
      )
      assert.include(failureOf(sent).message, "its disk is full")
      const refused = yield* sentTo(({ drain, say }) =>
        Effect.andThen(say({ _tag: "Refuse", reason: "tooLarge", bytesMax: 5 }), drain)
      )
      assert.include(failureOf(refused).message, "it takes files of at most 5 bytes")
    })
  )

  test(
    "tries again when the receiver is busy, and gives up when it stays so",
    Effect.gen(function* () {
      const busy: ReceiverMessage = { _tag: "Refuse", reason: "busy", bytesMax: null }
      const sent = yield* sentTo(({ drain, say }) => Effect.andThen(say(busy), drain))
      assert.match(failureOf(sent).message, /given up after 8 tries: .*as many files as it can/)
      assert.strictEqual(sent.turns, 8)
      assert.include(sent.tags, "Retrying")
    })
  )

  test(
    "is one transfer in all its tries, from the beginning when the receiver threw it away",
    Effect.gen(function* () {
      const transfers = new Set<string>()
      const sent = yield* sentTo(({ drain, hear, offer, say }, turn) =>
        Effect.gen(function* () {
          transfers.add(offer.transfer)
          yield* say(accept)
          assert.deepStrictEqual(yield* hear, { _tag: "Begin", offset: 0 })
          const verdict: ReceiverMessage =
            turn === 0 ? { _tag: "Failed", reason: "checksum" } : { _tag: "Done", sha256: sha256(bytes) }
          yield* say(verdict)
          yield* drain
        })
      )
      assert.isTrue(Result.isSuccess(sent.outcome))
      assert.strictEqual(transfers.size, 1)
      assert.strictEqual(sent.turns, 2)
    })
  )
})
