/**
 * "Did you mean": the name nearest to a mistyped one, by the number of letters to insert, delete, replace or swap.
 * Looks across sections, since a key in the wrong table is as common a mistake as a wrong letter.
 */

/** Longer names are no slip of the hand, and comparing them costs their product. */
const nameLengthMax = 64

/** `turnServer` and `turn-server` mean `turn_server`. */
const normalise = (name: string): string =>
  name
    .replace(/([a-z\d])([A-Z])/g, "$1_$2")
    .replaceAll("-", "_")
    .toLowerCase()

/** Optimal string alignment distance: Levenshtein's, with a swap of neighbours counted once. */
export const distance = (a: string, b: string): number => {
  let beforeLast: ReadonlyArray<number> = []
  let last: ReadonlyArray<number> = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replace = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      const insertOrDelete = Math.min(last[j] ?? 0, row[j - 1] ?? 0) + 1
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      row.push(Math.min(replace, insertOrDelete, swapped ? (beforeLast[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY))
    }
    beforeLast = last
    last = row
  }
  return last[b.length] ?? 0
}

/** A name that another one continues, such as a duration without its unit, is only a little farther than one letter. */
const slip = (name: string, candidate: string): number => {
  const continued = candidate.startsWith(`${name}_`) || name.startsWith(`${candidate}_`)
  return Math.min(distance(name, candidate), continued ? 1.25 : Number.POSITIVE_INFINITY)
}

const parent = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf(".")))
const last = (path: string): string => path.slice(path.lastIndexOf(".") + 1)

/** Half a letter's weight for another table, and less for one inside the table or around it. */
const detour = (from: string, to: string): number =>
  from === to ? 0 : to.startsWith(`${from}.`) || from.startsWith(`${to}.`) ? 0.25 : 0.5

/** The candidate nearest to a dotted path, if one is near enough to be meant; the nearer table wins a tie. */
export const nearest = (path: string, candidates: ReadonlyArray<string>): string | undefined => {
  const name = normalise(last(path))
  if (name.length > nameLengthMax) return undefined
  const near = Math.max(1, Math.floor(name.length / 3))
  let best: { readonly candidate: string; readonly score: number } | undefined
  for (const candidate of candidates) {
    const target = normalise(last(candidate))
    if (Math.abs(target.length - name.length) > near && !target.startsWith(name) && !name.startsWith(target)) continue
    const slips = slip(name, target)
    const score = slips + detour(parent(path), parent(candidate))
    if (slips <= near && score < (best?.score ?? Number.POSITIVE_INFINITY)) best = { candidate, score }
  }
  return best?.candidate
}

/** The end of an error about an unknown name; empty when nothing is near. */
export const didYouMean = (path: string, candidates: ReadonlyArray<string>): string => {
  const candidate = nearest(path, candidates)
  return candidate === undefined ? "" : `; did you mean ${candidate}?`
}
