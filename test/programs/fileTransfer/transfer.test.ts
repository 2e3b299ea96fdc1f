import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { chmodSync, mkdirSync, readFileSync, statSync, symlinkSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { ReceiveEvent } from "../../../src/programs/fileTransfer/receive.ts"
import { FileTransferError } from "../../../src/programs/fileTransfer/errors.ts"
import type { SendEvent } from "../../../src/programs/fileTransfer/send.ts"
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

const isLast = ({ events }: { readonly events: ReadonlyArray<ReceiveEvent> }) => events.at(-1)

/** Why sending failed. */
const reasonOf = (error: unknown): string =>
  error instanceof FileTransferError ? error.reason._tag : assert.fail(String(error))

/** Runs something once when an event comes for the first time. */
const once = <Event extends { readonly _tag: string }>(when: (event: Event) => boolean, run: Effect.Effect<void>) => {
  let done = false
  return (event: Event): Effect.Effect<void> => {
    if (done || !when(event)) return Effect.void
    done = true
    return run
  }
}

/** The middle of a file was sent. */
const half = (event: SendEvent): boolean => event._tag === "Sending" && event.bytes > event.total / 2

describe("a file transfer", () => {
  it.effect("brings a file over whole, with its name, checksum, path and time", () =>
    inPacedTime(
      Effect.gen(function* () {
        const { a, b, from, to } = yield* pair
        const bytes = content(1_500_001)
        const serving = yield* receiving(b, to)
        const { events, result } = sending(a, b, fileIn(from, "holiday photo.jpg", bytes))
        const sent = yield* result
        assert.strictEqual(sent.sha256, sha256(bytes))
        assert.strictEqual(sent.bytes, bytes.length)
        assert.strictEqual(sent.path?.kind, "direct")
        assert.isAbove(sent.seconds, 0)
        assert.deepStrictEqual(events.at(-1), { _tag: "Sending", bytes: bytes.length, total: bytes.length })
        yield* until(() => isLast(serving)?._tag === "Received")
        const received = isLast(serving)
        assert.deepInclude(received, {
          name: "holiday photo.jpg",
          total: bytes.length,
          sha256: sha256(bytes),
          file: join(to, "holiday photo.jpg")
        })
        assert.deepStrictEqual(namesIn(to), ["holiday photo.jpg"])
        assert.isTrue(readFileSync(join(to, "holiday photo.jpg")).equals(bytes))
        assert.strictEqual(statSync(join(to, "holiday photo.jpg")).mode & 0o777, 0o644 & ~process.umask())
      })
    )
  )

  it.effect("brings an empty file", () =>
    inPacedTime(
      Effect.gen(function* () {
        const { a, b, from, to } = yield* pair
        yield* receiving(b, to)
        const sent = yield* sending(a, b, fileIn(from, "empty", new Uint8Array())).result
        assert.strictEqual(sent.sha256, sha256(new Uint8Array()))
        assert.deepStrictEqual(namesIn(to), ["empty"])
        assert.strictEqual(statSync(join(to, "empty")).size, 0)
      })
    )
  )

  it.effect("never overwrites: the next file of the same name gets a number", () =>
    inPacedTime(
      Effect.gen(function* () {
        const { a, b, from, to } = yield* pair
        yield* receiving(b, to)
        fileIn(to, "a.txt", Buffer.from("mine"))
        symlinkSync("/etc/passwd", join(to, "a (1).txt"))
        yield* sending(a, b, fileIn(from, "a.txt", Buffer.from("theirs"))).result
        assert.deepStrictEqual(namesIn(to), ["a (1).txt", "a (2).txt", "a.txt"])
        assert.strictEqual(readFileSync(join(to, "a.txt"), "utf8"), "mine")
        assert.strictEqual(readFileSync(join(to, "a (2).txt"), "utf8"), "theirs")
      })
    )
  )

  it.effect("goes on by itself where it stopped when the session is cut in the middle", () =>
    inPacedTime(
      Effect.gen(function* () {
        const { a, b, from, to } = yield* pair
        const bytes = content(3_000_000)
        const serving = yield* receiving(b, to)
        const cut = once(half, a.manager.close(b.did))
        const { events, result } = sending(a, b, fileIn(from, "long.bin", bytes), cut)
        const sent = yield* result
        assert.strictEqual(sent.sha256, sha256(bytes))
        const retrying = events.findIndex(({ _tag }) => _tag === "Retrying")
        assert.isAtLeast(retrying, 0)
        const resumed = events.slice(retrying).find((event) => event._tag === "Sending")
        assert.isAbove(resumed?._tag === "Sending" ? resumed.bytes : 0, 1_000_000)
        assert.isTrue(readFileSync(join(to, "long.bin")).equals(bytes))
        assert.deepStrictEqual(namesIn(to), ["long.bin"])
        assert.includeMembers(serving.tags(), ["Interrupted", "Received"])
      })
    )
  )

  it.effect("goes on after the network was split for longer than a session lives", () =>
    inPacedTime(
      Effect.gen(function* () {
        const { a, b, from, network, to } = yield* pair
        const bytes = content(3_000_000)
        yield* receiving(b, to)
        const [home] = yield* b.manager.listening
        const split = Effect.gen(function* () {
          network.partition([home?.host ?? ""])
          yield* Effect.forkDetach(
            Effect.andThen(
              Effect.sleep("40 seconds"),
              Effect.sync(() => network.heal())
            )
          )
        })
        const { result, tags } = sending(a, b, fileIn(from, "long.bin", bytes), once(half, split))
        assert.strictEqual((yield* result).sha256, sha256(bytes))
        assert.include(tags(), "Retrying")
        assert.isTrue(readFileSync(join(to, "long.bin")).equals(bytes))
      })
    )
  )

  it.effect("waits for a member that stopped receiving in the middle, and gives up in the end", () =>
    inPacedTime(
      Effect.gen(function* () {
        const { a, b, from, to } = yield* pair
        const bytes = content(3_000_000)
        const path = fileIn(from, "long.bin", bytes)
        const first = yield* receiving(b, to)
        const waiting = sending(a, b, path, once(half, Effect.asVoid(Fiber.interrupt(first.fiber))))
        const sent = yield* Effect.forkChild(waiting.result)
        yield* until(() => waiting.tags().includes("Retrying"))
        yield* Effect.sleep("5 seconds")
        const second = yield* receiving(b, to)
        yield* Fiber.join(sent)
        assert.isTrue(readFileSync(join(to, "long.bin")).equals(bytes))
        const error = yield* Effect.flip(
          sending(a, b, path, once(half, Effect.asVoid(Fiber.interrupt(second.fiber)))).result
        )
        assert.match(error.message, /long\.bin: given up after \d+ tries: the member is not receiving files now/)
      }),
      5
    )
  )

  it.effect("goes on where another command stopped", () =>
    inPacedTime(
      Effect.gen(function* () {
        const { a, b, from, to } = yield* pair
        const bytes = content(3_000_000)
        yield* receiving(b, to)
        const path = fileIn(from, "long.bin", bytes)
        const reached = yield* Deferred.make<void>()
        const first = yield* Effect.forkChild(
          sending(a, b, path, once(half, Effect.asVoid(Deferred.succeed(reached, undefined)))).result
        )
        yield* Deferred.await(reached)
        yield* Fiber.interrupt(first)
        yield* until(() => namesIn(to).length === 1)
        assert.match(namesIn(to)[0] ?? "", /^\.long\.bin\.[0-9a-f]{16}\.part$/)
        assert.strictEqual(statSync(join(to, namesIn(to)[0] ?? "")).mode & 0o777, 0o600)
        // The receiver lets go of the part when the reset has reached it.
        yield* Effect.sleep(100)
        const { events, result } = sending(a, b, path)
        yield* result
        const begun = events.find((event) => event._tag === "Sending")
        assert.isAbove(begun?._tag === "Sending" ? begun.bytes : 0, 1_000_000)
        assert.isTrue(readFileSync(join(to, "long.bin")).equals(bytes))
        assert.deepStrictEqual(namesIn(to), ["long.bin"])
      })
    )
  )

  it.effect("begins again when what is there is not the beginning of the file, or longer than it", () =>
    inPacedTime(
      Effect.gen(function* () {
        const { a, b, from, to } = yield* pair
        const bytes = content(400_000)
        const digits = sha256(bytes).slice(0, 16)
        const serving = yield* receiving(b, to)
        for (const [name, part] of [
          ["damaged", Buffer.concat([Buffer.from("x"), bytes.subarray(1, 200_000)])],
          ["longer", Buffer.concat([bytes, Buffer.from("x")])]
        ] as const) {
          fileIn(to, `.${name}.${digits}.part`, part)
          yield* sending(a, b, fileIn(from, name, bytes)).result
          assert.isTrue(readFileSync(join(to, name)).equals(bytes))
        }
        assert.deepStrictEqual(namesIn(to), ["damaged", "longer"])
        assert.strictEqual(serving.tags().filter((tag) => tag === "PartDiscarded").length, 1)
      })
    )
  )

  it.effect("writes to no link, foreign or second name that is in the place of a part", () =>
    inPacedTime(
      Effect.gen(function* () {
        const { a, b, from, to } = yield* pair
        const bytes = content(1000)
        const digits = sha256(bytes).slice(0, 16)
        yield* receiving(b, to)
        const victim = fileIn(from, "victim", Buffer.from("precious"))
        symlinkSync(victim, join(to, `.a.${digits}.part`))
        mkdirSync(join(to, `.a.${digits}.1.part`))
        yield* sending(a, b, fileIn(from, "a", bytes)).result
        assert.strictEqual(readFileSync(victim, "utf8"), "precious")
        assert.isTrue(readFileSync(join(to, "a")).equals(bytes))
        assert.strictEqual(namesIn(to).length, 3)
      })
    )
  )

  it.effect("keeps two transfers of one content at the same time apart", () =>
    inPacedTime(
      Effect.gen(function* () {
        const { a, b, from, network, to } = yield* pair
        const c = yield* member(network, 3)
        yield* introduce(c, b)
        const bytes = content(1_000_000)
        yield* receiving(b, to)
        const path = fileIn(from, "same.bin", bytes)
        yield* Effect.all([sending(a, b, path).result, sending(c, b, path).result, sending(a, b, path).result], {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(namesIn(to), ["same (1).bin", "same (2).bin", "same.bin"])
        for (const name of namesIn(to)) assert.isTrue(readFileSync(join(to, name)).equals(bytes))
      })
    )
  )

  it.effect("is held back by a slow receiver, without keeping the file in memory", () =>
    inPacedTime(
      Effect.gen(function* () {
        const { a, b, from, to } = yield* pair
        const bytes = content(8_000_000)
        const gate = yield* Deferred.make<void>()
        yield* receiving(b, to, {}, (event) => (event._tag === "Started" ? Deferred.await(gate) : Effect.void))
        const { events, result } = sending(a, b, fileIn(from, "big.bin", bytes))
        const fiber = yield* Effect.forkChild(result)
        yield* until(() => events.some((event) => event._tag === "Sending" && event.bytes > 0))
        yield* Effect.sleep("5 seconds")
        const sent = events.reduce((most, event) => (event._tag === "Sending" ? Math.max(most, event.bytes) : most), 0)
        assert.isBelow(sent, 1_500_000)
        yield* Deferred.succeed(gate, undefined)
        assert.strictEqual((yield* Fiber.join(fiber)).sha256, sha256(bytes))
      })
    )
  )

  it.effect("is given up when the receiver does not move for two minutes", () =>
    inPacedTime(
      Effect.gen(function* () {
        const { a, b, from, to } = yield* pair
        yield* receiving(b, to, {}, (event) => (event._tag === "Started" ? Effect.never : Effect.void))
        const { result } = sending(a, b, fileIn(from, "big.bin", content(2_000_000)))
        const error = yield* Effect.flip(result)
        assert.strictEqual(reasonOf(error), "Stalled")
        assert.match(error.message, /big\.bin: nothing moved for 120 s/)
      }),
      20
    )
  )

  it.effect("fails when the file changes while it is being sent, and nothing of it is stored", () =>
    inPacedTime(
      Effect.gen(function* () {
        const { a, b, from, to } = yield* pair
        yield* receiving(b, to)
        const path = fileIn(from, "log", content(2_000_000))
        const write = Effect.sync(() => writeFileSync(path, content(2_000_000, 2)))
        const changed = yield* Effect.flip(
          sending(
            a,
            b,
            path,
            once(({ _tag }) => _tag === "Connecting", write)
          ).result
        )
        assert.strictEqual(reasonOf(changed), "FileChanged")
        const shorten = Effect.sync(() => truncateSync(path, 1000))
        const shortened = yield* Effect.flip(
          sending(
            a,
            b,
            path,
            once(({ _tag }) => _tag === "Connecting", shorten)
          ).result
        )
        assert.strictEqual(reasonOf(shortened), "FileChanged")
        assert.isTrue(namesIn(to).every((name) => name.endsWith(".part")))
      })
    )
  )

  it.effect("says what is wrong with a file that cannot be sent", () =>
    inPacedTime(
      Effect.gen(function* () {
        const { a, b, from } = yield* pair
        const failure = (path: string) => Effect.flip(sending(a, b, path).result)
        assert.include((yield* failure(join(from, "none"))).message, "ENOENT: no such file or directory")
        assert.include((yield* failure(from)).message, "it is a directory; only ordinary files are sent")
        assert.include((yield* failure("/dev/null")).message, "it is a device")
        const secret = fileIn(from, "secret", Buffer.from("x"))
        chmodSync(secret, 0o000)
        if (process.getuid?.() !== 0) assert.include((yield* failure(secret)).message, "EACCES")
      })
    )
  )

  it.effect("says at once that nobody receives, or that the member is not reached", () =>
    inPacedTime(
      Effect.gen(function* () {
        const { a, b, from, network } = yield* pair
        const path = fileIn(from, "a", Buffer.from("x"))
        const nobody = sending(a, b, path)
        assert.strictEqual(reasonOf(yield* Effect.flip(nobody.result)), "NotReceiving")
        const stranger = yield* member(network, 9)
        const unknown = sending(a, stranger, path)
        assert.include((yield* Effect.flip(unknown.result)).message, "no address of this member is known")
        assert.notInclude(unknown.tags(), "Retrying")
      })
    )
  )
})
