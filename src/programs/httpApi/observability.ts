/**
 * The HTTP server for whoever watches the node: `/metrics` for Prometheus, `/health` (is it alive, and which parts are
 * degraded) and `/ready` (may it be given work), all on one port. It tells what it is asked and changes nothing,
 * answers GET and HEAD only, and is bounded by the constants below: a slow or silent client costs one of few
 * connections for a few seconds.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Cause, Effect, Layer, Schema, type Scope } from "effect"
import {
  HttpMiddleware,
  HttpRouter,
  type HttpServer,
  type HttpServerError,
  HttpServerRequest,
  HttpServerResponse
} from "effect/http"
import { NetAddress } from "effect/net"
import { createServer, type Server } from "node:http"
import { systemErrorCode } from "../../domain/systemError.ts"
import { Health, type HealthReport } from "../../services/Health.ts"
import { Metrics, report } from "../../services/Metrics.ts"

/** The server cannot listen, or can no longer take connections. */
export class MetricsServerError extends Schema.TaggedError<MetricsServerError>()("MetricsServerError", {
  host: Schema.String,
  port: Schema.Int,
  /** The system's error code, such as `EADDRINUSE`. */
  code: Schema.String
}) {
  override get message() {
    const hint = this.code === "EADDRINUSE" ? "; another program uses this port, set observability.metrics_port" : ""
    return `cannot serve metrics on ${this.host} port ${this.port}: ${this.code}${hint}`
  }
}

/** Where the server should listen. */
export interface ObservabilityServerOptions {
  /** An IP address; loopback unless the operator decides otherwise. */
  readonly host: string
  /** 0 for any free port. */
  readonly port: number
  /** Whether a free port replaces one that is taken: right only for a port that nobody chose. */
  readonly fallbackToFreePort: boolean
}

/** Where the server listens. */
export interface ObservabilityServerAddress {
  readonly host: string
  readonly port: number
  /** Without a path, such as `http://127.0.0.1:9100`. */
  readonly url: string
}

/** A scraper needs one connection, a person with a browser six. */
const connectionsMax = 32
/** More are refused: a client that asks and never reads would fill the memory with answers. */
const requestsPerConnectionMax = 16
/** A request is one line and a browser's headers. */
const headerBytesMax = 8_192
/** From a request's first byte to its last. */
const requestTimeoutMillis = 5_000
/** Without a byte in either direction, for clients that do not read their answer. */
const idleTimeoutMillis = 10_000
/** How often Node looks for requests past their time. */
const timeoutCheckIntervalMillis = 1_000
/** How long answers under way may take when the node stops. */
const gracefulShutdownMillis = 500

const makeServer = (): Server => {
  const server = createServer({
    maxHeaderSize: headerBytesMax,
    headersTimeout: requestTimeoutMillis,
    requestTimeout: requestTimeoutMillis,
    connectionsCheckingInterval: timeoutCheckIntervalMillis
  })
  server.maxConnections = connectionsMax
  server.maxRequestsPerSocket = requestsPerConnectionMax
  // The last answer asks the client to close; one that goes on is cut off instead of being told so each time.
  server.on("dropRequest", (_request, socket) => socket.destroy())
  server.timeout = idleTimeoutMillis
  return server
}

/** Listens on a port until the scope closes. */
const listen = Effect.fnUntraced(function* (host: string, port: number) {
  const server = makeServer()
  const failure = (error: unknown) => new MetricsServerError({ host, port, code: systemErrorCode(error) })
  const listening = yield* NodeHttpServer.make(() => server, {
    host,
    port,
    gracefulShutdownTimeout: gracefulShutdownMillis
  }).pipe(Effect.mapError(({ cause }) => failure(cause)))
  // Runs after the graceful period: half a request would otherwise keep its connection, and with it the process.
  yield* Effect.addFinalizer(() => Effect.sync(() => server.closeAllConnections()))
  const run = Effect.runForkWith(yield* Effect.context())
  // Accepting can fail later (no file descriptors left); without a listener that would end the process.
  server.on("error", (error) => run(report("metrics_server", Cause.fail(failure(error)))))
  return listening
})

/** Alive is 200 even with degraded parts, so that nothing restarts a node because its TURN server is away. */
const healthStatusCode = (status: HealthReport["status"]): number => (status === "down" ? 503 : 200)

const noStore = { "cache-control": "no-store" }
const notFound = HttpServerResponse.text("Not found: there are /metrics, /health and /ready.\n", { status: 404 })
const notAllowed = HttpServerResponse.text("Not allowed: only GET and HEAD are.\n", {
  status: 405,
  headers: { allow: "GET, HEAD" }
})
const failed = HttpServerResponse.text("Internal error: see the log.\n", { status: 500 })

const routes = Effect.gen(function* () {
  const metrics = yield* Metrics
  const health = yield* Health
  const metricsPage = Effect.map(metrics.exposition, (text) =>
    HttpServerResponse.text(text, { contentType: "text/plain; version=0.0.4; charset=utf-8" })
  )
  const healthPage = Effect.map(health.report, (report) =>
    HttpServerResponse.jsonUnsafe(report, { headers: noStore, status: healthStatusCode(report.status) })
  )
  const readyPage = Effect.map(health.report, ({ state }) => {
    const ready = state === "running"
    return HttpServerResponse.jsonUnsafe({ ready, state }, { headers: noStore, status: ready ? 200 : 503 })
  })
  return Layer.mergeAll(
    HttpRouter.add("GET", "/metrics", metricsPage),
    HttpRouter.add("GET", "/health", healthPage),
    HttpRouter.add("GET", "/ready", readyPage)
  )
})

const unrouted = Effect.map(HttpServerRequest.HttpServerRequest, ({ method }) =>
  method === "GET" || method === "HEAD" ? notFound : notAllowed
)

/** Answers what no page answers: an unknown path, a method that would change something, and a page that failed. */
const withErrorPages = <R>(
  routed: Effect.Effect<HttpServerResponse.HttpServerResponse, HttpServerError.HttpServerError, R>
) =>
  routed.pipe(
    Effect.catchReason("HttpServerError", "RouteNotFound", () => unrouted),
    Effect.catchCauseIf(
      // A client that goes away interrupts its request; that is no error.
      (cause) => !Cause.hasInterruptsOnly(cause),
      (cause) => Effect.as(report("metrics_server", cause), failed)
    )
  )

const addressOf = ({ address }: HttpServer.HttpServer["Service"]): ObservabilityServerAddress => {
  if (NetAddress.isUnixPathAddress(address)) throw new Error("a TCP server listens on a path")
  return { host: NetAddress.formatIp(address.address), port: address.port, url: NetAddress.formatUrlUnsafe(address) }
}

/** Serves until the scope closes; tells where, since that is another port after a fallback or for port 0. */
export const serveObservability: (
  options: ObservabilityServerOptions
) => Effect.Effect<ObservabilityServerAddress, MetricsServerError, Health | Scope.Scope> = Effect.fnUntraced(
  function* ({ fallbackToFreePort, host, port }) {
    const server = yield* listen(host, port).pipe(
      Effect.catchIf(
        ({ code }) => fallbackToFreePort && code === "EADDRINUSE",
        () => listen(host, 0)
      )
    )
    const routed = yield* HttpRouter.toHttpEffect(yield* routes)
    yield* server.serve(withErrorPages(routed)).pipe(
      // Watching the node is no part of its work, so it makes no traces.
      Effect.provideService(HttpMiddleware.TracerDisabledWhen, () => true)
    )
    return addressOf(server)
  }
)
