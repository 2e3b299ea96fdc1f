/** A reader that is slower than its writer, over real sockets: nobody keeps what the reader has not taken. */
import { assert, describe, it } from "@effect/vitest"
import { Console, Context, Deferred, Effect, Fiber, Layer, Option } from "effect"
import * as IdentityMemory from "../../src/layers/IdentityMemory.ts"
import * as PeerBookMemory from "../../src/layers/PeerBookMemory.ts"
import * as SessionLibp2p from "../../src/layers/SessionLibp2p.ts"
import { PeerBook } from "../../src/services/PeerBook.ts"
import { SessionManager, type SessionStream } from "../../src/services/SessionManager.ts"
import { until } from "./mesh.ts"

const protocol = "/test/slow/1"
const frameBytes = 65_536
const totalBytes = 200 * 1024 * 1024
/**
 * What may be between writer and reader: 256 KiB and a chunk that wait on each side, the window of the stream (2 MiB),
 * and what the transports have in hand.
 */
const aheadBytesMax = 8 * 1024 * 1024
/** Both ends are in this process: while nothing is read, and over all with what the collector has left lying so far. */
const standingGrowthMiBMax = 64
const growthMiBMax = 160

const member = (transport: "quic" | "tcp") =>
  Layer.build(
    SessionLibp2p.layer({ transports: [transport], dialsHeardOf: false }).pipe(
      Layer.provideMerge(PeerBookMemory.layer),
      Layer.provideMerge(IdentityMemory.layer())
    )
  )

describe("a slow reader", () => {
  it.live.each(["quic", "tcp"] as const)(
    "holds back a writer of 200 MiB over %s, and gets everything in the end",
    (transport) =>
      Effect.gen(function* () {
        const reader = Context.get(yield* member(transport), SessionManager)
        const context = yield* member(transport)
        const writer = Context.get(context, SessionManager)
        yield* Context.get(context, PeerBook).learn(reader.did, yield* reader.listening, "config")

        const taken = Deferred.makeUnsafe<SessionStream>()
        const done = Deferred.makeUnsafe<void>()
        yield* reader.handle(protocol, (stream) =>
          Effect.andThen(Deferred.succeed(taken, stream), Deferred.await(done))
        )
        const stream = yield* writer.open(reader.did, protocol)
        const memoryBefore = process.memoryUsage.rss()
        const growthMiB = () => (process.memoryUsage.rss() - memoryBefore) >> 20
        let sent = 0
        const writing = yield* Effect.gen(function* () {
          const frame = new Uint8Array(frameBytes)
          while (sent < totalBytes) {
            yield* stream.send(frame)
            sent += frameBytes
          }
          yield* stream.end
        }).pipe(Effect.forkChild)
        const incoming = yield* Deferred.await(taken)

        // Nothing is read at first: the writer comes to a stand.
        let before = -1
        const stands = Effect.sync(() => {
          const isSame = sent === before
          before = sent
          return isSame && sent > 0
        })
        yield* until(Effect.delay(stands, 250), (stand) => stand, "a writer that waits")
        const stood = sent
        assert.isBelow(stood, aheadBytesMax)
        const standing = growthMiB()
        assert.isBelow(standing, standingGrowthMiBMax)

        let received = 0
        let ahead = 0
        let growth = 0
        while (true) {
          const frame = yield* incoming.receive
          if (Option.isNone(frame)) break
          received += frame.value.length
          ahead = Math.max(ahead, sent - received)
          growth = Math.max(growth, growthMiB())
          // Slower than any writer on this machine, for a part of the way that no buffer could hide.
          if (received < totalBytes / 8) yield* Effect.sleep(1)
        }
        yield* Fiber.join(writing)
        yield* Console.log(
          `${transport}: the writer stood after ${stood} bytes with ${standing} MiB of memory more, ` +
            `and was ${ahead} bytes ahead at most with ${growth} MiB more`
        )
        assert.strictEqual(received, totalBytes)
        assert.isBelow(ahead, aheadBytesMax)
        assert.isBelow(growth, growthMiBMax)
        yield* Deferred.succeed(done, undefined)
      }),
    60_000
  )
})
