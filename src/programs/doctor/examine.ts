/** All probes of `icn-node doctor` at once, and how far they are. */
import { Clock, Effect, Ref } from "effect"
import type { DoctorFacts, NodeFact } from "../../domain/doctorFacts.ts"
import { turnTransports } from "../../domain/turnServer.ts"
import type { NodeConfig } from "../../services/NodeConfig.ts"
import { turnConfigOf } from "../supervisor/initNetwork.ts"
import { lookAtNat } from "./nat.ts"
import { ownHosts, resolveName, tryBootstrapPeers, tryPorts, tryTurn } from "./probes.ts"
import { configurationFact, namesOf, portsOf, stunServersOf } from "./questions.ts"

/** Told whenever a probe begins or ends: what is still going on. */
export type DoctorProgress = (waitingFor: ReadonlyArray<string>) => Effect.Effect<void>

const clocks = Effect.all({ wall: Clock.currentTimeMillis, steady: Clock.monotonicTimeNanos })

/** Examines this machine and its network for a node with this configuration; `node` is asked for by the caller. */
export const examine = Effect.fnUntraced(function* (
  config: NodeConfig["Service"],
  node: Effect.Effect<NodeFact>,
  tell: DoctorProgress = () => Effect.void
) {
  const before = yield* clocks
  const waiting = yield* Ref.make<ReadonlyArray<string>>([])
  const probe = <A, E, R>(name: string, work: Effect.Effect<A, E, R>) =>
    Effect.gen(function* () {
      yield* Effect.flatMap(
        Ref.updateAndGet(waiting, (all) => [...all, name]),
        tell
      )
      const found = yield* work
      yield* Effect.flatMap(
        Ref.updateAndGet(waiting, (all) => all.filter((other) => other !== name)),
        tell
      )
      return found
    })
  const hosts = yield* ownHosts
  const turn = turnConfigOf(config)
  const transports = turn === undefined ? [] : turnTransports
  const found = yield* Effect.all(
    {
      node: probe("node", node),
      names: probe("DNS", Effect.forEach(namesOf(config), resolveName, { concurrency: "unbounded" })),
      outside: probe(
        "STUN and NAT",
        lookAtNat(
          stunServersOf(config),
          hosts.map(({ host }) => host)
        )
      ),
      turn: Effect.forEach(
        transports.flatMap((transport) => (turn === undefined ? [] : [{ turn, transport }])),
        ({ transport, turn }) => probe(`TURN over ${transport.toUpperCase()}`, tryTurn(turn, transport)),
        { concurrency: "unbounded" }
      ),
      ports: probe("ports", tryPorts(portsOf(config))),
      bootstrap: probe("bootstrap peers", tryBootstrapPeers(config.values.network.bootstrapPeers))
    },
    { concurrency: "unbounded" }
  )
  const after = yield* clocks
  const { outside, ...rest } = found
  const facts: DoctorFacts = {
    ...rest,
    ...outside,
    configuration: configurationFact(config),
    hosts,
    clock: {
      wallMillis: after.wall,
      driftMillis: after.wall - before.wall - Number(after.steady - before.steady) / 1e6
    }
  }
  return facts
})
