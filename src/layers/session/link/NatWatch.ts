/**
 * What this node's NAT does, as far as is known at the moment: measured again whenever the addresses that servers see
 * have changed, and compared with what all of them say now.
 */
import { Effect, type Scope, Stream } from "effect"
import { type NatBehaviour, natBehaviour, type NatFinding } from "../../../domain/natBehaviour.ts"
import { reportAndIgnore } from "../../../services/Metrics.ts"
import { Udp } from "../../../services/Udp.ts"
import type { LinkSettings } from "../Settings.ts"
import * as NatDiscovery from "./NatDiscovery.ts"
import type { Reflexive } from "./Reflexive.ts"

export interface NatWatch {
  readonly behaviour: () => NatBehaviour
  /** Measures again, where a server offers it; takes 6 s at most. */
  readonly measure: Effect.Effect<void>
}

const measuredOnly = (finding: NatFinding): NatFinding | undefined =>
  finding.confidence === "measured" ? finding : undefined

/** Watches until the scope closes. */
export const make = Effect.fnUntraced(function* (
  reflexive: Reflexive,
  options: Pick<LinkSettings, "hosts" | "udp" | "udp4" | "udp6">
): Effect.fn.Return<NatWatch, never, Scope.Scope> {
  let mapping: NatFinding | undefined
  let filtering: NatFinding | undefined

  const measure = Effect.gen(function* () {
    const report = reflexive.latest()
    if (report === undefined) return
    const probe = { port: 0, udp4: options.udp4, udp6: options.udp6 }
    const found = yield* NatDiscovery.discover({ report, ownHosts: options.hosts(), probe })
    mapping = measuredOnly(found.mapping)
    filtering = measuredOnly(found.filtering)
  }).pipe(Effect.provideService(Udp, options.udp), reportAndIgnore("network"))

  yield* Effect.forkScoped(Effect.andThen(reflexive.began, measure))
  yield* Effect.forkScoped(Stream.runForEach(reflexive.changes, () => measure))

  return {
    behaviour: () => {
      const { answers, failures } = reflexive.latest() ?? { answers: [], failures: [] }
      const silent = failures.filter(({ reason }) => reason === "timeout").length
      return natBehaviour({
        observations: answers.map(({ address, mapped }) => ({ server: address, mapped })),
        isSilent: answers.length === 0 && silent > 0,
        ownHosts: options.hosts(),
        measuredMapping: mapping,
        measuredFiltering: filtering
      })
    },
    measure
  }
})
