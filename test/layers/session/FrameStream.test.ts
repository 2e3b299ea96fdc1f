import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Option, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as FrameStream from "../../../src/layers/session/FrameStream.ts"
import { make as makeNetwork } from "../../../src/layers/session/memory/Network.ts"
import { MemoryStream } from "../../../src/layers/session/memory/Streams.ts"
import type { WireStream, WireStreamHandlers } from "../../../src/layers/session/Wire.ts"
import { end as endFrame, frameBytesMax, header } from "../../../src/protocol/frames.ts"
import type { SessionError } from "../../../src/services/SessionManager.ts"
import { bytes, failure } from "../../contract/SessionManager.ts"
import { didNumber } from "../../fixtures/dids.ts"

const protocol = "/test/frames/1"
const nothing: FrameStream.FrameStreamObserver = { received: () => {}, sent: () => {}, closed: () => {} }

/** What a stream tells its session. */
class Observed implements FrameStream.FrameStreamObserver {
  bytesIn = 0
  bytesOut = 0
  closings = 0
  readonly received = (bytes: number): void => void (this.bytesIn += bytes)
  readonly sent = (bytes: number): void => void (this.bytesOut += bytes)
  readonly closed = (): void => void this.closings++
}

/** A transport whose every step the test makes: nothing moves by itself. */
class Scripted implements WireStream {
  handlers: WireStreamHandlers | undefined
  room = true
  /** Bytes written and not taken away. */
  buffered = 0
  bufferedMax = 0
  readonly written: Array<Uint8Array> = []
  readonly calls: Array<string> = []
  readonly attach = (handlers: WireStreamHandlers): void => void (this.handlers = handlers)
  readonly write = (...parts: ReadonlyArray<Uint8Array>): void => {
    const whole = Buffer.concat(parts)
    this.written.push(whole)
    this.buffered += whole.length
    this.bufferedMax = Math.max(this.bufferedMax, this.buffered)
  }
  readonly hasRoom = (): boolean => this.room && this.buffered < 1000
  readonly endWrite = (): void => void this.calls.push("endWrite")
  readonly reset = (): void => void this.calls.push("reset")
  readonly pause = (): void => void this.calls.push("pause")
  readonly resume = (): void => void this.calls.push("resume")
  drain(): void {
    this.buffered = 0
    this.handlers?.drained()
  }
  arrive(...parts: ReadonlyArray<Uint8Array>): void {
    this.handlers?.data(Buffer.concat(parts))
  }
}

const scripted = () => {
  const wire = new Scripted()
  const observed = new Observed()
  return { wire, observed, stream: FrameStream.make(didNumber(1), protocol, wire, observed) }
}

const framed = (...frames: ReadonlyArray<Uint8Array>): Uint8Array =>
  Buffer.concat(frames.flatMap((frame) => [header(frame.length), frame]))

/** Two ends over a network in memory; `adjust` passes its time. */
const pair = Effect.fnUntraced(function* () {
  const network = yield* makeNetwork({ latencyMillis: 5 })
  const [near, far] = MemoryStream.pair(network, "192.0.2.1", "192.0.2.2")
  const [a, b] = [new Observed(), new Observed()]
  return {
    network,
    near: FrameStream.make(didNumber(2), protocol, near, a),
    far: FrameStream.make(didNumber(1), protocol, far, b),
    nearWire: near,
    farWire: far,
    nearObserved: a,
    farObserved: b
  }
})

const tag = <A>(effect: Effect.Effect<A, SessionError>) => Effect.map(failure(effect), (reason) => reason?._tag)
const value = (frame: Option.Option<Uint8Array>) => [...Option.getOrElse(frame, () => Uint8Array.of())]

describe("reading", () => {
  it.effect("holds the transport back beyond 256 KiB that wait to be read, and lets it go on below 64 KiB", () =>
    Effect.gen(function* () {
      const { stream, wire } = scripted()
      const frame = new Uint8Array(65_536)
      for (let count = 0; count < 4; count++) wire.arrive(framed(frame))
      assert.deepStrictEqual(wire.calls, [])
      wire.arrive(framed(Uint8Array.of(1)))
      assert.deepStrictEqual(wire.calls, ["pause"])
      for (let count = 0; count < 3; count++) yield* stream.receive
      // 64 KiB and one byte still wait.
      assert.deepStrictEqual(wire.calls, ["pause"])
      yield* stream.receive
      assert.deepStrictEqual(wire.calls, ["pause", "resume"])
      assert.deepStrictEqual(value(yield* stream.receive), [1])
    })
  )

  it.effect("holds the transport back by the number of frames, however short they are", () =>
    Effect.gen(function* () {
      const { stream, wire } = scripted()
      const empty = framed(Uint8Array.of())
      for (let count = 0; count < 1024; count++) wire.arrive(empty)
      assert.deepStrictEqual(wire.calls, [])
      wire.arrive(empty)
      assert.deepStrictEqual(wire.calls, ["pause"])
      for (let count = 0; count < 1025 - 256; count++) yield* stream.receive
      assert.deepStrictEqual(wire.calls, ["pause", "resume"])
    })
  )

  it.effect("takes the same time for each of very many short frames that arrive at once", () =>
    Effect.gen(function* () {
      const { stream, wire } = scripted()
      const count = 100_000
      wire.arrive(new Uint8Array(4 * count))
      const before = process.cpuUsage()
      let read = 0
      // Stops long before the end where each frame moves all that follow.
      while (read < count && process.cpuUsage(before).user < 4_000_000) {
        if (Option.isSome(yield* stream.receive)) read++
      }
      assert.strictEqual(read, count)
    })
  )

  it.effect("loses no frame to a receive that is interrupted", () =>
    Effect.gen(function* () {
      const { stream, wire } = scripted()
      for (let round = 0; round < 20; round++) {
        const given = yield* Effect.forkChild(stream.receive, { startImmediately: true })
        if (round % 2 === 0) wire.arrive(framed(Uint8Array.of(round)))
        yield* Fiber.interrupt(given)
        if (round % 2 === 1) wire.arrive(framed(Uint8Array.of(round)))
        const exit = yield* Fiber.await(given)
        // It came with the frame, or it left the frame to the next one.
        const frame = Exit.isSuccess(exit) ? exit.value : yield* stream.receive
        assert.deepStrictEqual(value(frame), [round])
      }
    })
  )

  it.effect("keeps the frames before a failure, and then tells it again and again", () =>
    Effect.gen(function* () {
      const { observed, stream, wire } = scripted()
      wire.arrive(framed(bytes("a")), header(frameBytesMax + 1))
      assert.deepStrictEqual(value(yield* stream.receive), [...bytes("a")])
      assert.strictEqual(yield* tag(stream.receive), "StreamMalformed")
      assert.strictEqual(yield* tag(stream.receive), "StreamMalformed")
      assert.strictEqual(yield* tag(stream.send(bytes("b"))), "StreamMalformed")
      assert.deepStrictEqual(wire.calls, ["reset"])
      assert.strictEqual(observed.closings, 1)
    })
  )

  it.effect("refuses frames after the end alike in one piece and in two", () =>
    Effect.gen(function* () {
      for (const inTwo of [false, true]) {
        const { stream, wire } = scripted()
        const late = framed(bytes("late"))
        if (inTwo) {
          wire.arrive(framed(bytes("a")), endFrame)
          wire.arrive(late)
        } else wire.arrive(framed(bytes("a")), endFrame, late)
        assert.deepStrictEqual(value(yield* stream.receive), [...bytes("a")])
        assert.strictEqual(yield* tag(stream.receive), "StreamMalformed")
        assert.deepStrictEqual(wire.calls, ["reset"])
      }
    })
  )

  it.effect("takes a direction that stops without its end for cut", () =>
    Effect.gen(function* () {
      const { stream, wire } = scripted()
      wire.arrive(framed(bytes("a")), header(7), bytes("half"))
      wire.handlers?.finished()
      assert.deepStrictEqual(value(yield* stream.receive), [...bytes("a")])
      assert.strictEqual(yield* tag(stream.receive), "StreamMalformed")
      assert.deepStrictEqual(wire.calls, ["reset"])
    })
  )

  it.effect("tells a reset from a lost connection from an end, also to a reader that waits", () =>
    Effect.gen(function* () {
      const expected = { reset: "StreamReset", lost: "SessionClosed", ended: "StreamReset" } as const
      for (const how of ["reset", "lost", "ended"] as const) {
        const { observed, stream, wire } = scripted()
        const waiting = yield* Effect.forkChild(tag(stream.receive), { startImmediately: true })
        wire.handlers?.closed(how)
        assert.strictEqual(yield* Fiber.join(waiting), expected[how])
        assert.strictEqual(yield* tag(stream.send(bytes("x"))), expected[how])
        assert.strictEqual(observed.closings, 1)
      }
      const { stream, wire } = scripted()
      wire.arrive(endFrame)
      assert.isTrue(Option.isNone(yield* stream.receive))
      wire.handlers?.closed("lost")
      assert.isTrue(Option.isNone(yield* stream.receive))
    })
  )
})

describe("writing", () => {
  it.effect("waits for room, and passes the transport's limit by one frame at most, with many senders too", () =>
    Effect.gen(function* () {
      const { observed, stream, wire } = scripted()
      const senders = yield* Effect.forEach([1, 2, 3, 4, 5, 6, 7, 8], (sender) =>
        Effect.forkChild(
          Effect.forEach([0, 1, 2, 3, 4], () => stream.send(new Uint8Array(300).fill(sender)), { discard: true }),
          { startImmediately: true }
        )
      )
      for (let round = 0; round < 40; round++) {
        wire.drain()
        yield* Effect.yieldNow
      }
      yield* Effect.forEach(senders, Fiber.join, { discard: true })
      assert.isAtMost(wire.bufferedMax, 1000 + 304)
      assert.strictEqual(observed.bytesOut, 40 * 300)
      // Each write is one whole frame of one sender, and each sender's frames are all there.
      for (const written of wire.written) assert.strictEqual(new Set(written.subarray(4)).size, 1)
      const senderOf = wire.written.map((written) => written[4])
      for (let sender = 1; sender <= 8; sender++) {
        assert.strictEqual(senderOf.filter((one) => one === sender).length, 5)
      }
    })
  )

  it.effect("leaves nothing behind of a send that is interrupted while it waits", () =>
    Effect.gen(function* () {
      const { observed, stream, wire } = scripted()
      wire.room = false
      const first = yield* Effect.forkChild(stream.send(bytes("never")), { startImmediately: true })
      const second = yield* Effect.forkChild(stream.send(bytes("second")), { startImmediately: true })
      yield* Fiber.interrupt(first)
      yield* Effect.yieldNow
      assert.isUndefined(second.pollUnsafe())
      wire.room = true
      wire.drain()
      yield* Fiber.join(second)
      yield* stream.send(bytes("third"))
      assert.deepStrictEqual(wire.written, [Buffer.from(framed(bytes("second"))), Buffer.from(framed(bytes("third")))])
      assert.strictEqual(observed.bytesOut, 11)
    })
  )

  it.effect("fails whoever waits for room when the stream goes", () =>
    Effect.gen(function* () {
      const { stream, wire } = scripted()
      wire.room = false
      const waiting = yield* Effect.forEach([stream.send(bytes("x")), stream.send(bytes("y")), stream.end], (effect) =>
        Effect.forkChild(tag(effect), { startImmediately: true })
      )
      wire.handlers?.closed("reset")
      assert.deepStrictEqual(yield* Effect.forEach(waiting, Fiber.join), ["StreamReset", "StreamReset", "StreamReset"])
      assert.deepStrictEqual(wire.written, [])
    })
  )

  it.effect("ends once, after what waits, however often and by however many it is ended", () =>
    Effect.gen(function* () {
      const { stream, wire } = scripted()
      wire.room = false
      const sending = yield* Effect.forkChild(stream.send(bytes("x")), { startImmediately: true })
      const ending = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(stream.end, { startImmediately: true }))
      wire.room = true
      wire.drain()
      yield* Fiber.join(sending)
      yield* Effect.forEach(ending, Fiber.join, { discard: true })
      yield* stream.end
      assert.deepStrictEqual(wire.written, [Buffer.from(framed(bytes("x"))), Buffer.from(endFrame)])
      assert.deepStrictEqual(wire.calls, ["endWrite"])
    })
  )

  it.effect("refuses a frame that is too long, and dies of one after the end", () =>
    Effect.gen(function* () {
      const { stream, wire } = scripted()
      assert.strictEqual(yield* tag(stream.send(new Uint8Array(frameBytesMax + 1))), "FrameTooLong")
      yield* stream.send(new Uint8Array(frameBytesMax))
      wire.drain()
      yield* stream.end
      const exit = yield* Effect.exit(stream.send(bytes("late")))
      assert.isTrue(Exit.hasDies(exit))
    })
  )
})

describe("both ends", () => {
  it.effect("bounds what the two sides and the way between them hold when nobody reads", () =>
    Effect.gen(function* () {
      const { far, farObserved, near, nearObserved } = yield* pair()
      const frame = new Uint8Array(10_000)
      const sender = yield* Effect.forkChild(Effect.forEach(Array.from({ length: 200 }), () => near.send(frame)))
      yield* TestClock.adjust("1 minute")
      // 256 KiB on the way, 256 KiB that wait to be read, and one frame more for each.
      assert.isAtMost(nearObserved.bytesOut, 2 * 262_144 + 2 * frame.length)
      assert.isAtMost(farObserved.bytesIn, 262_144 + frame.length)
      const reader = yield* Effect.forkChild(Stream.runCollect(far.frames))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(sender)
      yield* near.end
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(reader)).length, 200)
    })
  )

  it.effect("tells both sessions once, when both directions have ended and everything is written", () =>
    Effect.gen(function* () {
      const { far, farObserved, near, nearObserved } = yield* pair()
      yield* near.send(bytes("question"))
      yield* near.end
      yield* TestClock.adjust("1 second")
      yield* far.send(bytes("answer"))
      yield* far.end
      assert.deepStrictEqual([nearObserved.closings, farObserved.closings], [0, 0])
      yield* TestClock.adjust("1 second")
      // Nobody has read anything yet, and that is no reason to keep the stream.
      assert.deepStrictEqual([nearObserved.closings, farObserved.closings], [1, 1])
      assert.isTrue(near.isComplete() && far.isComplete())
      assert.strictEqual((yield* Stream.runCollect(near.frames)).length, 1)
      assert.strictEqual((yield* Stream.runCollect(far.frames)).length, 1)
      yield* near.reset
      assert.deepStrictEqual([nearObserved.closings, farObserved.closings], [1, 1])
    })
  )

  it.effect("counts a stream as open while its last frames wait for a reader that does not read", () =>
    Effect.gen(function* () {
      const { far, near, nearObserved } = yield* pair()
      const sender = yield* Effect.forkChild(
        Effect.andThen(
          Effect.forEach(Array.from({ length: 10 }), () => near.send(new Uint8Array(50_000))),
          near.end
        )
      )
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(sender)
      yield* far.end
      yield* TestClock.adjust("1 minute")
      assert.isTrue(near.isComplete())
      assert.strictEqual(nearObserved.closings, 0)
      const reader = yield* Effect.forkChild(Stream.runDrain(far.frames))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(reader)
      assert.strictEqual(nearObserved.closings, 1)
    })
  )

  it.effect("gives up both directions at a reset, and tells the other side so", () =>
    Effect.gen(function* () {
      const { far, farObserved, near, nearObserved } = yield* pair()
      yield* near.send(bytes("x"))
      yield* TestClock.adjust("1 second")
      yield* near.reset
      assert.strictEqual(yield* tag(near.receive), "StreamReset")
      yield* TestClock.adjust("1 second")
      // What had arrived before is not taken back.
      assert.deepStrictEqual(value(yield* far.receive), [...bytes("x")])
      assert.strictEqual(yield* tag(far.receive), "StreamReset")
      assert.strictEqual(yield* tag(far.send(bytes("y"))), "StreamReset")
      assert.deepStrictEqual([nearObserved.closings, farObserved.closings], [1, 1])
    })
  )

  it.effect("tells at once when the stream was gone before anybody listened", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork()
      const [near] = MemoryStream.pair(network, "192.0.2.1", "192.0.2.2")
      near.lose("lost")
      const observed = new Observed()
      const stream = FrameStream.make(didNumber(2), protocol, near, observed)
      assert.strictEqual(yield* tag(stream.receive), "SessionClosed")
      assert.strictEqual(observed.closings, 1)
      assert.isFalse(FrameStream.make(didNumber(2), protocol, new Scripted(), nothing).isComplete())
    })
  )
})
