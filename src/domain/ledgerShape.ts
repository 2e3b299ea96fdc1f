/**
 * What can be said about an entry without knowing any other: double entry, that only the owner of an account debits it,
 * and that a kind has the parts that belong to it. Types, bounds and order of the parts are protocol/entry.ts's.
 */
import type { Entry } from "./ledgerEntry.ts"

export type ShapeProblem =
  | "badGenesis"
  | "unsupportedThreshold"
  | "noCoop"
  | "brokenChain"
  | "noLegs"
  | "unexpectedLegs"
  | "foreignDebit"
  | "creditToSelf"
  | "unbalanced"
  | "nothingToAck"

const genesisProblem = (entry: Entry): ShapeProblem | undefined => {
  if (entry.kind !== "genesis") return undefined
  const { acks, author, coop, deps, lamport, prev, seq, stewards, threshold } = entry
  if (threshold !== 1) return "unsupportedThreshold"
  const isFirst = coop === null && prev === null && seq === 0 && lamport === 0
  return isFirst && acks.length === 0 && deps.length === 0 && stewards.includes(author) ? undefined : "badGenesis"
}

const hasLegs = ({ kind }: Entry): boolean =>
  kind === "transfer" || kind === "hold" || kind === "post" || kind === "reverse"

const legsProblem = (entry: Entry): ShapeProblem | undefined => {
  if (!hasLegs(entry)) return entry.legs.length === 0 ? undefined : "unexpectedLegs"
  if (entry.legs.length === 0) return "noLegs"
  const sums = new Map<number, number>()
  for (const { account, amount, currency } of entry.legs) {
    const own = account === entry.author
    if (amount < 0 && !own) return "foreignDebit"
    if (amount > 0 && own) return "creditToSelf"
    sums.set(currency, (sums.get(currency) ?? 0) + amount)
  }
  return [...sums.values()].every((sum) => sum === 0) ? undefined : "unbalanced"
}

/** Why an entry is invalid whatever else there is, or `undefined`. */
export const shapeProblem = (entry: Entry): ShapeProblem | undefined => {
  const problem = genesisProblem(entry) ?? legsProblem(entry)
  if (problem !== undefined || entry.kind === "genesis") return problem
  if (entry.coop === null) return "noCoop"
  if ((entry.seq === 0) !== (entry.prev === null)) return "brokenChain"
  return entry.kind === "ack" && entry.acks.length === 0 ? "nothingToAck" : undefined
}
