/**
 * Every key of the configuration: type, unit, default, range and one line of documentation. Decoding, `ICN_*`
 * variables, the JSON Schema, the reference page and the example file follow from this table; a new key is one entry
 * here or in nodeConfigNetwork.ts. A key exists from the day something uses it.
 */
import { Result, Schema } from "effect"
import { canonical } from "./ipAddress.ts"
import {
  boolean,
  choice,
  type Entries,
  fraction,
  integer,
  milliseconds,
  optional,
  parsed,
  path,
  seconds,
  secret,
  secretFile,
  section,
  text
} from "./nodeConfigKey.ts"
import { cooperative } from "./nodeConfigCooperative.ts"
import { network, rateLimiting } from "./nodeConfigNetwork.ts"
import { parseOtlpEndpoint } from "./otlpEndpoint.ts"

/** From most to least talkative. */
export const logLevels = ["trace", "debug", "info", "warn", "error"] as const
/** How log lines look. */
export const logFormats = ["auto", "json", "pretty"] as const

const identity = section("The node's key pair, kept in the data directory.", {
  keystore_passphrase: optional(
    secret({
      doc: "Encrypts the key file; better given by the variable or by keystore_passphrase_file than in this file.",
      example: "a long random passphrase",
      variable: "ICN_KEYSTORE_PASSPHRASE"
    })
  ),
  keystore_passphrase_file: optional(
    secretFile({ doc: "A file whose one line is keystore_passphrase.", example: "/run/secrets/keystore_passphrase" })
  )
})

const tracing = section("Traces over OTLP; nothing is loaded or sent unless enabled.", {
  enabled: boolean({ doc: "Whether spans are exported.", default: false }),
  otlp_endpoint: parsed({
    doc: "Base URL of an OTLP/HTTP collector; /v1/traces is appended.",
    allowed: 'an http or https URL without credentials, query or fragment, such as "http://localhost:4318"',
    default: "http://localhost:4318",
    schema: Schema.String,
    parse: parseOtlpEndpoint,
    format: (url) => url
  }),
  sampling_rate: fraction({ doc: "Share of traces that is exported.", default: 0.1, minimum: 0, maximum: 1 }),
  service_name: text({ doc: "Name under which this node's traces appear.", default: "icn-node", bytesMax: 255 })
})

const observability = section("Metrics, health and logs.", {
  metrics_port: integer({
    doc: "TCP port of /metrics, /health and /ready; 0 takes a free one. If unset and taken, a free one as well.",
    default: 9100,
    minimum: 0,
    maximum: 65_535
  }),
  metrics_bind: parsed({
    doc: "IP address on which /metrics, /health and /ready are served.",
    allowed: 'an IP address without port or brackets, such as "127.0.0.1" or "::1"',
    default: "127.0.0.1",
    schema: Schema.String,
    parse: (address) => Result.fromNullishOr(canonical(address), () => 'expected an IP address such as "127.0.0.1"'),
    format: (address) => address
  }),
  log_level: choice(logLevels, { doc: "The least severe messages that are logged.", default: "info" }),
  log_format: choice(logFormats, {
    doc: 'Logs as lines for people or as JSON; "auto" is pretty on a terminal and JSON elsewhere.',
    default: "auto"
  }),
  tracing
})

const supervisor = section("Start, stop, restart and regular work of the node's parts.", {
  metrics_update_interval_secs: seconds({
    doc: "How often process and subsystem figures are updated.",
    default: 10,
    minimum: 1,
    maximum: 3600
  }),
  shutdown_timeout_secs: seconds({
    doc: "How long an orderly stop may take before it is forced.",
    default: 5,
    minimum: 1,
    maximum: 600
  }),
  restart_initial_delay_ms: milliseconds({
    doc: "Wait before a crashed part is restarted; doubles with each crash in a row.",
    default: 100,
    minimum: 1,
    maximum: 60_000
  }),
  restart_max_delay_secs: seconds({
    doc: "The longest wait before a crashed part is restarted.",
    default: 30,
    minimum: 1,
    maximum: 3600
  }),
  restart_limit: integer({
    doc: "Restarts within the window beyond which a part counts as degraded.",
    default: 5,
    minimum: 1,
    maximum: 1000
  }),
  restart_window_secs: seconds({
    doc: "The window in which restarts are counted.",
    default: 60,
    minimum: 1,
    maximum: 86_400
  }),
  candidate_cleanup_interval_secs: seconds({
    doc: "How often addresses of other members that have expired are removed.",
    default: 300,
    minimum: 1,
    maximum: 86_400
  }),
  peer_exchange_delay_ms: milliseconds({
    doc: "Wait before a newly connected member is asked for the members that it knows.",
    default: 500,
    minimum: 0,
    maximum: 60_000
  }),
  peer_exchange_max_peers: integer({
    doc: "Members told of in one peer exchange, by either side; 0 turns the exchange off.",
    unit: "members",
    default: 50,
    minimum: 0,
    maximum: 1000
  })
})

/** The whole file; names are those of icn.toml. */
export const table = {
  data_dir: path({
    doc: "Where the node keeps its identity and its data; made with mode 0700 when missing.",
    computedDefault:
      "`$XDG_DATA_HOME/icn-node`, else `~/.local/share/icn-node`; " +
      "on macOS `~/Library/Application Support/icn-node`",
    example: "/var/lib/icn-node"
  }),
  network,
  rate_limiting: rateLimiting,
  identity,
  cooperative,
  observability,
  supervisor
} satisfies Entries
