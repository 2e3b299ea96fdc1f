import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Layer, Logger, Schema, Scope } from "effect"
import { execFile } from "node:child_process"
import { createServer, type RequestListener } from "node:http"
import { supervisorErrors } from "../../src/domain/metrics.ts"
import { version } from "../../src/domain/version.ts"
import * as MetricsMemory from "../../src/layers/MetricsMemory.ts"
import * as TracingOtlp from "../../src/layers/TracingOtlp.ts"
import { Metrics } from "../../src/services/Metrics.ts"

const Attribute = Schema.Struct({
  key: Schema.String,
  value: Schema.Struct({ stringValue: Schema.optional(Schema.String) })
})
const Traces = Schema.fromJsonString(
  Schema.Struct({
    resourceSpans: Schema.Array(
      Schema.Struct({
        resource: Schema.Struct({ attributes: Schema.Array(Attribute) }),
        scopeSpans: Schema.Array(Schema.Struct({ spans: Schema.Array(Schema.Struct({ name: Schema.String })) }))
      })
    )
  })
)

interface Posted {
  readonly path: string | undefined
  readonly body: string
}

const httpServer = (listener: RequestListener) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly endpoint: string; readonly close: () => void }>((resume) => {
      const server = createServer(listener)
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        assert(address !== null && typeof address === "object")
        const close = () => {
          server.close()
          server.closeAllConnections()
        }
        resume(Effect.succeed({ endpoint: `http://127.0.0.1:${address.port}`, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

/** A collector that keeps what it was sent and answers with `status()`. */
const makeCollector = Effect.fnUntraced(function* (status: () => number = () => 200) {
  const posted: Array<Posted> = []
  const { endpoint } = yield* httpServer((request, response) => {
    let body = ""
    request.setEncoding("utf8").on("data", (chunk: string) => (body += chunk))
    request.on("end", () => {
      posted.push({ path: request.url, body })
      response.writeHead(status(), { "content-type": "application/json" }).end("{}")
    })
  })
  return { endpoint, posted }
})

const optionsFor = (otlpEndpoint: string): TracingOtlp.TracingOptions => ({
  enabled: true,
  otlpEndpoint,
  samplingRate: 1,
  serviceName: "a-node"
})

/** Makes the spans `outer` and `inner`. */
const work = Effect.void.pipe(Effect.withSpan("inner"), Effect.withSpan("outer"))

const errors = Effect.flatMap(Metrics, (metrics) => metrics.value(supervisorErrors, { operation: "tracing" }))

const elapsedMillis = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>) {
  const before = yield* Clock.currentTimeMillis
  yield* effect
  return (yield* Clock.currentTimeMillis) - before
})

const quiet = Layer.merge(MetricsMemory.layer, Logger.layer([]))

const Urls = Schema.fromJsonString(Schema.Array(Schema.String))

/** The OpenTelemetry modules that a process loads with tracing on or off. */
const loadedModules = (tracing: "on" | "off") =>
  Effect.callback<string>((resume) => {
    const fixture = new URL("../fixtures/modulesOfTracing.ts", import.meta.url).pathname
    execFile(process.execPath, [fixture, tracing], (error, stdout) =>
      resume(error === null ? Effect.succeed(stdout) : Effect.die(error))
    )
  }).pipe(Effect.flatMap(Schema.decodeUnknownEffect(Urls)))

describe("TracingOtlp", () => {
  it.live("sends the spans that are left to /v1/traces when it closes, under the service's name and version", () =>
    Effect.gen(function* () {
      const { endpoint, posted } = yield* makeCollector()
      yield* work.pipe(Effect.provide(TracingOtlp.layer(optionsFor(`${endpoint}/`))))
      assert.deepStrictEqual(
        posted.map(({ path }) => path),
        ["/v1/traces"]
      )
      const { resourceSpans } = yield* Schema.decodeUnknownEffect(Traces)(posted[0]?.body)
      const attributes = new Map(
        resourceSpans[0]?.resource.attributes.map(({ key, value }) => [key, value.stringValue])
      )
      assert.strictEqual(attributes.get("service.name"), "a-node")
      assert.strictEqual(attributes.get("service.version"), version)
      const names = resourceSpans.flatMap(({ scopeSpans }) =>
        scopeSpans.flatMap(({ spans }) => spans.map(({ name }) => name))
      )
      assert.deepStrictEqual(names.toSorted(), ["inner", "outer"])
      assert.strictEqual(yield* errors, 0)
    }).pipe(Effect.provide(quiet))
  )

  it.live("sends nothing at a sampling rate of 0", () =>
    Effect.gen(function* () {
      const { endpoint, posted } = yield* makeCollector()
      const none = { ...optionsFor(endpoint), samplingRate: 0 }
      yield* work.pipe(Effect.provide(TracingOtlp.layer(none)))
      assert.deepStrictEqual(posted, [])
    }).pipe(Effect.provide(quiet))
  )

  it.live("sends about its share of traces at a rate between", () =>
    Effect.gen(function* () {
      const { endpoint, posted } = yield* makeCollector()
      const half = { ...optionsFor(endpoint), samplingRate: 0.5 }
      const one = Effect.void.pipe(Effect.withSpan("one"))
      yield* Effect.forEach(Array.from({ length: 400 }), () => one, { discard: true }).pipe(
        Effect.provide(TracingOtlp.layer(half))
      )
      const sent = posted.flatMap(({ body }) => body.split('"name":"one"').slice(1)).length
      // Ten standard deviations around a half.
      assert.isAbove(sent, 100)
      assert.isBelow(sent, 300)
    }).pipe(Effect.provide(quiet))
  )

  it.live("counts each export that fails but logs only that they began to and that they work again", () =>
    Effect.gen(function* () {
      let status = 400
      const lines: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) => void lines.push(`${logLevel} ${String(message)}`))
      const { endpoint } = yield* makeCollector(() => status)
      yield* Effect.gen(function* () {
        const failures = (count: number) =>
          Effect.andThen(work, errors).pipe(
            Effect.delay("50 millis"),
            Effect.repeat({ until: (value) => value >= count })
          )
        yield* failures(2)
        assert.strictEqual(lines.length, 1)
        assert.match(lines[0] ?? "", /^Error cannot export traces to http:\/\/127\.0\.0\.1:\d+\/v1\/traces: /)
        status = 200
        yield* Effect.andThen(work, Effect.sleep("50 millis")).pipe(Effect.repeat({ until: () => lines.length > 1 }))
        assert.match(lines[1] ?? "", /^Info traces are exported to .* again$/)
      }).pipe(Effect.provide(TracingOtlp.layer(optionsFor(endpoint)).pipe(Layer.provide(Logger.layer([logger])))))
    }).pipe(Effect.provide(quiet), Effect.timeout("25 seconds"))
  )

  it.live("neither fails nor delays work when no collector listens, ends in time, and counts it", () =>
    Effect.gen(function* () {
      const gone = yield* Effect.scoped(makeCollector())
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(TracingOtlp.layer(optionsFor(gone.endpoint)), scope)
      assert.isBelow(yield* elapsedMillis(Effect.provide(work, context)), 500)
      assert.isBelow(yield* elapsedMillis(Scope.close(scope, Exit.void)), 3_000)
      // The SDK goes on trying for some seconds before it admits the failure.
      yield* errors.pipe(Effect.delay("100 millis"), Effect.repeat({ until: (count) => count === 1 }))
    }).pipe(Effect.provide(quiet), Effect.timeout("15 seconds"))
  )

  it.live("ends in time when the collector accepts spans and never answers", () =>
    Effect.gen(function* () {
      const { endpoint } = yield* httpServer(() => undefined)
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(TracingOtlp.layer(optionsFor(endpoint)), scope)
      yield* Effect.provide(work, context)
      assert.isBelow(yield* elapsedMillis(Scope.close(scope, Exit.void)), 3_000)
    }).pipe(Effect.provide(quiet), Effect.timeout("15 seconds"))
  )

  it.live("loads OpenTelemetry only when tracing is on", () =>
    Effect.gen(function* () {
      const [off, on] = yield* Effect.all([loadedModules("off"), loadedModules("on")])
      assert.deepStrictEqual(off, [])
      assert.isTrue(on.some((url) => url.includes("@opentelemetry/sdk-trace-base")))
    })
  )
})
