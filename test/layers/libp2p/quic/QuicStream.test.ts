import { Uint8ArrayList } from "uint8arraylist"
import { assert, describe, it } from "@effect/vitest"
import {
  discardBytesMax,
  QuicStream,
  readBytesMax,
  writeBytesMax
} from "../../../../src/layers/libp2p/quic/QuicStream.ts"
import { FakeNativeStream } from "../../../fixtures/fakeNativeStream.ts"
import { pattern, silentLog, until } from "../../../fixtures/quicNode.ts"

const make = () => {
  const native = new FakeNativeStream()
  const lost: Array<"lost"> = []
  const events: Array<string> = []
  const stream = new QuicStream({
    native,
    log: silentLog,
    direction: "inbound",
    onConnectionLost: () => lost.push("lost")
  })
  for (const name of ["remoteCloseWrite", "drain", "idle", "end"] as const) {
    stream.addEventListener(name, () => events.push(name))
  }
  stream.addEventListener("close", ({ error }) => events.push(`close ${error?.name ?? "clean"}`))
  return { native, stream, lost, events }
}

/** Lets everything happen that needs no more than promises. */
const turn = () => new Promise((resolve) => setImmediate(resolve))

/** The bytes that a stream's reader gets. */
const collect = (stream: QuicStream): { bytes: number } => {
  const got = { bytes: 0 }
  stream.addEventListener("message", ({ data }) => (got.bytes += data.byteLength))
  return got
}

describe("QuicStream reading", () => {
  it("asks for 64 KiB at a time", async () => {
    const { native, stream } = make()
    collect(stream)
    native.feed(pattern(0, 10))
    await turn()
    assert.deepStrictEqual(native.reads, [65_536, 65_536])
  })

  it("does not read while paused, and goes on where it was", async () => {
    const { native, stream } = make()
    const got = collect(stream)
    stream.pause()
    // The read that was under way brings this; it waits in the stream.
    native.feed(pattern(0, 10), pattern(10, 10), "end")
    await turn()
    assert.lengthOf(native.reads, 1)
    assert.deepStrictEqual([got.bytes, stream.readBufferLength], [0, 10])
    stream.resume()
    await turn()
    assert.strictEqual(got.bytes, 20)
    assert.strictEqual(stream.remoteWriteStatus, "closed")
  })

  it("does not read far ahead of a reader who has not come yet", async () => {
    const { native, stream } = make()
    for (let at = 0; at < 10; at++) native.feed(pattern(0, readBytesMax))
    await turn()
    assert.lengthOf(native.reads, 1)
    const got = collect(stream)
    await turn()
    assert.strictEqual(got.bytes, 10 * readBytesMax)
  })

  it("tells a reset as a reset, and gives its own half back", async () => {
    const { events, native, stream } = make()
    native.feed(new Error("stream reset by peer: error 0"))
    await turn()
    assert.strictEqual(stream.status, "reset")
    assert.deepStrictEqual(events, ["end", "close StreamResetError"])
    assert.deepStrictEqual(native.calls, ["resetWrite"])
    // The native half says "end" to every read after a failure.
    assert.lengthOf(native.reads, 1)
  })

  it("takes no error that it does not know for an end", async () => {
    const { events, native, stream } = make()
    native.feed(new Error("something new"))
    await turn()
    assert.strictEqual(stream.status, "aborted")
    assert.notInclude(events, "remoteCloseWrite")
    assert.include(events, "close Error")
  })

  it("leaves it to the connection to tell why it was lost", async () => {
    const { events, lost, native, stream } = make()
    native.feed(new Error("connection lost"))
    await turn()
    assert.deepStrictEqual(lost, ["lost"])
    assert.strictEqual(stream.status, "open")
    assert.deepStrictEqual(events, [])
  })

  it("drops what comes after closeRead until the end, but not for ever", async () => {
    const { native, stream } = make()
    const got = collect(stream)
    await stream.closeRead()
    native.feed(pattern(0, 1000), "end")
    await turn()
    assert.strictEqual(stream.remoteWriteStatus, "closed")
    assert.deepStrictEqual(native.calls, [])

    const other = make()
    await other.stream.closeRead()
    for (let at = 0; at <= discardBytesMax; at += readBytesMax) other.native.feed(pattern(0, readBytesMax))
    await turn()
    assert.deepStrictEqual(other.native.calls, ["stopRead"])
    assert.strictEqual(other.stream.remoteWriteStatus, "closed")
    assert.strictEqual(got.bytes, 0)
  })

  it("resets both directions when given up, once, and ignores what still comes", async () => {
    const { events, native, stream } = make()
    stream.abort(new Error("given up"))
    native.feed(new Error("stream reset by peer: error 0"))
    await turn()
    assert.deepStrictEqual(native.calls, ["resetWrite", "stopRead"])
    assert.deepStrictEqual(events, ["end", "close Error"])
  })
})

describe("QuicStream writing", () => {
  it("writes a long list in parts, one at a time, and asks for more only when all is handed over", async () => {
    const { events, native, stream } = make()
    const parts = Array.from({ length: 700 }, (_, index) => pattern(index * 1000, 1000))
    assert.isFalse(stream.send(new Uint8ArrayList(...parts)))
    assert.deepStrictEqual(
      native.writes.map(({ byteLength }) => byteLength),
      [writeBytesMax]
    )
    native.wrote()
    await turn()
    native.wrote()
    await turn()
    assert.deepStrictEqual(
      native.writes.map(({ byteLength }) => byteLength),
      [writeBytesMax, writeBytesMax, 700_000 - 2 * writeBytesMax]
    )
    assert.deepStrictEqual(events, ["idle"])
    native.wrote()
    await turn()
    assert.deepStrictEqual(events, ["idle", "drain"])
    assert.deepStrictEqual(Buffer.concat(native.written), Buffer.from(pattern(0, 700_000)))
  })

  it("does not copy one large buffer", () => {
    const { native, stream } = make()
    const bytes = pattern(0, 1_000_000)
    stream.send(bytes)
    assert.strictEqual(native.writes[0]?.buffer, bytes.buffer)
  })

  it("keeps its buffer short when the writer waits for room", async () => {
    const { native, stream } = make()
    let longest = 0
    for (let round = 0; round < 20; round++) {
      const drained = new Promise((resolve) => stream.addEventListener("drain", resolve, { once: true }))
      assert.isFalse(stream.send(pattern(0, 600_000)))
      longest = Math.max(longest, stream.writeBufferLength)
      for (let part = 0; part < 3; part++) {
        native.wrote()
        await turn()
      }
      await drained
    }
    assert.isAtMost(longest, 600_000)
  })

  it("ends its direction after what was written, and gives up waiting when the signal fires", async () => {
    const { native, stream } = make()
    stream.send(pattern(0, 10))
    const closing = stream.close()
    await turn()
    assert.deepStrictEqual(native.calls, [])
    native.wrote()
    await closing
    assert.deepStrictEqual(native.calls, ["finishWrite"])

    const held = make()
    held.stream.send(pattern(0, 10))
    const failure: unknown = await held.stream
      .close({ signal: AbortSignal.timeout(10) })
      .then(() => undefined)
      .catch((error: unknown) => error)
    assert.strictEqual(failure instanceof Error && failure.name, "TimeoutError")
    assert.deepStrictEqual(held.native.calls, [])
  })

  it("stops writing when the other end reads no more, and goes on reading", async () => {
    const { events, native, stream } = make()
    const got = collect(stream)
    stream.send(pattern(0, 10))
    native.wrote(new Error("sending stopped by peer: error 0"))
    await until(() => events.includes("drain"), "the writer to be told")
    assert.throws(() => stream.send(pattern(0, 10)), /closed/)
    assert.deepStrictEqual(native.calls, ["resetWrite"])
    native.feed(pattern(0, 10), "end")
    await turn()
    assert.strictEqual(got.bytes, 10)
    assert.strictEqual(stream.status, "closed")
  })

  it("fails with any other failed write", async () => {
    const { events, native, stream } = make()
    stream.send(pattern(0, 10))
    native.wrote(new Error("something new"))
    await turn()
    assert.strictEqual(stream.status, "aborted")
    assert.include(events, "close Error")
  })
})
