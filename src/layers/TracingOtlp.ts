/**
 * Traces over OTLP/HTTP through the OpenTelemetry SDK, for whoever runs a collector. The SDK is loaded only when
 * tracing is on, so nothing here imports it statically. A collector that is away costs a bounded queue of spans and a
 * counted error: spans are exported in the background and dropped when that fails.
 */
import type { SpanExporter } from "@opentelemetry/sdk-trace-base"
import { Cause, Effect, Layer, Schema } from "effect"
import { version } from "../domain/version.ts"
import { Metrics, report } from "../services/Metrics.ts"

/** The section `observability.tracing` of the configuration. */
export interface TracingOptions {
  readonly enabled: boolean
  /** Base URL of the collector, such as `http://localhost:4318`; `/v1/traces` is added. */
  readonly otlpEndpoint: string
  /** Share of new traces that are exported, 0 to 1; a trace that came from elsewhere keeps its own decision. */
  readonly samplingRate: number
  readonly serviceName: string
}

/** Spans could not be exported or tracing could not be set up; the spans concerned are lost, nothing else. */
export class TracingError extends Schema.TaggedError<TracingError>()("TracingError", {
  endpoint: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `cannot export traces to ${this.endpoint}: ${this.detail}; is a collector listening?`
  }
}

/** Spans that wait for export; more are dropped. The SDK's default, about a megabyte. */
const queueLengthMax = 2_048
const batchLengthMax = 512
/** How long spans wait to be sent together. */
const batchDelayMillis = 2_000
/** For one export with its retries. */
const exportTimeoutMillis = 5_000
/** For the last export when the node stops, so that an absent collector does not use up the shutdown's time. */
const flushTimeoutMillis = 1_500

const tracesUrl = (endpoint: string): string => `${endpoint.replace(/\/+$/, "")}/v1/traces`

/** The message, or the code of an error without one, such as the refusal of both addresses of `localhost`. */
const detailOf = (error: Error): string =>
  error.message === "" && "code" in error ? String(error.code) : error.message

/** One line in the log when exports begin to fail and one when they work again; every failure is counted. */
const makeFailureObserver = Effect.fnUntraced(function* (endpoint: string) {
  const metrics = yield* Metrics
  const run = Effect.runForkWith(yield* Effect.context())
  let failing = false
  return (error: Error | undefined): void => {
    const wasFailing = failing
    failing = error !== undefined
    if (error === undefined) {
      if (wasFailing) run(Effect.logInfo(`traces are exported to ${endpoint} again`))
    } else if (wasFailing) {
      run(metrics.errorInc("tracing"))
    } else {
      run(report("tracing", Cause.fail(new TracingError({ endpoint, detail: detailOf(error) }))))
    }
  }
})

const observed = (exporter: SpanExporter, onResult: (error: Error | undefined) => void): SpanExporter => ({
  export: (spans, callback) =>
    exporter.export(spans, (result) => {
      onResult(result.error)
      callback(result)
    }),
  shutdown: () => exporter.shutdown()
})

const loadSdk = Effect.promise(async () => {
  const [nodeSdk, { OTLPTraceExporter }, trace] = await Promise.all([
    import("@effect/opentelemetry/NodeSdk"),
    import("@opentelemetry/exporter-trace-otlp-http"),
    import("@opentelemetry/sdk-trace-base")
  ])
  return { nodeSdk, OTLPTraceExporter, ...trace }
})

const make = Effect.fnUntraced(function* ({ otlpEndpoint, samplingRate, serviceName }: TracingOptions) {
  const sdk = yield* loadSdk
  const url = tracesUrl(otlpEndpoint)
  const onResult = yield* makeFailureObserver(url)
  const exporter = new sdk.OTLPTraceExporter({ url, timeoutMillis: exportTimeoutMillis })
  return sdk.nodeSdk.layer(() => ({
    resource: { serviceName, serviceVersion: version },
    spanProcessor: new sdk.BatchSpanProcessor(observed(exporter, onResult), {
      maxQueueSize: queueLengthMax,
      maxExportBatchSize: batchLengthMax,
      scheduledDelayMillis: batchDelayMillis,
      exportTimeoutMillis
    }),
    tracerConfig: {
      sampler: new sdk.ParentBasedSampler({ root: new sdk.TraceIdRatioBasedSampler(samplingRate) })
    },
    shutdownTimeout: flushTimeoutMillis
  }))
})

/**
 * The tracer of everything that is built on this layer; without tracing it is empty. What is left in the queue is sent
 * when the layer is closed.
 */
export const layer = (options: TracingOptions): Layer.Layer<never> =>
  options.enabled
    ? Layer.unwrap(make(options)).pipe(Layer.catchCause((cause) => Layer.effectDiscard(report("tracing", cause))))
    : Layer.empty
