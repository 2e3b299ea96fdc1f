import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { parseOtlpEndpoint } from "../../src/domain/otlpEndpoint.ts"

describe("parseOtlpEndpoint", () => {
  it.each([
    ["http://localhost:4318", "http://localhost:4318"],
    ["http://localhost:4318/", "http://localhost:4318"],
    ["HTTPS://Collector.example/otlp/", "https://collector.example/otlp"],
    ["http://[::1]:4318", "http://[::1]:4318"]
  ])("reads %s without its final slash", (text, url) => {
    assert.deepStrictEqual(parseOtlpEndpoint(text), Result.succeed(url))
  })

  it.each([
    "",
    "localhost:4318",
    "grpc://localhost:4317",
    "file:///etc/passwd",
    "http:localhost",
    "http://",
    "http://user:secret@collector.example",
    "http://@collector.example",
    "http://collector.example?token=secret",
    "http://collector.example/#x",
    "http://collector.example:99999",
    " http://collector.example",
    "http://collector.example/v1/traces"
  ])("refuses %s", (text) => {
    const why = Result.getOrThrow(Result.flip(parseOtlpEndpoint(text)))
    assert.isNotEmpty(why)
    assert.notInclude(why, "secret")
  })
})
