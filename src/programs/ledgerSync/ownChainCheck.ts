/**
 * Asks the members who are there how long this member's own chain is, before the first entry is written: an old copy of
 * the data directory, or a second node with the same key, would fork the chain otherwise. Writing may begin
 *
 * - at once where the cooperative has no other member, and this node has never met anybody,
 * - when everybody with a session has answered, or cannot, and at least one has; others who are members have a second
 *   to come after that,
 * - or after ten seconds, when nobody can be asked.
 *
 * Books that show no other member may be new, or a copy from before the first one joined, or all that is left of them.
 * So then everybody is asked, who can do no more than say that he is no member.
 *
 * If somebody shows a longer chain, the ledger writes nothing until this node has caught up with it.
 */
import { Clock, Effect, FiberSet } from "effect"
import type { Did } from "../../domain/did.ts"
import type { EntryId } from "../../domain/ledgerEntry.ts"
import { Cooperative } from "../../services/Cooperative.ts"
import { Ledger } from "../../services/Ledger.ts"
import { PeerBook } from "../../services/PeerBook.ts"
import { SessionManager } from "../../services/SessionManager.ts"
import { askOwnChain } from "./ask.ts"
import type { Signals } from "./signals.ts"

/** How long a node that can reach nobody waits before it writes: as long as sessions take to come up. */
export const ownChainMillisMax = 10_000
/** The same for a node whose books show no other member: most of those are what they seem. */
export const loneMillisMax = 5000
/** Whoever was asked first may be as old as this node's books; the others' sessions come up at the same time. */
const settleMillis = 1000
/** How often it looks who is there. */
const lookMillis = 100
/** Members asked; more would not know more. */
const askedMax = 32

type Answer = "asking" | "answered" | "failed"

/** Asks; whoever shows more than is here can be caught up with, also if he is not known as a member. */
const ask = Effect.fnUntraced(function* (coop: EntryId, did: Did, { presented }: Signals) {
  const ledger = yield* Ledger
  yield* askOwnChain(coop, did)
  const { ownSeq, seenSeq } = yield* ledger.status
  if (seenSeq > ownSeq) presented.add(did.text)
})

export const ownChainCheck = Effect.fn("LedgerSync.ownChainCheck")(function* (coop: EntryId, signals: Signals) {
  const ledger = yield* Ledger
  const sessions = yield* SessionManager
  const cooperative = yield* Cooperative
  const others = (yield* ledger.members).filter(({ account }) => account !== ledger.account).length
  const isLone = others === 0
  const known = yield* (yield* PeerBook).peers
  if (isLone && known.length === 0 && (yield* sessions.sessions).length === 0) return yield* ledger.ownChainChecked
  const fibers = yield* FiberSet.make<void>()
  const asked = new Map<string, Answer>()
  const beganMillis = yield* Clock.currentTimeMillis
  const untilMillis = beganMillis + (isLone ? loneMillisMax : ownChainMillisMax)
  let latestMillis = beganMillis
  while ((yield* Clock.currentTimeMillis) < untilMillis) {
    for (const { did } of yield* sessions.sessions) {
      if (asked.has(did.text) || asked.size >= askedMax || !(isLone || (yield* cooperative.isAdmitted(did)))) continue
      asked.set(did.text, "asking")
      latestMillis = yield* Clock.currentTimeMillis
      const asking = Effect.match(ask(coop, did, signals), {
        onSuccess: () => void asked.set(did.text, "answered"),
        // Told by the exchange that follows, if it fails too.
        onFailure: () => void asked.set(did.text, "failed")
      })
      yield* FiberSet.run(fibers, asking)
    }
    const answers = new Set(asked.values())
    const settled = asked.size >= others || (yield* Clock.currentTimeMillis) - latestMillis >= settleMillis
    if (settled && answers.has("answered") && !answers.has("asking")) break
    yield* Effect.sleep(lookMillis)
  }
  yield* ledger.ownChainChecked
}, Effect.scoped)
