/**
 * Figures of side-by-side rounds, and the ratios between rivals: taken within a round, where both ran under the same
 * load, and told as the median of the rounds.
 */
import { decimal, ratioText, table } from "../turn/report.ts"
import { median } from "../turn/statistics.ts"

/** A figure of one rival in one round. */
export interface Sample {
  readonly round: number
  readonly rival: string
  readonly figure: string
  readonly value: number
}

/** A ratio of one rival to another; with `atLeast` or `atMost` it is a goal. */
export interface Comparison {
  readonly figure: string
  readonly of: string
  readonly to: string
  readonly atLeast?: number
  readonly atMost?: number
}

export interface Compared extends Comparison {
  /** Round by round. */
  readonly ratios: ReadonlyArray<number>
  readonly measured: number
  /** `undefined` where there is no goal. */
  readonly met: boolean | undefined
}

const values = (samples: ReadonlyArray<Sample>, rival: string, figure: string): ReadonlyMap<number, number> =>
  new Map(
    samples.filter((one) => one.rival === rival && one.figure === figure).map(({ round, value }) => [round, value])
  )

export const compare = (samples: ReadonlyArray<Sample>, comparison: Comparison): Compared => {
  const { atLeast, atMost, figure, of, to } = comparison
  const others = values(samples, to, figure)
  const ratios = [...values(samples, of, figure)].flatMap(([round, value]) => {
    const other = others.get(round)
    return other === undefined ? [] : [value / other]
  })
  const measured = median(ratios)
  const met = atLeast !== undefined ? measured >= atLeast : atMost !== undefined ? measured <= atMost : undefined
  return { ...comparison, ratios, measured, met }
}

/** One line for each figure, one column for each rival: medians of the rounds. */
export const figuresText = (samples: ReadonlyArray<Sample>): string => {
  const rivals = [...new Set(samples.map(({ rival }) => rival))]
  const figures = [...new Set(samples.map(({ figure }) => figure))]
  const cell = (rival: string, figure: string): string => {
    const found = [...values(samples, rival, figure).values()]
    return found.length === 0 ? "" : decimal(median(found))
  }
  return table(
    ["median of rounds", ...rivals],
    figures.map((figure) => [figure, ...rivals.map((rival) => cell(rival, figure))])
  )
}

const goalText = ({ atLeast, atMost }: Comparison): string =>
  atLeast !== undefined ? `>= ${atLeast.toFixed(2)}` : atMost !== undefined ? `<= ${atMost.toFixed(2)}` : ""

const metText = ({ met }: Compared): string => (met === undefined ? "" : met ? "met" : "NOT MET")

export const comparisonsText = (compared: ReadonlyArray<Compared>): string =>
  table(
    ["ratio within a round", "median (smallest-largest)", "goal", ""],
    compared.map((one) => [`${one.figure}: ${one.of} to ${one.to}`, ratioText(one.ratios), goalText(one), metText(one)])
  )
