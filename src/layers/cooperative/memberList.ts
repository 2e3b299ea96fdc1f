/**
 * The members of a cooperative as people are shown them: who the ledger says there are, and whom the roster shuts out.
 */
import { Effect, Option } from "effect"
import { type CoopRoster, isExcluded } from "../../domain/coopRoster.ts"
import type { CooperativeMember } from "../../services/Cooperative.ts"
import type { LedgerMember } from "../../services/Ledger.ts"
import { didOf } from "./Context.ts"

/** Where dates end (ECMA-262, section 21.4.1.1); what a steward's clock says may be any integer below 2^53. */
const dateMillisMax = 8.64e15

/** Stewards first, then by time; `sinceMillis` reads when somebody became a member. */
export const memberList = Effect.fnUntraced(function* <E, R>(
  members: ReadonlyArray<LedgerMember>,
  roster: Pick<CoopRoster, "standings"> | undefined,
  sinceMillis: (member: LedgerMember) => Effect.Effect<number, E, R>
): Effect.fn.Return<ReadonlyArray<CooperativeMember>, E, R> {
  const rows: Array<CooperativeMember> = []
  for (const member of members) {
    const did = didOf(member.account)
    // Accounts that are made members are keys.
    if (Option.isNone(did)) continue
    rows.push({
      did: did.value,
      account: member.account,
      steward: member.steward,
      excluded: isExcluded(roster, member.account),
      sinceMillis: Math.min(dateMillisMax, yield* sinceMillis(member))
    })
  }
  return rows.toSorted(
    (a, b) => Number(b.steward) - Number(a.steward) || a.sinceMillis - b.sinceMillis || (a.account < b.account ? -1 : 1)
  )
})
