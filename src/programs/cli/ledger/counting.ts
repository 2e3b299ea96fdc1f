/** How far a piece of work on the journal is, for a line that is painted over. */

const grouped = (count: number): string => String(count).replaceAll(/\B(?=(?:\d{3})+$)/g, " ")

/** `verifying  42 %, 420 000 of 1 000 000 entries`; `unit` says what is counted. */
export const countLine = (
  label: string,
  { done, total }: { readonly done: number; readonly total: number },
  unit = "entries"
): string => {
  const percent = total <= 0 ? 100 : Math.min(100, Math.floor((done / total) * 100))
  return `${label} ${String(percent).padStart(3)} %, ${grouped(done)} of ${grouped(total)} ${unit}`
}
