/**
 * Asks the members who are there how long this member's own chain is, before the first entry is written: an old copy of
 * the data directory, or a second node with the same key, would fork the chain otherwise. Writing may begin
 *
 * - at once where the cooperative has no other member,
 * - when everybody with a session has answered, or cannot, and at least one has,
 * - or after ten seconds, when nobody can be asked.
 *
 * If somebody shows a longer chain, the ledger writes nothing until this node has caught up with it.
 */
import { Clock, Effect, FiberSet } from "effect"
import type { EntryId } from "../../domain/ledgerEntry.ts"
import { Cooperative } from "../../services/Cooperative.ts"
import { Ledger } from "../../services/Ledger.ts"
import { SessionManager } from "../../services/SessionManager.ts"
import { askOwnChain } from "./ask.ts"

/** How long a node that can reach nobody waits before it writes: as long as sessions take to come up. */
export const ownChainMillisMax = 10_000
/** How often it looks who is there. */
const lookMillis = 100
/** Members asked; more would not know more. */
const askedMax = 32

type Answer = "asking" | "answered" | "failed"

export const ownChainCheck = Effect.fn("LedgerSync.ownChainCheck")(function* (coop: EntryId) {
  const ledger = yield* Ledger
  const sessions = yield* SessionManager
  const cooperative = yield* Cooperative
  const members = yield* ledger.members
  if (members.every(({ account }) => account === ledger.account)) return yield* ledger.ownChainChecked
  const fibers = yield* FiberSet.make<void>()
  const asked = new Map<string, Answer>()
  const untilMillis = (yield* Clock.currentTimeMillis) + ownChainMillisMax
  while ((yield* Clock.currentTimeMillis) < untilMillis) {
    for (const { did } of yield* sessions.sessions) {
      if (asked.has(did.text) || asked.size >= askedMax || !(yield* cooperative.isAdmitted(did))) continue
      asked.set(did.text, "asking")
      const ask = Effect.match(askOwnChain(coop, did), {
        onSuccess: () => void asked.set(did.text, "answered"),
        // Told by the exchange that follows, if it fails too.
        onFailure: () => void asked.set(did.text, "failed")
      })
      yield* FiberSet.run(fibers, ask)
    }
    const answers = new Set(asked.values())
    if (answers.has("answered") && !answers.has("asking")) break
    yield* Effect.sleep(lookMillis)
  }
  yield* ledger.ownChainChecked
}, Effect.scoped)
