/**
 * The state of a chain as it is stored with each entry: the JSON array `[member, [spendable, held, limit], …]`, with
 * lamport and id of the grant behind the limit where there is one.
 */
import type { ChainAccount, ChainState } from "../../../domain/ledgerChain.ts"
import { DamagedValue } from "./storageError.ts"

export const chainToText = ({ accounts, member }: ChainState): string => {
  let text = member ? "[1" : "[0"
  for (const { grant, held, limit, spendable } of accounts) {
    text += `,[${spendable},${held},${limit}`
    text += grant === undefined ? "]" : `,${grant.lamport},"${grant.id}"]`
  }
  return `${text}]`
}

const integer = (value: unknown): number => {
  if (typeof value === "number" && Number.isSafeInteger(value)) return value
  throw new DamagedValue("the state of a chain that was stored cannot be read")
}

const accountOf = (value: unknown): ChainAccount => {
  const parts: ReadonlyArray<unknown> = Array.isArray(value) ? value : []
  const id = parts[4]
  return {
    spendable: integer(parts[0]),
    held: integer(parts[1]),
    limit: integer(parts[2]),
    grant: typeof id === "string" ? { lamport: integer(parts[3]), id } : undefined
  }
}

export const chainFromText = (text: string): ChainState => {
  const value: unknown = JSON.parse(text)
  const parts: ReadonlyArray<unknown> = Array.isArray(value) ? value : []
  return { member: integer(parts[0]) === 1, accounts: parts.slice(1).map(accountOf) }
}
