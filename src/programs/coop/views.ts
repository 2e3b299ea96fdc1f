/** The cooperative and its members as commands tell of them: accounts as DIDs, times as text. */
import { accountDid } from "../../domain/ledgerView.ts"
import type { CooperativeMember } from "../../services/Cooperative.ts"
import type { CooperativeInfo } from "../../services/Ledger.ts"
import type { CoopInfo, CoopMember } from "../rpc/coopApi.ts"
import { isoTime } from "../rpc/isoTime.ts"

export const infoOf = ({ currencies, id, implicit, name, stewards }: CooperativeInfo): CoopInfo => ({
  coop: id,
  name,
  currencies,
  stewards: stewards.map(accountDid),
  implicit
})

export const memberOf = ({ did, excluded, sinceMillis, steward }: CooperativeMember): CoopMember => ({
  did: did.text,
  steward,
  excluded,
  since: isoTime(sinceMillis)
})
