/**
 * Accounts are public keys, and who pays into something else has lost it: nobody could ever sign for it. Checking a key
 * costs as much as verifying a signature (domain/ed25519.ts), so what was found is kept.
 */
import { publicKeyProblem } from "./ed25519.ts"
import type { AccountId } from "./ledgerEntry.ts"

/** Accounts remembered: more than pay each other at a time; about 100 bytes each. */
const rememberedMax = 16_384
const remembered = new Map<AccountId, boolean>()

/** Whether an account is somebody's key. */
export const isAccount = (account: AccountId): boolean => {
  const known = remembered.get(account)
  if (known !== undefined) return known
  const found = publicKeyProblem(Buffer.from(account, "hex")) === undefined
  if (remembered.size >= rememberedMax) {
    for (const oldest of remembered.keys()) {
      remembered.delete(oldest)
      break
    }
  }
  remembered.set(account, found)
  return found
}
