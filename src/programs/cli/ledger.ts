/**
 * `icn-node ledger`: mutual credit between the members of a cooperative. Its subcommands are in cli/ledger/; they work
 * with the running node of a data directory, and those that only look also without one.
 */
import { Command } from "effect/cli"
import { recompute, verify } from "./ledger/audit.ts"
import { balance } from "./ledger/balance.ts"
import { exportCommand } from "./ledger/export.ts"
import { history } from "./ledger/history.ts"
import { limits } from "./ledger/limits.ts"
import { hold, pay, post, reverse, voidHold } from "./ledger/payments.ts"
import { quarantine } from "./ledger/quarantine.ts"
import { sync } from "./ledger/sync.ts"

export const ledger = Command.make("ledger").pipe(
  Command.withDescription("Pay and be paid in mutual credit: balances, history, limits, and how the books are"),
  Command.withSubcommands([
    balance,
    history,
    pay,
    hold,
    post,
    voidHold,
    reverse,
    limits,
    verify,
    recompute,
    exportCommand,
    quarantine,
    sync
  ])
)
