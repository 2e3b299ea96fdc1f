/**
 * What is bounded in the ledger, and why. These numbers are part of the rules: an entry beyond one of them is invalid
 * for everybody, so a change of them is a new version of the entry.
 */

/** Bytes of an entry's body. The largest entry that the limits below allow has about 13,000. */
export const entryBytesMax = 16_384
/** Receivers and payer of one payment; a larger payroll is several entries. */
export const legsMax = 64
/** Credits that one entry makes spendable: what a busy account receives in some seconds. */
export const acksMax = 256
/** Grants, memberships and other entries that one entry names. */
export const depsMax = 16
/** Bytes of the free text, in UTF-8. */
export const memoBytesMax = 256
/** Bytes of an idempotency key; callers hash what they are given. */
export const idempotencyKeyBytes = 16
/**
 * The largest amount and credit limit, in minor units: ten million hours with two decimals. Everybody's debt is at most
 * his limit, so a balance leaves the integers that are exact (2^53) only when nine million members owe to one account
 * all they can.
 */
export const amountMax = 1_000_000_000
/** Currencies of a cooperative. */
export const currenciesMax = 8
/** Digits after the point. */
export const decimalsMax = 6
/** Stewards of a cooperative. */
export const stewardsMax = 16
/** Bytes of the cooperative's name, in UTF-8. */
export const nameBytesMax = 64
