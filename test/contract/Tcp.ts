/** What every `Tcp` does: the layers' test files run it, over the kernel in real time and in memory under TestClock. */
import { assert, describe } from "@effect/vitest"
import { Effect, Exit, type Layer, Scope } from "effect"
import { equals } from "../../src/domain/transportAddress.ts"
import { Tcp, type TcpError, tcpQueueBytesMax, type TcpSocket } from "../../src/services/Tcp.ts"

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

export interface TcpFixture {
  readonly layer: Layer.Layer<Tcp>
  /** Waits until a condition holds, in the layer's kind of time. */
  readonly until: (condition: () => boolean) => Effect.Effect<unknown>
  /** Registers a test that runs in that kind of time. */
  readonly test: (name: string, body: () => Effect.Effect<void, unknown>) => void
}

/** Everything that one end hears, as text, and how it ended. */
const listenTo = (socket: TcpSocket) => {
  const end = { text: "", codes: Array<string>() }
  socket.onReceive((chunk) => {
    end.text += Buffer.from(chunk).toString("latin1")
  })
  socket.onClosed((code) => void end.codes.push(code))
  return end
}

const failing = (effect: Effect.Effect<unknown, TcpError, Scope.Scope>) => Effect.scoped(Effect.flip(effect))

const openPair = Effect.fnUntraced(function* (host = "127.0.0.1") {
  const tcp = yield* Tcp
  const sockets: Array<TcpSocket> = []
  const { local } = yield* tcp.listen({ host, port: 0 }, (socket) => void sockets.push(socket))
  const scope = yield* Scope.make()
  const near = yield* Scope.provide(tcp.connect(local), scope)
  return { near, local, accepted: () => sockets[0], close: Scope.close(scope, Exit.void) }
})

export const tcpContract = (name: string, { layer, test, until }: TcpFixture) => {
  const run = (effect: Effect.Effect<void, unknown, Tcp | Scope.Scope>) =>
    effect.pipe(Effect.scoped, Effect.provide(layer))
  const pair = Effect.fnUntraced(function* (host?: string) {
    const opened = yield* openPair(host)
    yield* until(() => opened.accepted() !== undefined)
    const far = opened.accepted()
    assert.isDefined(far)
    return { ...opened, far }
  })

  describe(`${name}: the contract of Tcp`, () => {
    for (const host of ["127.0.0.1", "::1"]) {
      test(`carries messages both ways and in order on ${host}`, () =>
        run(
          Effect.gen(function* () {
            const { close, far, local, near } = yield* pair(host)
            assert.isTrue(equals(near.remote, local))
            assert.isTrue(equals(near.local, far.remote))
            const [heardNear, heardFar] = [listenTo(near), listenTo(far)]
            assert.isTrue(near.send(bytes("one "), bytes("two ")))
            near.write(bytes("three "))
            assert.isTrue(near.send(bytes("f"), bytes("ou"), bytes("r")))
            assert.isTrue(near.send(bytes(""), bytes("")))
            assert.isTrue(far.send(bytes("back")))
            yield* until(() => heardFar.text === "one two three four" && heardNear.text === "back")
            assert.strictEqual(near.queuedBytes(), 0)
            yield* close
          })
        ))
    }

    test("sends what is queued when the scope closes, and tells the other end only", () =>
      run(
        Effect.gen(function* () {
          const { close, far, near } = yield* pair()
          const [heardNear, heardFar] = [listenTo(near), listenTo(far)]
          near.write(bytes("goodbye"))
          yield* close
          yield* until(() => heardFar.codes.length > 0)
          assert.deepStrictEqual(heardFar, { text: "goodbye", codes: ["EOF"] })
          assert.deepStrictEqual(heardNear.codes, [])
          assert.isFalse(near.send(bytes("late")))
        })
      ))

    test("tells once that the connection is over, also whoever asks later", () =>
      run(
        Effect.gen(function* () {
          const { close, far, near } = yield* pair()
          const heard = listenTo(near)
          far.abort("EBADMSG")
          yield* until(() => heard.codes.length > 0)
          near.abort("again")
          assert.strictEqual(heard.codes.length, 1)
          for (const socket of [near, far]) {
            const later = listenTo(socket)
            assert.lengthOf(later.codes, 1)
            assert.isFalse(socket.send(bytes("late")))
          }
          assert.deepStrictEqual(listenTo(far).codes, ["EBADMSG"])
          yield* close
        })
      ))

    test("drops messages once too much is queued, and takes requests for a while longer", () =>
      run(
        Effect.gen(function* () {
          const { close, near } = yield* pair()
          const heard = listenTo(near)
          const message = new Uint8Array(60_000)
          let accepted = 0
          while (near.send(message)) accepted++
          assert.isAbove(accepted, 10)
          assert.isAtMost(near.queuedBytes(), tcpQueueBytesMax)
          near.write(message)
          assert.deepStrictEqual(heard.codes, [])
          for (let writes = 0; writes < 10; writes++) near.write(message)
          assert.deepStrictEqual(heard.codes, ["ENOBUFS"])
          yield* close
        })
      ))

    test("fails, typed, for a port that nobody listens on and for what is no address", () =>
      run(
        Effect.gen(function* () {
          const tcp = yield* Tcp
          const { close, local } = yield* pair()
          yield* close
          const free = yield* Effect.scoped(tcp.listen({ host: "127.0.0.1", port: 0 }, () => {}))
          assert.strictEqual((yield* failing(tcp.connect(free.local))).code, "ECONNREFUSED")
          assert.strictEqual((yield* failing(tcp.listen(local, () => {}))).code, "EADDRINUSE")
          assert.strictEqual((yield* failing(tcp.connect({ host: "example.org", port: 1 }))).code, "EINVAL")
          assert.strictEqual((yield* failing(tcp.connect({ host: "127.0.0.1", port: 65_536 }))).code, "EINVAL")
        })
      ))
  })
}
