import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Layer, Logger, Scope } from "effect"
import { connect, createServer, type Socket } from "node:net"
import { supervisorErrors, turnAllocations } from "../../../src/domain/metrics.ts"
import * as HealthMemory from "../../../src/layers/HealthMemory.ts"
import * as MetricsMemory from "../../../src/layers/MetricsMemory.ts"
import { type ObservabilityServerAddress, serveObservability } from "../../../src/programs/httpApi/observability.ts"
import { Health } from "../../../src/services/Health.ts"
import { Metrics } from "../../../src/services/Metrics.ts"

const layer = HealthMemory.layer.pipe(Layer.provideMerge(MetricsMemory.layer))
const serveAnywhere = serveObservability({ host: "127.0.0.1", port: 0, fallbackToFreePort: false })

const request = (url: string, method = "GET") =>
  Effect.promise(async (signal) => {
    const response = await fetch(url, { method, signal, headers: { connection: "close" } })
    return { status: response.status, type: response.headers.get("content-type"), text: await response.text() }
  })

/** A port that is taken for as long as the scope is open. */
const takenPort = Effect.acquireRelease(
  Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
    const server = createServer()
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      assert(address !== null && typeof address === "object")
      const { port } = address
      resume(Effect.succeed({ port, close: () => server.close() }))
    })
  }),
  ({ close }) => Effect.sync(close)
)

const openConnection = ({ host, port }: ObservabilityServerAddress, firstBytes: string) =>
  Effect.acquireRelease(
    Effect.callback<Socket>((resume) => {
      const socket = connect(port, host, () => {
        socket.write(firstBytes)
        resume(Effect.succeed(socket))
      })
      socket.on("error", () => undefined)
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )

/** Everything the server says on a connection until it closes it. */
const conversation = (address: ObservabilityServerAddress, text: string) =>
  Effect.flatMap(openConnection(address, text), (socket) =>
    Effect.callback<string>((resume) => {
      let received = ""
      socket.setEncoding("latin1").on("data", (chunk: string) => (received += chunk))
      socket.on("close", () => resume(Effect.succeed(received)))
    })
  )

const isOpen = (socket: Socket): boolean => !socket.destroyed && !socket.readableEnded && !socket.closed

describe("the observability server", () => {
  it.live("tells the metrics as Prometheus text", () =>
    Effect.gen(function* () {
      const { url } = yield* serveAnywhere
      yield* Effect.flatMap(Metrics, (metrics) => metrics.inc(turnAllocations, {}, 3))
      const response = yield* request(`${url}/metrics`)
      assert.strictEqual(response.status, 200)
      assert.strictEqual(response.type, "text/plain; version=0.0.4; charset=utf-8")
      assert.include(response.text, "icn_turn_allocations_total 3\n")
    }).pipe(Effect.provide(layer))
  )

  it.live("is healthy with degraded parts, names them, and is unavailable once the node stops", () =>
    Effect.gen(function* () {
      const { url } = yield* serveAnywhere
      const health = yield* Health
      yield* health.setState("running")
      const before = yield* request(`${url}/health`)
      assert.strictEqual(before.status, 200)
      assert.deepStrictEqual(JSON.parse(before.text), { status: "ok", state: "running", parts: {} })
      yield* health.setPart("turn", { status: "degraded", detail: "no answer" })
      const degraded = yield* request(`${url}/health`)
      assert.strictEqual(degraded.status, 200)
      assert.deepStrictEqual(JSON.parse(degraded.text), {
        status: "degraded",
        state: "running",
        parts: { turn: { status: "degraded", detail: "no answer" } }
      })
      yield* health.setState("stopping")
      assert.strictEqual((yield* request(`${url}/health`)).status, 503)
    }).pipe(Effect.provide(layer))
  )

  it.live("is ready while the node runs, and only then", () =>
    Effect.gen(function* () {
      const { url } = yield* serveAnywhere
      const health = yield* Health
      const statuses: Array<number> = []
      for (const state of ["starting", "running", "stopping"] as const) {
        yield* health.setState(state)
        const response = yield* request(`${url}/ready`)
        assert.deepStrictEqual(JSON.parse(response.text), { ready: state === "running", state })
        statuses.push(response.status)
      }
      assert.deepStrictEqual(statuses, [503, 200, 503])
    }).pipe(Effect.provide(layer))
  )

  it.live("answers HEAD without a body, and anything unknown with a plain 404", () =>
    Effect.gen(function* () {
      const { url } = yield* serveAnywhere
      const head = yield* request(`${url}/metrics`, "HEAD")
      assert.strictEqual(head.status, 200)
      assert.strictEqual(head.text, "")
      for (const [method, path] of [
        ["GET", "/"],
        ["GET", "/metrics/more"],
        ["GET", "/%zz?x=%"],
        ["GET", `/${"x".repeat(4_000)}`],
        ["HEAD", "/nothing"]
      ] as const) {
        const response = yield* request(url + path, method)
        assert.strictEqual(response.status, 404, `${method} ${path}`)
        assert.include(response.type, "text/plain")
      }
    }).pipe(Effect.provide(layer))
  )

  it.live("refuses every other method, and says which there are", () =>
    Effect.gen(function* () {
      const address = yield* serveAnywhere
      for (const line of ["POST /metrics", "DELETE /health", "OPTIONS /nothing"]) {
        const answer = yield* conversation(address, `${line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`)
        assert.match(answer, /^HTTP\/1\.1 405 /, line)
        assert.match(answer, /^allow: GET, HEAD\r$/m, line)
      }
    }).pipe(Effect.provide(layer))
  )

  it.live("answers 16 requests on a connection, and cuts off who goes on without reading", () =>
    Effect.gen(function* () {
      const address = yield* serveAnywhere
      const request = "GET /ready HTTP/1.1\r\nhost: x\r\n\r\n"
      const last = request.replace("host", "connection: close\r\nhost")
      const answersTo = (text: string) =>
        Effect.map(conversation(address, text), (answer) => answer.match(/HTTP\/1\.1 503 /g)?.length ?? 0)
      assert.strictEqual(yield* answersTo(request.repeat(15) + last), 16)
      assert.isAtMost(yield* answersTo(request.repeat(1_000)), 16)
    }).pipe(Effect.provide(layer), Effect.timeout("5 seconds"))
  )

  it.live("answers what is not HTTP with 400 and headers without end with 431, and goes on", () =>
    Effect.gen(function* () {
      const address = yield* serveAnywhere
      assert.match(yield* conversation(address, "\u0000\u0001 nonsense\r\n\r\n"), /^HTTP\/1\.1 400 /)
      const huge = `GET /metrics HTTP/1.1\r\nhost: x\r\nx: ${"x".repeat(20_000)}\r\n\r\n`
      assert.match(yield* conversation(address, huge), /^HTTP\/1\.1 431 /)
      assert.strictEqual((yield* request(`${address.url}/metrics`)).status, 200)
    }).pipe(Effect.provide(layer))
  )

  it.live("reports a page that fails, without telling the client why", () =>
    Effect.gen(function* () {
      const metrics = yield* Metrics
      const broken = { ...metrics, exposition: Effect.die(new Error("secret detail")) }
      const { url } = yield* serveAnywhere.pipe(
        Effect.provideService(Metrics, broken),
        Effect.provide(Logger.layer([]))
      )
      const response = yield* request(`${url}/metrics`)
      assert.strictEqual(response.status, 500)
      assert.notInclude(response.text, "secret")
      assert.strictEqual(yield* metrics.value(supervisorErrors, { operation: "metrics_server" }), 1)
    }).pipe(Effect.provide(layer))
  )

  it.live("takes a free port instead of one that nobody chose and that is taken", () =>
    Effect.gen(function* () {
      const { port } = yield* takenPort
      const address = yield* serveObservability({ host: "127.0.0.1", port, fallbackToFreePort: true })
      assert.notStrictEqual(address.port, port)
      assert.strictEqual(address.url, `http://127.0.0.1:${address.port}`)
      assert.strictEqual((yield* request(`${address.url}/metrics`)).status, 200)
    }).pipe(Effect.provide(layer))
  )

  it.live("fails on a configured port that is taken, with a message that says what to do", () =>
    Effect.gen(function* () {
      const { port } = yield* takenPort
      const error = yield* Effect.flip(serveObservability({ host: "127.0.0.1", port, fallbackToFreePort: false }))
      assert.deepInclude(error, { _tag: "MetricsServerError", host: "127.0.0.1", port, code: "EADDRINUSE" })
      assert.include(error.message, "observability.metrics_port")
    }).pipe(Effect.provide(layer))
  )

  it.live("fails on an address that is not this machine's, even where it may fall back", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(serveObservability({ host: "192.0.2.1", port: 0, fallbackToFreePort: true }))
      assert.strictEqual(error.code, "EADDRNOTAVAIL")
    }).pipe(Effect.provide(layer))
  )

  it.live("stops within a second although a client holds half a request, and leaves neither it nor the port", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const address = yield* serveAnywhere.pipe(Scope.provide(scope))
      const socket = yield* openConnection(address, "GET /metrics HTTP/1.1\r\nhost: x\r\n")
      socket.resume()
      yield* request(`${address.url}/metrics`)
      const before = yield* Clock.currentTimeMillis
      yield* Scope.close(scope, Exit.void)
      yield* Effect.repeat(Effect.sync(() => isOpen(socket)).pipe(Effect.delay("10 millis")), {
        until: (open) => !open
      })
      assert.isBelow((yield* Clock.currentTimeMillis) - before, 2_000)
      const again = { host: address.host, port: address.port, fallbackToFreePort: false }
      assert.strictEqual((yield* serveObservability(again)).port, address.port)
    }).pipe(Effect.provide(layer))
  )

  it.live("gives up on half a request after some seconds", () =>
    Effect.gen(function* () {
      const address = yield* serveAnywhere
      assert.match(yield* conversation(address, "GET /metrics HTTP/1.1\r\nhost:"), /^HTTP\/1\.1 408 /)
    }).pipe(Effect.provide(layer), Effect.timeout("15 seconds"))
  )

  it.live("bounds the number of connections", () =>
    Effect.gen(function* () {
      const address = yield* serveAnywhere
      const sockets = yield* Effect.forEach(Array.from({ length: 40 }), () => openConnection(address, ""))
      for (const socket of sockets) socket.resume()
      yield* Effect.sync(() => sockets.filter(isOpen).length).pipe(
        Effect.delay("20 millis"),
        Effect.repeat({ until: (open) => open <= 32 })
      )
      assert.isAtLeast(sockets.filter(isOpen).length, 1)
    }).pipe(Effect.provide(layer), Effect.timeout("15 seconds"))
  )
})
