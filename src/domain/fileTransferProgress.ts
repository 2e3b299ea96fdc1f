/**
 * How far a file is, for a person: amounts, how fast it goes, how long it will take, as one line of a given width.
 */

const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const

/** `950 B`, `1.4 MiB`. */
export const formatBytes = (bytes: number): string => {
  let value = bytes
  let unit = 0
  while (value >= 1023.95 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit] ?? ""}`
}

const two = (value: number): string => String(value).padStart(2, "0")

/** `45 s`, `3:07`, `2:03:07`. */
export const formatSeconds = (seconds: number): string => {
  const whole = Math.ceil(seconds)
  if (whole < 60) return `${whole} s`
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60]
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`
}

/** The time over which speed is measured: long enough to be steady, short enough to follow. */
const windowMillis = 5000
/** Observations that are kept, one per report of progress. */
const samplesMax = 64

interface Sample {
  readonly bytes: number
  readonly atMillis: number
}

/** How fast something goes, from what was observed lately. */
export class Pace {
  #samples: ReadonlyArray<Sample> = []

  observe(bytes: number, atMillis: number): void {
    const latest = this.#samples.at(-1)
    // What begins again, at the beginning or where it stopped, has no speed yet.
    const kept = latest !== undefined && bytes < latest.bytes ? [] : this.#samples
    const recent = kept.filter((sample) => atMillis - sample.atMillis <= windowMillis)
    this.#samples = [...recent, { bytes, atMillis }].slice(-samplesMax)
  }

  /** Forgets what was observed, after a pause. */
  restart(): void {
    this.#samples = []
  }

  get bytesPerSecond(): number | undefined {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)]
    if (first === undefined || last === undefined || last.atMillis <= first.atMillis) return undefined
    return ((last.bytes - first.bytes) * 1000) / (last.atMillis - first.atMillis)
  }

  secondsLeft(total: number): number | undefined {
    const speed = this.bytesPerSecond
    const done = this.#samples.at(-1)?.bytes
    return speed === undefined || speed <= 0 || done === undefined ? undefined : (total - done) / speed
  }
}

/** The widest bar; more says no more. */
const barColumnsMax = 40
/** Less is no bar. */
const barColumnsMin = 5

export interface Progress {
  readonly label: string
  readonly bytes: number
  readonly total: number
  readonly pace: Pace
}

/** `sending  42 % [########        ] 420.0 MiB of 1.0 GiB, 38.2 MiB/s, 16 s left`, at most `columns` wide. */
export const progressLine = ({ bytes, label, pace, total }: Progress, columns: number): string => {
  const share = total === 0 ? 1 : Math.min(1, bytes / total)
  const percent = `${String(Math.floor(share * 100)).padStart(3)} %`
  const speed = pace.bytesPerSecond
  const left = pace.secondsLeft(total)
  const facts = [
    `${formatBytes(bytes)} of ${formatBytes(total)}`,
    ...(speed === undefined ? [] : [`${formatBytes(Math.round(speed))}/s`]),
    ...(left === undefined ? [] : [`${formatSeconds(left)} left`])
  ].join(", ")
  const width = Math.min(barColumnsMax, columns - `${label} ${percent} [] ${facts}`.length)
  const filled = Math.floor(Math.max(0, width) * share)
  const bar = width < barColumnsMin ? "" : `[${"#".repeat(filled)}${" ".repeat(width - filled)}] `
  return `${label} ${percent} ${bar}${facts}`.slice(0, columns)
}
