/**
 * `icn-node turn check [URI]`: whether a TURN server works for this machine, without a node.
 */
import { Effect, Layer, Option, Result } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import * as TurnConfig from "../../domain/turnConfig.ts"
import * as TurnServer from "../../domain/turnServer.ts"
import * as TcpNode from "../../layers/TcpNode.ts"
import * as TurnUdpTcp from "../../layers/TurnUdpTcp.ts"
import * as UdpNode from "../../layers/UdpNode.ts"
import { turnConfigOf } from "../supervisor/initNetwork.ts"
import { turnCheck, type TurnCheckResult, type TurnTransportCheck } from "../turnCheck.ts"
import { configFlag, nodeConfig } from "./dataDir.ts"
import { CommandFailed, exitCodes, json, print } from "./output.ts"

/** Somebody is waiting at the terminal, so not the 39.5 s of RFC 8489. */
const checkTimeout = "8 seconds"

type Row = readonly [name: string, value: string | undefined]

const rowsOf = (check: TurnTransportCheck): ReadonlyArray<Row> => [
  [`over ${check.transport.toUpperCase()}`, check.ok ? "ok" : `failed: ${check.error ?? "unknown"}`],
  ["  relayed", check.relayedAddress],
  ["  mapped", check.mappedAddress],
  ["  lifetime", check.lifetimeSeconds === undefined ? undefined : `${check.lifetimeSeconds} s`],
  ["  round trip", check.rttMs === undefined ? undefined : `${check.rttMs.toFixed(1)} ms through the relay and back`]
]

/** What all of it means for a node. */
const verdict = ({ error, ok, transports }: TurnCheckResult): string => {
  if (!ok) return `failed${error === undefined ? "" : `: ${error}`}`
  if (transports.every((check) => check.ok)) return "ok"
  return `ok, but only over ${transports.flatMap(({ ok, transport }) => (ok ? [transport.toUpperCase()] : [])).join()}`
}

const text = (result: TurnCheckResult): string => {
  const rows: ReadonlyArray<Row> = [
    ["server", result.server],
    ...result.transports.flatMap(rowsOf),
    ["result", verdict(result)]
  ]
  return rows.flatMap(([name, value]) => (value === undefined ? [] : [`${name.padEnd(14)}${value}`])).join("\n")
}

const fail = (text: string, exitCode: number) => new CommandFailed({ text, exitCode })

/** The server of the command line, else that of the configuration; the failure is already a result. */
const configOf = Effect.fnUntraced(function* (config: Option.Option<string>, uri: Option.Option<string>) {
  if (Option.isSome(uri)) {
    return Result.mapBoth(TurnServer.parse(uri.value), {
      onSuccess: TurnConfig.make,
      onFailure: (error): TurnCheckResult => ({ server: uri.value, ok: false, transports: [], error })
    })
  }
  const configured = turnConfigOf(yield* nodeConfig({ config, dataDir: Option.none() }))
  if (configured === undefined) {
    return yield* fail("no server to check: name one, or set network.turn_server", exitCodes.failed)
  }
  return Result.succeed(configured)
})

/** Somebody is waiting, and the options of the command line come before the configuration. */
const runCheck = (
  config: TurnConfig.TurnConfig,
  credentials: Option.Option<TurnConfig.TurnCredentials>
): Effect.Effect<TurnCheckResult> => {
  const settings = config.pipe(TurnConfig.withTimeout(checkTimeout))
  return turnCheck(
    Option.match(credentials, {
      onNone: () => settings,
      onSome: ({ password, username }) => settings.pipe(TurnConfig.withCredentials(username, password))
    })
  ).pipe(Effect.provide(TurnUdpTcp.layer.pipe(Layer.provide(TcpNode.layer), Layer.provideMerge(UdpNode.layer))))
}

const check = Command.make(
  "check",
  {
    uri: Argument.String("uri").pipe(
      Argument.withDescription(
        "host:port, [v6]:port or turn: URI, where ?transport=tcp tries only that; the configured server if left out"
      ),
      Argument.optional
    ),
    username: Flag.String("username").pipe(Flag.withDescription("User name on the server"), Flag.optional),
    password: Flag.Redacted("password").pipe(
      Flag.withDescription("Password; it can be seen in the process list, so prefer the configuration"),
      Flag.optional
    ),
    config: configFlag,
    json
  },
  Effect.fnUntraced(function* ({ config, json, password, uri, username }) {
    if (Option.isSome(username) !== Option.isSome(password)) {
      return yield* fail("--username and --password go together", exitCodes.failed)
    }
    const server = yield* configOf(config, uri)
    const result = Result.isFailure(server)
      ? server.failure
      : yield* runCheck(server.success, Option.all({ username, password }))
    yield* print(json, { ...result }, () => text(result))
    if (!result.ok) return yield* new CommandFailed({ text: "", exitCode: exitCodes.failed })
  })
).pipe(
  Command.withDescription(
    "Allocate a relay over UDP and over TCP, send a packet through it and back, and say what works"
  ),
  Command.withExamples([
    { command: "icn-node turn check turn.example.org:3478 --username u --password p", description: "Try a server" }
  ])
)

export const turn = Command.make("turn").pipe(
  Command.withDescription("Work with TURN servers"),
  Command.withSubcommands([check])
)
