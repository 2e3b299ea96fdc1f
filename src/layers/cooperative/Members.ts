/**
 * Who is a member by the ledger, asked for by every session and therefore kept: the list is read again only when the
 * ledger has grown and somebody is asked for who is not in it.
 */
import { Effect, Option } from "effect"
import type { AccountId, EntryId } from "../../domain/ledgerEntry.ts"
import type { Ledger, LedgerError, LedgerMember } from "../../services/Ledger.ts"

/** Entries whose time is kept: about 150 bytes each. */
const sinceMax = 16_384

interface Known {
  readonly coop: EntryId
  readonly version: number
  readonly members: ReadonlyMap<AccountId, LedgerMember>
}

export class Members {
  readonly #ledger: Ledger["Service"]
  readonly #since = new Map<EntryId, number>()
  #known: Known | undefined

  constructor(ledger: Ledger["Service"]) {
    this.#ledger = ledger
  }

  /** Everybody, as of now. */
  all(coop: EntryId): Effect.Effect<ReadonlyArray<LedgerMember>, LedgerError> {
    return Effect.gen({ self: this }, function* () {
      // Before the members, which may be newer; what is taken for older is only read once more.
      const version = yield* this.#ledger.journalVersion
      const members = yield* this.#ledger.members
      this.#known = { coop, version, members: new Map(members.map((member) => [member.account, member])) }
      return members
    })
  }

  /** When somebody became a member, in milliseconds since the epoch by the clock of whoever signed it. */
  sinceMillis({ by }: LedgerMember): Effect.Effect<number, LedgerError> {
    const known = this.#since.get(by)
    if (known !== undefined) return Effect.succeed(known)
    return Effect.map(this.#ledger.entry(by), (found) => {
      const at = Option.isSome(found) ? found.value.entry.at : 0
      if (this.#since.size < sinceMax) this.#since.set(by, at)
      return at
    })
  }

  /** One member. A membership does not end in the ledger, unless the steward who signed it forks his chain. */
  find(coop: EntryId, account: AccountId): Effect.Effect<LedgerMember | undefined, LedgerError> {
    return Effect.gen({ self: this }, function* () {
      const known = this.#known?.coop === coop ? this.#known : undefined
      const found = known?.members.get(account)
      if (found !== undefined || known?.version === (yield* this.#ledger.journalVersion)) return found
      return (yield* this.all(coop)).find((member) => member.account === account)
    })
  }
}
