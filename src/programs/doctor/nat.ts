/**
 * What STUN servers tell about this machine's address outside and its NAT, asked from a socket of the doctor's own: the
 * link socket of a running node is another one, and a NAT may treat it differently.
 */
import { Clock, Effect } from "effect"
import type { StunFact } from "../../domain/doctorFacts.ts"
import { natBehaviour, type NatBehaviour } from "../../domain/natBehaviour.ts"
import { format, type TransportAddress } from "../../domain/transportAddress.ts"
import * as LinkSocket from "../../layers/session/link/LinkSocket.ts"
import * as NatDiscovery from "../../layers/session/link/NatDiscovery.ts"
import { askAll, type ReflexiveReport } from "../../layers/session/link/Reflexive.ts"
import type { Udp } from "../../services/Udp.ts"

/** The questions and the tests of RFC 5780 together; without the tests the answers are compared. */
const natMillisMax = 7500

export interface NatFacts {
  readonly stun: ReadonlyArray<StunFact>
  readonly nat: NatBehaviour
}

const stunFacts = ({ answers, failures }: ReflexiveReport): ReadonlyArray<StunFact> => [
  ...answers.map(({ mapped, rttMillis, server }) => ({
    server: format(server),
    mapped: format(mapped),
    rttMs: rttMillis,
    problem: undefined
  })),
  ...failures.map(({ detail, reason, server }) => ({
    server,
    mapped: undefined,
    rttMs: undefined,
    problem: reason === "timeout" || detail === "" ? reason : `${reason}: ${detail}`
  }))
]

const compared = ({ answers }: ReflexiveReport, ownHosts: ReadonlyArray<string>): NatBehaviour =>
  natBehaviour({
    observations: answers.map(({ address, mapped }) => ({ server: address, mapped })),
    isSilent: false,
    ownHosts
  })

const look = Effect.fnUntraced(function* (
  servers: ReadonlyArray<TransportAddress>,
  ownHosts: ReadonlyArray<string>,
  probe: LinkSocket.LinkSocketOptions
) {
  const begun = yield* Clock.currentTimeMillis
  const socket = yield* LinkSocket.open(probe)
  const report = yield* askAll(socket, servers)
  const left = Math.max(0, natMillisMax - ((yield* Clock.currentTimeMillis) - begun))
  const nat = yield* NatDiscovery.discover({ report, ownHosts, probe }).pipe(
    Effect.timeoutOrElse({ duration: left, orElse: () => Effect.succeed(compared(report, ownHosts)) })
  )
  const facts: NatFacts = { stun: stunFacts(report), nat }
  return facts
}, Effect.scoped)

/** Without a socket nobody can be asked. */
const withoutSocket = (servers: ReadonlyArray<TransportAddress>, code: string): NatFacts => ({
  stun: servers.map((server) => ({
    server: format(server),
    mapped: undefined,
    rttMs: undefined,
    problem: `no UDP socket: ${code}`
  })),
  nat: natBehaviour({ observations: [], isSilent: false, ownHosts: [] })
})

/** Never fails: what cannot be found out is unknown. */
export const lookAtNat = (
  servers: ReadonlyArray<TransportAddress>,
  ownHosts: ReadonlyArray<string>,
  probe: LinkSocket.LinkSocketOptions = { port: 0 }
): Effect.Effect<NatFacts, never, Udp> =>
  look(servers, ownHosts, probe).pipe(Effect.catch(({ code }) => Effect.succeed(withoutSocket(servers, code))))
