/**
 * `icn-node coop`: founding a cooperative, inviting others to it, joining one, and who belongs to it. Its subcommands
 * are in cli/coop/; they work with the running node of a data directory.
 */
import { Command } from "effect/cli"
import { create } from "./coop/create.ts"
import { invite, join } from "./coop/joining.ts"
import { exclude, leave, members } from "./coop/members.ts"

export const coop = Command.make("coop").pipe(
  Command.withDescription("Found or join the cooperative whose members share a ledger, and see who belongs to it"),
  Command.withSubcommands([create, invite, join, members, leave, exclude])
)
