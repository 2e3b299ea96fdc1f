/**
 * `Links` as it is told: for nodes whose sessions need no links, such as those in memory, and for tests of what shows
 * links. There are none unless a status is given.
 */
import { Effect, Layer } from "effect"
import { Links, type LinksStatus } from "../services/Links.ts"
import { noLinks } from "./session/link/status.ts"

/** Always the same status; `refresh` asks nobody. */
export const layer = (given: Partial<LinksStatus> = {}): Layer.Layer<Links> => {
  const status = Effect.map(noLinks.status, (none): LinksStatus => ({ ...none, ...given }))
  return Layer.succeed(Links, Links.of({ status, refresh: status }))
}
