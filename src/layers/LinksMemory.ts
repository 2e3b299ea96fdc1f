/**
 * `Links` as it is told: for nodes whose sessions need no links, such as those in memory, and for tests of what shows
 * links. There are none unless a status is given.
 */
import { Effect, Layer } from "effect"
import { natBehaviour } from "../domain/natBehaviour.ts"
import { Links, type LinksStatus } from "../services/Links.ts"

const none: LinksStatus = {
  port: 0,
  families: { udp4: false, udp6: false },
  servers: [],
  nat: natBehaviour({ observations: [], isSilent: false, ownHosts: [] }),
  links: []
}

/** Always the same status; `refresh` asks nobody. */
export const make = (given: Partial<LinksStatus> = {}): Links["Service"] => {
  const status = Effect.succeed<LinksStatus>({ ...none, ...given })
  return Links.of({ status, refresh: status })
}

export const layer = (given: Partial<LinksStatus> = {}): Layer.Layer<Links> => Layer.succeed(Links, make(given))
