/** One line of what `icn-node doctor` says. */

/** `skip`: there was nothing to check. */
export type DoctorMark = "ok" | "warn" | "fail" | "skip"

export interface DoctorFinding {
  readonly check: string
  readonly mark: DoctorMark
  readonly detail: string
  /** What to do; `undefined` where nothing is to be done, or the detail says it. */
  readonly remedy: string | undefined
}

export const finding = (check: string, mark: DoctorMark, detail: string, remedy?: string): DoctorFinding => ({
  check,
  mark,
  detail,
  remedy
})

/** A duration in milliseconds, for people. */
export const millisText = (millis: number): string => `${millis.toFixed(millis < 10 ? 1 : 0)} ms`
