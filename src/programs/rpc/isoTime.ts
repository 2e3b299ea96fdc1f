/** Times as the local socket tells them: ISO 8601 in UTC. */
import { DateTime } from "effect"

export const isoTime = (millis: number): string => DateTime.formatIso(DateTime.makeUnsafe(millis))
