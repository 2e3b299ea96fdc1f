import { assert, describe, it } from "@effect/vitest"
import { isClosedByPeer, isServerClosed, loadNative, streamFailure } from "../../../../src/layers/libp2p/quic/native.ts"
import { NativeQuic } from "../../../fixtures/nativeQuic.ts"

const failureOf = (attempt: Promise<unknown>): Promise<unknown> =>
  attempt.then(
    () => assert.fail("it succeeded"),
    (error: unknown) => error
  )

describe("loadNative", () => {
  it("fails, typed, with the platform's name, where the package has no binary for it", async () => {
    const error = await failureOf(loadNative(() => Promise.reject(new Error("Cannot find native binding."))))
    assert.deepInclude(error, { name: "QuicUnavailable", platform: `${process.platform}-${process.arch}` })
    assert.match(String(error), /QUIC is not available on \S+: /)
  })

  it("fails, typed, when the module is not what it was", async () => {
    assert.deepInclude(await failureOf(loadNative(async () => ({ Server: () => {}, Client: () => {} }))), {
      name: "QuicUnavailable"
    })
  })
})

// What the native half says is fixed by no interface, so each text is produced by it here.
describe("the words of the native half", () => {
  it("tell a reset, a stop and a lost connection apart", async () => {
    const quic = await NativeQuic.make()
    const { client, server } = await quic.pair()
    const streams = async () => {
      const local = await client.outboundStream()
      await local.write(new Uint8Array(1))
      const remote = await server.inboundStream()
      await remote.read(1)
      return { local, remote }
    }

    const reset = await streams()
    await reset.local.resetWrite()
    assert.strictEqual(streamFailure(await failureOf(reset.remote.read(1))), "reset")
    // The reason why a failed read is the last one.
    assert.isNull(await reset.remote.read(1))

    const stopped = await streams()
    await stopped.remote.stopRead()
    const bytes = new Uint8Array(1_000_000)
    const writing = async (): Promise<never> => stopped.local.write(bytes).then(writing)
    assert.strictEqual(streamFailure(await failureOf(writing())), "stopped")

    const lost = await streams()
    const [reading, accepting] = [failureOf(lost.remote.read(1)), failureOf(server.inboundStream())]
    client.abort()
    assert.strictEqual(streamFailure(await reading), "lost")
    assert.isTrue(isClosedByPeer(await accepting))
    assert.isTrue(isClosedByPeer(await failureOf(server.outboundStream())))
    assert.isFalse(isClosedByPeer(await failureOf(client.outboundStream())))
    await quic.close()
  })

  it("tell that a server is closed", async () => {
    const quic = await NativeQuic.make()
    const accepting = failureOf(quic.accept())
    await quic.close()
    assert.isTrue(isServerClosed(await accepting))
    assert.isTrue(isServerClosed(await failureOf(quic.accept())))
    assert.isFalse(isServerClosed(new Error("timed out")))
  })

  it("that are new mean nothing", () => {
    assert.strictEqual(streamFailure(new Error("closed stream")), "unknown")
    assert.strictEqual(streamFailure("connection lost, perhaps"), "unknown")
  })
})
