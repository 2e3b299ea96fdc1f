/** Times of entries as text, without a calendar library: they are whatever the author's clock said, up to 2^53 ms. */

const millisPerDay = 86_400_000
/** The end of the year 9999, the last that ISO 8601 writes with four digits. */
const latest = 253_402_300_799_999

const padded = (value: number, digits: number): string => String(value).padStart(digits, "0")

/** Day of the Gregorian calendar by days since 1970-01-01, counted in years that begin in March. */
const dateOf = (days: number): string => {
  const shifted = days + 719_468
  const era = Math.floor(shifted / 146_097)
  const dayOfEra = shifted - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1_460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365
  )
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153)
  const day = dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  return `${padded(year, 4)}-${padded(month, 2)}-${padded(day, 2)}`
}

/** ISO 8601 in UTC, of milliseconds since the epoch, from 0; what is later than the year 9999 is its last moment. */
export const isoTime = (at: number): string => {
  const millis = Math.min(at, latest)
  const ofDay = millis % millisPerDay
  const [hours, minutes, seconds] = [3_600_000, 60_000, 1_000].map((unit) => Math.floor(ofDay / unit))
  const time = [hours ?? 0, (minutes ?? 0) % 60, (seconds ?? 0) % 60].map((value) => padded(value, 2)).join(":")
  return `${dateOf(Math.floor(millis / millisPerDay))}T${time}.${padded(ofDay % 1_000, 3)}Z`
}
