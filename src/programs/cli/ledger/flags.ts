/**
 * The flags and arguments that the commands on the ledger share.
 */
import { Effect, Option, Result } from "effect"
import { Argument, Flag } from "effect/cli"
import { Did } from "../../../domain/did.ts"
import { memoBytesMax } from "../../../domain/ledgerLimits.ts"
import { configFlag, dataDirFlag } from "../dataDir.ts"
import { didArgument } from "../member.ts"
import { CommandFailed, exitCodes, json } from "../output.ts"

/** Which node, and how to tell. */
export const nodeFlags = { config: configFlag, dataDir: dataDirFlag, json }

export const optionalDid = didArgument.pipe(
  Argument.withDescription("The member, as did:key:z6Mk…; this node's own unless given"),
  Argument.optional
)

export const to = Flag.String("to").pipe(
  Flag.withMetavar("did"),
  Flag.withDescription("Who gets it, as did:key:z6Mk…"),
  Flag.filterMap(
    (text) => Option.fromNullishOr(Result.getOrUndefined(Did.parse(text))),
    (text) => Result.match(Did.parse(text), { onSuccess: () => text, onFailure: ({ message }) => message })
  )
)

export const amount = Flag.String("amount").pipe(
  Flag.withMetavar("1.50"),
  Flag.withDescription("How much, with the digits that the currency has")
)

export const currency = Flag.String("currency").pipe(
  Flag.withMetavar("symbol"),
  Flag.withDescription("The currency; the cooperative's first one unless given"),
  Flag.optional
)

const memo = Flag.String("memo").pipe(
  Flag.withDescription(`Free text for both sides, at most ${memoBytesMax} bytes`),
  Flag.filter(
    (text) => Buffer.byteLength(text) <= memoBytesMax,
    () => `at most ${memoBytesMax} bytes`
  ),
  Flag.withDefault("")
)

/** Longer ones are somebody's mistake. */
const keyCharactersMax = 256

const idempotencyKey = Flag.String("idempotency-key").pipe(
  Flag.withMetavar("key"),
  Flag.withDescription("Any text; asking again with the same one writes at most once. A random one unless given"),
  Flag.filter(
    (text) => text.length >= 1 && text.length <= keyCharactersMax,
    () => `1 to ${keyCharactersMax} characters`
  ),
  Flag.optional
)

/** What everything that writes takes. */
export const writeFlags = { ...nodeFlags, memo, idempotencyKey }

/** The id of an entry. */
export const entryArgument = (name: string) =>
  Argument.String(name).pipe(
    Argument.withDescription('The id of the entry, 64 hex digits as "icn-node ledger history --ids" shows them'),
    Argument.map((text) => text.toLowerCase()),
    Argument.filter(
      (text) => /^[0-9a-f]{64}$/.test(text),
      (text) => `${JSON.stringify(text)} is no id of an entry: it has 64 hex digits`
    )
  )

export const everyone = Flag.Boolean("everyone").pipe(
  Flag.withDescription("Of all members, not of one"),
  Flag.withDefault(false)
)

/** About whom a command is: one member, or all of them. */
export const whose = (
  did: Option.Option<Did>,
  everyone: boolean
): Effect.Effect<{ readonly of: Did | null; readonly everyone: boolean }, CommandFailed> =>
  everyone && Option.isSome(did)
    ? Effect.fail(new CommandFailed({ text: "name a member or say --everyone, not both", exitCode: exitCodes.failed }))
    : Effect.succeed({ of: Option.getOrNull(did), everyone })
