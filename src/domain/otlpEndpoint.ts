/**
 * The base URL of an OTLP collector over HTTP, as in the OpenTelemetry exporter specification: signals are posted below
 * it. What could carry a secret, or would change the path, is refused.
 */
import { Result } from "effect"

const allowed = "expected an http or https URL without credentials, query or fragment"

/** The port of OTLP over gRPC, which this node does not speak. */
export const grpcPort = "4317"

/** Reads a base URL and drops its final slash; the failure is a sentence that says what is allowed. */
export const parseOtlpEndpoint = (text: string): Result.Result<string, string> => {
  const url = URL.parse(text)
  if (url === null || !/^https?:\/\//i.test(text) || /\s/.test(text)) return Result.fail(allowed)
  if (url.username !== "" || url.password !== "" || /[?#@]/.test(text)) return Result.fail(allowed)
  if (url.pathname.endsWith("/v1/traces")) return Result.fail("leave out /v1/traces; it is appended")
  return Result.succeed(url.href.replace(/\/+$/, ""))
}
