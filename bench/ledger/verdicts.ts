/** Figures with a goal of their own, which is no other figure. */
import { decimal, table } from "../turn/report.ts"

export interface Verdict {
  readonly goal: string
  readonly measured: number
  readonly atLeast?: number
  readonly atMost?: number
}

/** `undefined` where there is no goal. */
export const isMet = ({ atLeast, atMost, measured }: Verdict): boolean | undefined => {
  if (atLeast !== undefined) return measured >= atLeast
  return atMost === undefined ? undefined : measured <= atMost
}

export const verdictsText = (verdicts: ReadonlyArray<Verdict>): string =>
  table(
    ["figure", "measured", "goal", ""],
    verdicts.map((verdict) => {
      const { atLeast, atMost, goal, measured } = verdict
      const bound = atLeast !== undefined ? `>= ${atLeast}` : atMost !== undefined ? `<= ${atMost}` : ""
      const met = isMet(verdict)
      return [goal, decimal(measured), bound, met === undefined ? "" : met ? "met" : "NOT MET"]
    })
  )
