/**
 * When a sender whose transfer was cut tries again: soon at first, then with growing pauses, and not for ever. A try
 * that brought the file further starts the pauses over.
 */

/** Tries in a row that brought nothing, before it is given up; with the pauses about a minute and a half. */
export const fruitlessTriesMax = 8
/** Tries in all: a path that is cut this often is not going to carry the file. */
export const triesMax = 64
const firstDelayMillis = 1000
const delayMillisMax = 30_000

export interface RetryState {
  readonly tries: number
  readonly fruitless: number
}

export const initial: RetryState = { tries: 0, fruitless: 0 }

export type RetryDecision =
  | { readonly _tag: "Retry"; readonly delayMillis: number; readonly state: RetryState }
  | { readonly _tag: "GiveUp" }

/** What follows on a try that failed; `progressed` when the receiver had more of the file than at the try before. */
export const afterFailure = ({ fruitless, tries }: RetryState, progressed: boolean): RetryDecision => {
  const state: RetryState = { tries: tries + 1, fruitless: progressed ? 1 : fruitless + 1 }
  if (state.tries >= triesMax || state.fruitless >= fruitlessTriesMax) return { _tag: "GiveUp" }
  return { _tag: "Retry", delayMillis: Math.min(firstDelayMillis * 2 ** (state.fruitless - 1), delayMillisMax), state }
}
