/**
 * Lets one link's agent do its work: asks it when it is due, sends its checks, and makes known what happens to the
 * link's way. One fiber per link, which ends with the link.
 */
import { Clock, Deferred, Effect, Latch } from "effect"
import type { Did } from "../../../domain/did.ts"
import type { LinkEvent, LinkPath } from "../../../domain/linkPath.ts"
import { linkConsentLost, linkEstablished, linkSetupSeconds, linkSwitches } from "../../../domain/metrics.ts"
import { format } from "../../../domain/transportAddress.ts"
import type { MetricsShape } from "../../../services/Metrics.ts"
import { steadyMillis } from "../steadyTime.ts"
import { type Link, LinkFailed } from "./Link.ts"
import type { LinkTable } from "./LinkTable.ts"
import type { LinkSwitch } from "./LinkSwitch.ts"
import type { RelayPort } from "./RelayPort.ts"

/** However busy the agent says it is: a mistake there must not take the whole processor. */
const pauseMillisMin = 1

export interface LinkDriverParts {
  readonly packets: LinkSwitch
  readonly relay: RelayPort
  readonly metrics: MetricsShape
  readonly links: Pick<LinkTable, "isCrowded">
  /** The session goes on over another way. */
  readonly onPath: (did: Did) => void
  /** No way is left, for now. */
  readonly onLost: (link: Link) => Effect.Effect<unknown>
}

const wayText = ({ base, kind, remote, rttMs }: LinkPath): string =>
  `${kind}${base === "relay" ? " through this node's relay" : ""}, ${format(remote)}, ${rttMs.toFixed(1)} ms`

export const make = ({ links, metrics, onLost, onPath, packets, relay }: LinkDriverParts) => {
  /** Another way is in use from now on. */
  const changeTo = Effect.fnUntraced(function* (link: Link, path: LinkPath) {
    link.setPath(path, yield* Clock.currentTimeMillis)
  })

  const established = Effect.fnUntraced(function* (link: Link, path: LinkPath) {
    const wasFound = yield* Deferred.isDone(link.found)
    if (!wasFound && links.isCrowded(link, path.remote)) {
      const detail = "too many links lead to the same host already"
      return void (yield* Deferred.fail(link.found, new LinkFailed({ reason: "limit", detail })))
    }
    const isSame = wasFound && link.isRemote(path.remote)
    // Or the first flight of QUIC would go as indications, of which the longest may not fit.
    if (!wasFound && path.base === "relay") yield* relay.bind(path.remote)
    yield* changeTo(link, path)
    if (wasFound) packets.sendAgain(link)
    packets.flush(link)
    link.isLost = false
    if (!wasFound) {
      const seconds = ((yield* steadyMillis) - link.startedSteadyMillis) / 1000
      yield* metrics.inc(linkEstablished, { kind: path.kind })
      yield* metrics.observe(linkSetupSeconds, { kind: path.kind }, seconds)
      yield* Effect.logDebug(`link with ${link.did.text}: ${wayText(path)}, after ${seconds.toFixed(3)} s`)
      return void (yield* Deferred.succeed(link.found, undefined))
    }
    yield* Effect.logInfo(`link with ${link.did.text} has a way again: ${wayText(path)}`)
    if (isSame) return
    link.switches++
    yield* metrics.inc(linkSwitches, { to: path.kind, reason: "lost" })
    onPath(link.did)
  })

  const onEvent = Effect.fnUntraced(function* (link: Link, event: LinkEvent) {
    switch (event._tag) {
      case "Established":
        return yield* established(link, event.path)
      case "Switched":
        link.switches++
        yield* changeTo(link, event.to)
        if (event.reason !== "better") packets.sendAgain(link)
        yield* metrics.inc(linkSwitches, { to: event.to.kind, reason: event.reason })
        yield* Effect.logDebug(`link with ${link.did.text} goes on (${event.reason}): ${wayText(event.to)}`)
        return onPath(link.did)
      case "ConsentLost":
        link.consentLosses++
        yield* metrics.inc(linkConsentLost, { kind: event.path.kind })
        return yield* Effect.logDebug(`link with ${link.did.text}: no consent any more on ${wayText(event.path)}`)
      case "Failed":
        return void (yield* Deferred.fail(
          link.found,
          new LinkFailed({ reason: "noPath", detail: "no way through: none of the addresses answered" })
        ))
      case "Lost":
        link.isLost = true
        yield* Effect.logInfo(`link with ${link.did.text} has lost its way, looking for another`)
        return void (yield* onLost(link))
    }
  })

  /** Everything that is due now. */
  const step = Effect.fnUntraced(function* (link: Link) {
    const now = yield* steadyMillis
    for (const check of link.agent.poll(now)) packets.check(link, check)
    for (const event of link.agent.takeEvents()) yield* onEvent(link, event)
  })

  /** Runs until the link closes. */
  const drive = Effect.fnUntraced(function* (link: Link): Effect.fn.Return<never> {
    while (true) {
      Latch.closeUnsafe(link.wake)
      yield* step(link)
      const now = yield* steadyMillis
      const next = link.agent.next(now)
      const woken = Latch.await(link.wake)
      if (next === undefined) yield* woken
      else yield* Effect.timeoutOption(woken, Math.max(pauseMillisMin, Math.ceil(next - now)))
    }
  })

  return { drive }
}
