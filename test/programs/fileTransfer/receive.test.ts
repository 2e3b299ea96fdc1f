import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Option, Result, type Scope } from "effect"
import { existsSync, utimesSync } from "node:fs"
import { join } from "node:path"
import {
  type FileOffer,
  receiver,
  type ReceiverMessage,
  sender,
  type SenderMessage
} from "../../../src/protocol/fileTransfer.ts"
import { receive } from "../../../src/programs/fileTransfer/receive.ts"
import { SessionManager, type SessionStream } from "../../../src/services/SessionManager.ts"
import {
  content,
  fileIn,
  inPacedTime,
  introduce,
  member,
  namesIn,
  pair,
  receiving,
  sending,
  sha256,
  until
} from "../../fixtures/fileTransferNodes.ts"

type Nodes = Effect.Success<typeof pair>

/** A stream on which a test says what no honest sender does. */
const opened = ({ a, b }: Nodes) => a.manager.open(b.did, "/icn/file/1")
const say = (stream: SessionStream, message: SenderMessage) => stream.send(sender.encode(message))
/** What the receiver answers, apart from being at work; none when it gives the stream up. */
const heard = (stream: SessionStream): Effect.Effect<ReceiverMessage | undefined> =>
  Effect.flatMap(Effect.exit(stream.receive), (exit) => {
    if (Exit.isFailure(exit) || Option.isNone(exit.value)) return Effect.undefined
    const message = Result.getOrThrow(receiver.decode(exit.value.value))
    return message._tag === "Working" ? heard(stream) : Effect.succeed(message)
  })

const offerOf = (bytes: Uint8Array, name = "a.bin", more: Partial<FileOffer> = {}): FileOffer => ({
  _tag: "Offer",
  transfer: "0".repeat(32),
  name,
  bytes: bytes.length,
  sha256: sha256(bytes),
  ...more
})

/** Offers a file and says where it begins; gives the answer to the offer. */
const begun = Effect.fnUntraced(function* (stream: SessionStream, offer: FileOffer) {
  yield* say(stream, offer)
  const answer = yield* heard(stream)
  if (answer?._tag === "Accept") yield* say(stream, { _tag: "Begin", offset: answer.offset })
  return answer
})

const farewell = (stream: SessionStream) =>
  Effect.ignore(Effect.andThen(stream.end, Effect.repeat(stream.receive, { until: Option.isNone })))

/** Sends a whole file by hand and gives the receiver's verdict. */
const delivered = Effect.fnUntraced(function* (nodes: Nodes, offer: FileOffer, chunks: ReadonlyArray<Uint8Array>) {
  const stream = yield* opened(nodes)
  const answer = yield* begun(stream, offer)
  if (answer?._tag !== "Accept") {
    yield* farewell(stream)
    return answer
  }
  for (const chunk of chunks) yield* Effect.ignore(stream.send(chunk))
  const verdict = yield* heard(stream)
  yield* farewell(stream)
  return verdict
}, Effect.scoped)

/** A test with two members of whom the second receives. */
const test = (name: string, body: (nodes: Nodes) => Effect.Effect<void, unknown, Scope.Scope>, stepMillis?: number) =>
  it.effect(name, () => inPacedTime(Effect.scoped(Effect.flatMap(pair, body)), stepMillis))

const bytes = content(10_000)

describe("receiving files", () => {
  test("stores what hostile names say under a harmless name in the directory", (nodes) =>
    Effect.gen(function* () {
      yield* receiving(nodes.b, nodes.to)
      const names = ["../../escape", "/tmp/absolute", "..\\back", ".hidden", "a\u0000b", "x\u202etxt.exe", "CON", ""]
      for (const [index, name] of names.entries()) {
        const verdict = yield* delivered(nodes, offerOf(bytes, name, { transfer: `${index}`.repeat(32) }), [bytes])
        assert.strictEqual(verdict?._tag, "Done")
      }
      assert.deepStrictEqual(
        namesIn(nodes.to),
        ["_CON", "ab", "absolute", "back", "escape", "file", "hidden", "xtxt.exe"].toSorted()
      )
    }))

  test("throws away what does not have the offered checksum, and says so", (nodes) =>
    Effect.gen(function* () {
      const serving = yield* receiving(nodes.b, nodes.to)
      const verdict = yield* delivered(nodes, offerOf(bytes), [content(10_000, 2)])
      assert.deepStrictEqual(verdict, { _tag: "Failed", reason: "checksum" })
      yield* until(() => namesIn(nodes.to).length === 0)
      const failed = serving.events.find(({ _tag }) => _tag === "Failed")
      assert.include(failed?._tag === "Failed" ? failed.error : "", "checksum")
      assert.strictEqual((yield* delivered(nodes, offerOf(bytes), [bytes]))?._tag, "Done")
    }))

  test("takes no chunk that is empty, too long, or beyond the end", (nodes) =>
    Effect.gen(function* () {
      yield* receiving(nodes.b, nodes.to)
      const long = content(400_000)
      const wrong: ReadonlyArray<readonly [FileOffer, ReadonlyArray<Uint8Array>]> = [
        [offerOf(bytes), [new Uint8Array()]],
        [offerOf(long), [long.subarray(0, 262_145)]],
        [offerOf(bytes), [bytes.subarray(0, 9999), bytes.subarray(0, 2)]]
      ]
      for (const [offer, chunks] of wrong) {
        assert.deepStrictEqual(yield* delivered(nodes, offer, chunks), { _tag: "Failed", reason: "malformed" })
      }
      assert.isTrue(namesIn(nodes.to).every((name) => name.endsWith(".part")))
    }))

  test("gives up a stream that speaks otherwise, and goes on serving", (nodes) =>
    Effect.gen(function* () {
      yield* receiving(nodes.b, nodes.to)
      const openings: ReadonlyArray<Uint8Array> = [
        Uint8Array.of(0xff, 0, 1),
        new Uint8Array(100_000),
        sender.encode({ _tag: "Begin", offset: 0 }),
        Buffer.from('{"_tag":"Offer"}')
      ]
      for (const opening of openings) {
        const stream = yield* opened(nodes)
        yield* stream.send(opening)
        assert.isUndefined(yield* heard(stream))
      }
      const stream = yield* opened(nodes)
      yield* say(stream, offerOf(bytes))
      yield* heard(stream)
      yield* say(stream, { _tag: "Begin", offset: 77 })
      assert.isUndefined(yield* heard(stream))
      yield* until(() => namesIn(nodes.to).length === 0)
      assert.strictEqual((yield* delivered(nodes, offerOf(bytes), [bytes]))?._tag, "Done")
    }))

  test("refuses other members, what is too large, and what the disk has no room for", (nodes) =>
    Effect.gen(function* () {
      const { a, b, network, to } = nodes
      const c = yield* member(network, 3)
      yield* introduce(c, b)
      yield* receiving(b, to, { from: a.did, bytesMax: 2 ** 52 })
      const ask = (offer: FileOffer, from = a) => delivered({ ...nodes, a: from }, offer, [])
      assert.deepInclude(yield* ask(offerOf(bytes), c), { _tag: "Refuse", reason: "notWanted" })
      assert.deepStrictEqual(yield* ask(offerOf(bytes, "a", { bytes: 2 ** 52 + 1 })), {
        _tag: "Refuse",
        reason: "tooLarge",
        bytesMax: 2 ** 52
      })
      assert.deepInclude(yield* ask(offerOf(bytes, "a", { bytes: 2 ** 52 })), { _tag: "Refuse", reason: "noSpace" })
      yield* until(() => namesIn(to).length === 0)
    }))

  test(
    "lets a member send four files at a time, and frees the places of those who say no more",
    (nodes) =>
      Effect.gen(function* () {
        yield* receiving(nodes.b, nodes.to)
        for (const index of [1, 2, 3, 4]) {
          const stream = yield* opened(nodes)
          const offer = offerOf(bytes, `${index}`, { transfer: `${index}`.repeat(32) })
          assert.strictEqual((yield* begun(stream, offer))?._tag, "Accept")
        }
        const fifth = offerOf(bytes, "5", { transfer: "5".repeat(32) })
        assert.deepInclude(yield* delivered(nodes, fifth, [bytes]), { _tag: "Refuse", reason: "busy" })
        yield* Effect.sleep("121 seconds")
        assert.strictEqual((yield* delivered(nodes, fifth, [bytes]))?._tag, "Done")
        yield* until(() => namesIn(nodes.to).join() === "5")
      }),
    20
  )

  test("takes over from the earlier try of the same transfer", (nodes) =>
    Effect.gen(function* () {
      yield* receiving(nodes.b, nodes.to)
      const first = yield* opened(nodes)
      yield* begun(first, offerOf(bytes))
      yield* first.send(bytes.subarray(0, 6000))
      yield* Effect.sleep(100)
      const second = yield* opened(nodes)
      const answer = yield* begun(second, offerOf(bytes))
      assert.deepStrictEqual(answer, { _tag: "Accept", offset: 6000, sha256: sha256(bytes.subarray(0, 6000)) })
      assert.isUndefined(yield* heard(first))
      yield* second.send(bytes.subarray(6000))
      assert.strictEqual((yield* heard(second))?._tag, "Done")
    }))

  test("confirms a file that is stored already to a sender that did not hear of it", (nodes) =>
    Effect.gen(function* () {
      const serving = yield* receiving(nodes.b, nodes.to)
      const lost = yield* opened(nodes)
      yield* begun(lost, offerOf(bytes))
      yield* lost.send(bytes)
      yield* until(() => existsSync(join(nodes.to, "a.bin")))
      yield* lost.reset
      assert.strictEqual((yield* delivered(nodes, offerOf(bytes), []))?._tag, "Done")
      // A part that was opened in vain goes right after.
      yield* until(() => namesIn(nodes.to).join() === "a.bin")
      assert.strictEqual(serving.tags().filter((tag) => tag === "Received").length, 1)
      // While it is being given its name, too.
      const busy = content(3000, 9)
      const offer = offerOf(busy, "c.bin", { transfer: "9".repeat(32) })
      const unheard = yield* opened(nodes)
      yield* begun(unheard, offer)
      yield* unheard.send(busy)
      assert.strictEqual((yield* delivered(nodes, offer, [busy]))?._tag, "Done")
      yield* until(() => serving.tags().filter((tag) => tag === "Received").length === 2)
      yield* until(() => namesIn(nodes.to).join() === "a.bin,c.bin")
      // Another content under the same transfer is another file.
      const other = content(500, 7)
      assert.strictEqual((yield* delivered(nodes, offerOf(other, "b.bin"), [other]))?._tag, "Done")
      assert.deepStrictEqual(namesIn(nodes.to), ["a.bin", "b.bin", "c.bin"])
    }))

  test("keeps the newest unfinished files only", (nodes) =>
    Effect.gen(function* () {
      const { to } = nodes
      for (let index = 0; index < 40; index++) {
        const part = fileIn(to, `.old${index}.${"0".repeat(16)}.part`, Buffer.from("x"))
        utimesSync(part, 1000 + index, 1000 + index)
      }
      fileIn(to, ".profile.part", Buffer.from("not one of these"))
      yield* receiving(nodes.b, to)
      assert.strictEqual((yield* delivered(nodes, offerOf(bytes), [bytes]))?._tag, "Done")
      const left = namesIn(to)
      assert.strictEqual(left.filter((name) => name.startsWith(".old")).length, 31)
      assert.includeMembers([...left], [".profile.part", "a.bin", `.old39.${"0".repeat(16)}.part`])
    }))

  test("ends after as many files as were wanted, when the last sender has heard it", (nodes) =>
    Effect.gen(function* () {
      const { a, b, from, to } = nodes
      const { fiber } = yield* receiving(b, to, { count: 2 })
      yield* sending(a, b, fileIn(from, "one", bytes)).result
      assert.isUndefined(fiber.pollUnsafe())
      yield* sending(a, b, fileIn(from, "two", bytes)).result
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(namesIn(to), ["one", "two"])
      const next = yield* Effect.flip(sending(a, b, fileIn(from, "three", bytes)).result)
      assert.include(next.message, "is not receiving files now")
    }))

  test("keeps what has come when it is stopped in the middle", (nodes) =>
    Effect.gen(function* () {
      const { b, to } = nodes
      const { fiber } = yield* receiving(b, to)
      const stream = yield* opened(nodes)
      yield* begun(stream, offerOf(bytes))
      yield* stream.send(bytes.subarray(0, 6000))
      yield* Effect.sleep(100)
      yield* Fiber.interrupt(fiber)
      assert.isUndefined(yield* heard(stream))
      assert.strictEqual(namesIn(to).length, 1)
      yield* receiving(b, to)
      const again = yield* opened(nodes)
      assert.deepInclude(yield* begun(again, offerOf(bytes)), { _tag: "Accept", offset: 6000 })
    }))

  test("serves one command at a time, and says what is wrong with a directory", ({ b, from, to }) =>
    Effect.gen(function* () {
      const failure = (directory: string) =>
        receive({ directory, bytesMax: 1 }, () => Effect.void).pipe(
          Effect.scoped,
          Effect.provideService(SessionManager, b.manager),
          Effect.flip,
          Effect.map(({ message }) => message)
        )
      assert.include(
        yield* failure(join(to, "none")),
        "none: files cannot be received there: it does not exist; make it"
      )
      assert.include(yield* failure(fileIn(from, "file", bytes)), "it is not a directory")
      yield* receiving(b, to)
      assert.include(yield* failure(from), "already receiving files for another command")
    }))
})
