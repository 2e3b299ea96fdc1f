/** What there is to see of links, for people. */
import { Effect } from "effect"
import { format } from "../../../domain/transportAddress.ts"
import type { Links as LinksService, LinksStatus, LinkStatus, ReflexiveServer } from "../../../services/Links.ts"
import type { Link } from "./Link.ts"
import type { Links } from "./Links.ts"
import type { ReflexiveReport } from "./Reflexive.ts"

const serversOf = (report: ReflexiveReport | undefined): ReadonlyArray<ReflexiveServer> => {
  if (report === undefined) return []
  const answers = report.answers.map(({ mapped, rttMillis, server }): ReflexiveServer => ({
    server: format(server),
    mapped,
    rttMs: rttMillis,
    problem: undefined
  }))
  const failures = report.failures.map((failure): ReflexiveServer => ({
    server: failure.server,
    mapped: undefined,
    rttMs: undefined,
    problem: failure.detail === "" ? failure.reason : `${failure.reason}: ${failure.detail}`
  }))
  return [...answers, ...failures]
}

const linkOf = (link: Link, now: number): LinkStatus => ({
  did: link.did,
  state: link.state !== "up" ? "making" : link.isLost ? "lost" : "up",
  controlling: link.controlling,
  startedAtMillis: link.startedAtMillis,
  switches: link.switches,
  consentLosses: link.consentLosses,
  relayBytesSent: link.meter.sentBytes,
  relayBytesReceived: link.meter.receivedBytes,
  paths: link.agent.paths(now)
})

export const make = (links: Links, now: () => number): LinksService["Service"] => {
  const status = (): LinksStatus => {
    const report = links.reflexive.latest()
    return {
      port: links.port,
      families: links.socket.families,
      servers: serversOf(report),
      nat: links.nat.behaviour(),
      links: links.links().map((link) => linkOf(link, now()))
    }
  }
  return {
    status: Effect.sync(status),
    refresh: links.reflexive.refresh.pipe(Effect.andThen(links.nat.measure), Effect.map(status))
  }
}
