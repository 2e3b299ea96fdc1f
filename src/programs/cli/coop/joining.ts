/**
 * `icn-node coop invite|join`: a text for whoever is to join, and joining with it.
 */
import { Effect, Option, Result, Stream } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { scopeOf } from "../../../domain/addressScope.ts"
import type { CoopInvite as InviteContent } from "../../../domain/coopInvite.ts"
import { parseInvite } from "../../../protocol/coopInvite.ts"
import type { CoopInfo, CoopInvite, CoopJoinEvent } from "../../rpc/coopApi.ts"
import { workWithNode } from "../../rpc/client.ts"
import { configFlag, dataDirectory, dataDirFlag } from "../dataDir.ts"
import { failing } from "../failing.ts"
import { CommandFailed, exitCodes, json, print } from "../output.ts"
import { progressPainter } from "../progress.ts"

const unitMillis = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const

const parseDuration = (text: string): number | undefined => {
  const [, count, unit] = /^(\d{1,6})([mhd])$/.exec(text) ?? []
  return unit === "m" || unit === "h" || unit === "d" ? Number(count) * unitMillis[unit] : undefined
}

const ttl = Flag.String("ttl").pipe(
  Flag.withMetavar("duration"),
  Flag.withDescription('How long it can be used, such as "30m", "12h" or "7d"; 7 days unless given'),
  Flag.filterMap(
    (text) => Option.fromUndefinedOr(parseDuration(text)),
    () => 'minutes, hours or days, such as "30m", "12h" or "7d"'
  ),
  Flag.optional
)

const uses = Flag.Int("uses").pipe(Flag.withDescription("How many may join with it; 1 unless given"), Flag.optional)

/** How far the addresses in an invitation reach, where that is not far. */
const reachNote = (invite: string): string | undefined => {
  const { addresses = [] } = Result.getOrElse(parseInvite(invite), (): Partial<InviteContent> => ({}))
  if (addresses.some(({ host }) => scopeOf(host) === "public")) return undefined
  const where = addresses.some(({ host }) => scopeOf(host) === "private")
    ? "of this local network"
    : addresses.length > 0
      ? "of this machine"
      : undefined
  return where === undefined
    ? "it has no address of this node: who joins has to find it over a bootstrap peer of both"
    : `its addresses are ${where}: from elsewhere, who joins has to find this node over a bootstrap peer of both`
}

/** An ISO 8601 time as people write it. */
const minuteText = (iso: string): string => `${iso.slice(0, 16).replace("T", " ")} UTC`

const inviteText = ({ expiresAt, invite, uses }: CoopInvite): string =>
  [
    invite,
    "",
    `good for ${uses === 1 ? "one member" : `${uses} members`} until ${minuteText(expiresAt)}; ` +
      "whoever has this text can join with",
    "  icn-node coop join INVITE",
    ...Option.toArray(Option.fromUndefinedOr(reachNote(invite)))
  ].join("\n")

export const invite = Command.make(
  "invite",
  { ttl, uses, config: configFlag, dataDir: dataDirFlag, json },
  Effect.fnUntraced(function* ({ config, dataDir, json, ttl, uses }) {
    const directory = yield* dataDirectory({ config, dataDir })
    const request = { ttlMillis: Option.getOrNull(ttl), uses: Option.getOrNull(uses) }
    const answer = yield* workWithNode(directory, (client) => client.CoopInvite(request)).pipe(failing(json))
    yield* print(json, answer, () => inviteText(answer))
  })
).pipe(
  Command.withDescription("Make a text with which others can join the cooperative; by one of its stewards"),
  Command.withExamples([
    { command: "icn-node coop invite", description: "For one member, within 7 days" },
    { command: "icn-node coop invite --uses 20 --ttl 12h", description: "For a meeting" }
  ])
)

const invitation = Argument.String("invite").pipe(
  Argument.withDescription("The text that begins with icn-coop:, of who invites")
)

const joinText = ({ coop, currencies, name }: CoopInfo): string =>
  [`joined ${name}`, `id ${coop}`, `currencies ${currencies.map(({ symbol }) => symbol).join(", ")}`].join("\n")

const lineOf = (event: CoopJoinEvent): string | undefined => {
  switch (event._tag) {
    case "Connecting":
      return `connecting to ${event.inviter}`
    case "Asking":
      return `asking ${event.inviter}`
    case "Storing":
      return "storing the ledger"
    case "Joined":
      return undefined
  }
}

export const join = Command.make(
  "join",
  { invite: invitation, config: configFlag, dataDir: dataDirFlag, json },
  Effect.fnUntraced(function* ({ config, dataDir, invite, json }) {
    const directory = yield* dataDirectory({ config, dataDir })
    const painter = yield* progressPainter
    const tell = (event: CoopJoinEvent): Effect.Effect<void> => {
      const line = lineOf(event)
      return line === undefined ? painter.wipe : painter.line(line)
    }
    const last = yield* workWithNode(directory, (client) =>
      client.CoopJoin({ invite }).pipe(Stream.tap(tell), Stream.runLast)
    ).pipe(
      Effect.tapCause(() => painter.wipe),
      failing(json)
    )
    if (Option.isNone(last) || last.value._tag !== "Joined") {
      const text = "the node ended without a result"
      return yield* failing(json)(Effect.fail(new CommandFailed({ text, exitCode: exitCodes.failed })))
    }
    const { info } = last.value
    yield* print(json, { ok: true, ...info }, () => joinText(info))
  }, Effect.scoped)
).pipe(
  Command.withDescription("Join a cooperative with an invitation, in place of one that is not in use yet"),
  Command.withExamples([{ command: "icn-node coop join icn-coop:AQE…", description: "Again, if it was cut" }])
)
