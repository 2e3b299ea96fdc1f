/** What every `Udp` does: the layers' test files run it, over the kernel in real time and in memory under TestClock. */
import { assert, describe } from "@effect/vitest"
import { Effect, Exit, type Layer, Scope } from "effect"
import { type TransportAddress, equals } from "../../src/domain/transportAddress.ts"
import { Udp, type UdpError } from "../../src/services/Udp.ts"

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (payload: Uint8Array): string => new TextDecoder().decode(payload)
const hosts = ["127.0.0.1", "::1"]

export interface UdpFixture {
  readonly layer: Layer.Layer<Udp>
  /** Waits until a condition holds, in the layer's kind of time. */
  readonly until: (condition: () => boolean) => Effect.Effect<unknown>
  /** Registers a test that runs in that kind of time. */
  readonly test: (name: string, body: () => Effect.Effect<void, unknown>) => void
}

export const udpContract = (name: string, { layer, test, until }: UdpFixture) => {
  const run = (effect: Effect.Effect<void, unknown, Udp | Scope.Scope>) =>
    effect.pipe(Effect.scoped, Effect.provide(layer))

  describe(`${name}: the contract of Udp`, () => {
    for (const host of hosts) {
      test(`carries datagrams both ways between a connected socket and an endpoint on ${host}`, () =>
        run(
          Effect.gen(function* () {
            const udp = yield* Udp
            const endpoint = yield* udp.bind({ host, port: 0 })
            assert.strictEqual(endpoint.local.host, host)
            assert.isAbove(endpoint.local.port, 0)
            endpoint.onReceive((payload, from) => endpoint.send(bytes(`re: ${text(payload)}`), from))
            const socket = yield* udp.connect(endpoint.local)
            const heard: Array<string> = []
            let source: TransportAddress | undefined
            socket.onReceive((payload, from) => {
              heard.push(text(payload))
              source = from
            })
            const question = bytes("one")
            socket.send(question)
            yield* until(() => heard.length === 1)
            // The same bytes may be sent again.
            socket.send(question)
            yield* until(() => heard.length === 2)
            assert.deepStrictEqual(heard, ["re: one", "re: one"])
            assert.strictEqual(source, socket.remote)
          })
        ))
    }

    test("delivers to a connected socket from its remote address only", () =>
      run(
        Effect.gen(function* () {
          const udp = yield* Udp
          const [remote, stranger] = yield* Effect.all([
            udp.bind({ host: "127.0.0.1", port: 0 }),
            udp.bind({ host: "127.0.0.1", port: 0 })
          ])
          const socket = yield* udp.connect(remote.local, { localHost: "127.0.0.1" })
          const heard: Array<string> = []
          socket.onReceive((payload) => void heard.push(text(payload)))
          stranger.send(bytes("stranger"), socket.local)
          remote.send(bytes("remote"), socket.local)
          yield* until(() => heard.length > 0)
          assert.deepStrictEqual(heard, ["remote"])
        })
      ))

    test("tells a connected socket that nobody listens at its remote address", () =>
      run(
        Effect.gen(function* () {
          const udp = yield* Udp
          const gone = yield* Effect.scoped(Effect.map(udp.bind({ host: "127.0.0.1", port: 0 }), ({ local }) => local))
          const socket = yield* udp.connect(gone)
          const codes: Array<string> = []
          socket.onError((code) => void codes.push(code))
          socket.send(bytes("anybody?"))
          yield* until(() => codes.length > 0)
          assert.deepStrictEqual(codes, ["ECONNREFUSED"])
        })
      ))

    test("refuses a port that is taken, and gives it back with the scope", () =>
      run(
        Effect.gen(function* () {
          const udp = yield* Udp
          const scope = yield* Scope.make()
          const { local } = yield* Scope.provide(udp.bind({ host: "127.0.0.1", port: 0 }), scope)
          const error = yield* Effect.flip(udp.bind(local))
          assert.deepStrictEqual([error.operation, error.code], ["open", "EADDRINUSE"])
          assert.include(error.message, `127.0.0.1:${local.port}`)
          yield* Scope.close(scope, Exit.void)
          assert.isTrue(equals((yield* udp.bind(local)).local, local))
        })
      ))

    test("opens a connected socket on a chosen local port", () =>
      run(
        Effect.gen(function* () {
          const udp = yield* Udp
          const remote = yield* udp.bind({ host: "127.0.0.1", port: 0 })
          const free = yield* Effect.scoped(Effect.map(udp.bind({ host: "127.0.0.1", port: 0 }), ({ local }) => local))
          const socket = yield* udp.connect(remote.local, { localHost: free.host, localPort: free.port })
          assert.deepStrictEqual(socket.local, free)
        })
      ))

    test("ignores what is sent after the scope has closed", () =>
      run(
        Effect.gen(function* () {
          const udp = yield* Udp
          const remote = yield* udp.bind({ host: "127.0.0.1", port: 0 })
          const heard: Array<string> = []
          remote.onReceive((payload) => void heard.push(text(payload)))
          const scope = yield* Scope.make()
          const [socket, endpoint] = yield* Effect.all([
            udp.connect(remote.local),
            udp.bind({ host: "127.0.0.1", port: 0 })
          ]).pipe(Scope.provide(scope))
          yield* Scope.close(scope, Exit.void)
          socket.send(bytes("late"))
          endpoint.send(bytes("late"), remote.local)
          const other = yield* udp.connect(remote.local)
          other.send(bytes("in time"))
          yield* until(() => heard.length > 0)
          assert.deepStrictEqual(heard, ["in time"])
        })
      ))

    test("survives an endpoint's datagram to what is no port", () =>
      run(
        Effect.gen(function* () {
          const udp = yield* Udp
          const endpoint = yield* udp.bind({ host: "127.0.0.1", port: 0 })
          for (const port of [0, -1, 65_536, Number.NaN]) endpoint.send(bytes("nowhere"), { host: "127.0.0.1", port })
        })
      ))

    test("opens no socket with or to what is no port", () =>
      run(
        Effect.gen(function* () {
          const udp = yield* Udp
          const opening: ReadonlyArray<Effect.Effect<unknown, UdpError, Scope.Scope>> = [
            udp.connect({ host: "127.0.0.1", port: 0 }),
            udp.connect({ host: "127.0.0.1", port: 65_536 }),
            udp.connect({ host: "127.0.0.1", port: 9 }, { localPort: 65_536 }),
            udp.bind({ host: "127.0.0.1", port: 65_536 })
          ]
          for (const socket of opening) {
            const error = yield* Effect.flip(Effect.asVoid(socket))
            assert.deepStrictEqual([error.operation, error.code], ["open", "EINVAL"])
          }
        })
      ))

    test("resolves an IP literal to its one spelling, and no name that does not exist", () =>
      run(
        Effect.gen(function* () {
          const udp = yield* Udp
          assert.deepStrictEqual(yield* udp.resolve("2001:DB8:0::1"), ["2001:db8::1"])
          const error = yield* Effect.flip(udp.resolve("nowhere.invalid"))
          assert.deepStrictEqual([error.operation, error.target], ["resolve", "nowhere.invalid"])
        })
      ))

    test("fails for an address that is no IP literal", () =>
      run(
        Effect.gen(function* () {
          const udp = yield* Udp
          const error = yield* Effect.flip(udp.connect({ host: "localhost", port: 9 }))
          assert.strictEqual(error.code, "EINVAL")
        })
      ))
  })
}
