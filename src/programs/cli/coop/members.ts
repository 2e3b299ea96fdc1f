/**
 * `icn-node coop members|exclude|leave`: who belongs to the cooperative, and who no longer does.
 */
import { Effect, Option, Stream } from "effect"
import { Command } from "effect/cli"
import { readOffline } from "../../coop/offline.ts"
import { infoOf, memberOf } from "../../coop/views.ts"
import type { CoopInfo, CoopMember } from "../../rpc/coopApi.ts"
import { workWithNode } from "../../rpc/client.ts"
import { configFlag, dataDirectory, dataDirFlag } from "../dataDir.ts"
import { failing } from "../failing.ts"
import { didArgument } from "../member.ts"
import { json, print } from "../output.ts"

const memberText = ({ did, excluded, since, steward }: CoopMember): string =>
  `${did}\n  ${steward ? "steward" : excluded ? "excluded, member" : "member"} since ${since}`

const membersText = (info: CoopInfo | null, members: ReadonlyArray<CoopMember>): string =>
  info === null
    ? 'this node serves no cooperative yet; "icn-node coop create" or "icn-node coop join" begins with one'
    : [`${info.name} (${info.coop})`, ...members.map(memberText)].join("\n")

export const members = Command.make(
  "members",
  { config: configFlag, dataDir: dataDirFlag, json },
  Effect.fnUntraced(function* ({ config, dataDir, json }) {
    const directory = yield* dataDirectory({ config, dataDir })
    const [info, members] = yield* workWithNode(directory, (client) =>
      Effect.all([client.CoopInfo(), Stream.runCollect(client.CoopMembers())])
    ).pipe(
      Effect.catchTag("NodeNotRunning", (notRunning) =>
        Effect.flatMap(
          readOffline(directory),
          // Without a ledger there either, the better advice is to start a node.
          Option.match({
            onNone: () => Effect.fail(notRunning),
            onSome: ({ info, members }) => Effect.succeed([infoOf(info), members.map(memberOf)] as const)
          })
        )
      ),
      failing(json)
    )
    yield* print(json, members, () => membersText(info, members))
  })
).pipe(
  Command.withDescription("Show who belongs to the cooperative"),
  Command.withExamples([{ command: "icn-node coop members --json", description: "did, steward, excluded, since" }])
)

export const exclude = Command.make(
  "exclude",
  { did: didArgument, config: configFlag, dataDir: dataDirFlag, json },
  Effect.fnUntraced(function* ({ config, dataDir, did, json }) {
    const directory = yield* dataDirectory({ config, dataDir })
    yield* workWithNode(directory, (client) => client.CoopExclude({ did })).pipe(failing(json))
    yield* print(json, { ok: true, did: did.text }, () =>
      [
        `excluded ${did.text}`,
        "the other members get a new key; what is in the ledger stays, and an invitation lets the member in again"
      ].join("\n")
    )
  })
).pipe(Command.withDescription("Shut a member out of the cooperative; by one of its stewards"))

export const leave = Command.make(
  "leave",
  { config: configFlag, dataDir: dataDirFlag, json },
  Effect.fnUntraced(function* ({ config, dataDir, json }) {
    const directory = yield* dataDirectory({ config, dataDir })
    const info = yield* workWithNode(directory, (client) =>
      Effect.tap(client.CoopInfo(), () => client.CoopLeave())
    ).pipe(failing(json))
    const name = Option.match(Option.fromNullishOr(info), { onNone: () => "", onSome: ({ name }) => name })
    yield* print(
      json,
      { ok: true, coop: info?.coop ?? null },
      () => `left ${name}; this node keeps its copy of the ledger`
    )
  })
).pipe(Command.withDescription("Leave the cooperative, by telling one of its stewards, who has to be reachable"))
