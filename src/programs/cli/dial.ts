/**
 * `icn-node dial`: opens a session with a member and tells by which path. An address on the command line is remembered
 * like one of the configuration, for as long as the node runs.
 */
import { Effect, Option, Result } from "effect"
import { Argument, Command } from "effect/cli"
import { Did } from "../../domain/did.ts"
import * as PeerAddress from "../../domain/peerAddress.ts"
import { workWithNode } from "../rpc/client.ts"
import { configFlag, dataDirectory, dataDirFlag } from "./dataDir.ts"
import { failing } from "./failing.ts"
import { pathText } from "./member.ts"
import { json, print } from "./output.ts"

interface Target {
  readonly did: Did
  readonly address: PeerAddress.PeerAddress | null
}

/** What begins as an address is read as one, so that its own explanation is told. */
const parseTarget = (text: string): Result.Result<Target, string> =>
  /^(?:icn:\/\/|\/)/i.test(text)
    ? PeerAddress.parse(text)
    : Result.mapBoth(Did.parse(text), {
        onSuccess: (did) => ({ did, address: null }),
        onFailure: ({ message }) => `${message}; or name an address: ${PeerAddress.allowed}`
      })

const explained = (text: string): string =>
  Result.match(parseTarget(text), { onSuccess: () => text, onFailure: String })

const target = Argument.String("member").pipe(
  Argument.withDescription("A DID, or where it is: icn://DID@host:port or a multiaddr"),
  Argument.filterMap((text) => Option.fromNullishOr(Result.getOrUndefined(parseTarget(text))), explained)
)

export const dial = Command.make(
  "dial",
  { member: target, config: configFlag, dataDir: dataDirFlag, json },
  Effect.fnUntraced(function* ({ config, dataDir, json, member }) {
    const directory = yield* dataDirectory({ config, dataDir })
    const answer = yield* workWithNode(directory, (client) => client.Dial(member)).pipe(failing(json))
    yield* print(
      json,
      { ok: true, ...answer },
      () => `connected to ${answer.did}\n${pathText(answer.path)}, after ${answer.seconds.toFixed(3)} s`
    )
  })
).pipe(
  Command.withDescription("Open a session with a member and tell by which path"),
  Command.withExamples([
    { command: "icn-node dial did:key:z6Mk…", description: "A member that is known" },
    { command: "icn-node dial icn://did:key:z6Mk…@198.51.100.7:7777", description: "A member at an address" }
  ])
)
