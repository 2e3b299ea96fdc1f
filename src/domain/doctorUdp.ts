/**
 * Whether UDP gets out of this network and back, and what that and the NAT come to for the node: the sentences that an
 * operator reads first. Pure.
 */
import type { DoctorFacts } from "./doctorFacts.ts"

/** `unknown`: nobody was asked, or nobody answers anything, which a machine without a network looks like as well. */
export type UdpVerdict = "open" | "blocked" | "unknown"

type Evidence = Pick<DoctorFacts, "stun" | "turn" | "bootstrap">

const tcpWorks = ({ bootstrap, turn }: Evidence): boolean =>
  turn.some(({ relayed, transport }) => transport === "tcp" && relayed !== undefined) ||
  bootstrap.some(({ result }) => result === "connected")

/** Blocked is said only where TCP gets through, for else it may be everything. */
export const udpVerdict = (facts: Evidence): UdpVerdict => {
  const { bootstrap, stun, turn } = facts
  const overUdp = turn.filter(({ transport }) => transport === "udp")
  const heard = stun.some(({ mapped }) => mapped !== undefined) || overUdp.some(({ relayed }) => relayed !== undefined)
  if (heard || bootstrap.some(({ quic }) => quic === true)) return "open"
  const unanswered = stun.some(({ problem }) => problem === "timeout") || overUdp.length > 0
  // A member that answers over TCP and not over QUIC is there, so that it is UDP that does not come through.
  const asked = unanswered || bootstrap.some(({ quic, result }) => quic === false && result === "connected")
  return asked && tcpWorks(facts) ? "blocked" : "unknown"
}

/** Whether the node would get a relay, by the transports that it may use. */
export const hasRelay = ({ turn }: Pick<DoctorFacts, "turn">): boolean =>
  turn.some(({ isAllowed, ok }) => isAllowed && ok)

const blockedSentence = (facts: DoctorFacts): string => {
  const { turn } = facts
  if (hasRelay(facts)) {
    return "UDP is blocked here: members with public TCP are reached, and all others through the relay over TCP."
  }
  const over = turn.find(({ ok, transport }) => ok && transport === "tcp")
  if (over !== undefined) {
    return (
      "UDP is blocked here and turn_transport leaves TCP out, so the node reaches only members with public TCP: " +
      'set turn_transport = "auto".'
    )
  }
  return turn.length === 0
    ? "UDP is blocked here and there is no TURN server: this member reaches only members with public TCP."
    : "UDP is blocked here and no relay works over TCP: this member reaches only members with public TCP."
}

const withoutRelay = "without a TURN server, members behind a symmetric NAT are out of reach unless they have a relay."

const natSentence = (facts: DoctorFacts): string => {
  const relay = hasRelay(facts)
  switch (facts.nat.kind) {
    case "none":
      return "This machine has an address of its own: direct connections work, unless a firewall forbids them."
    case "full cone":
    case "restricted cone":
    case "port-restricted cone":
    case "cone":
      return relay
        ? "Direct connections with most members; those behind a symmetric NAT are reached through the relay."
        : `Direct connections with most members; ${withoutRelay}`
    case "symmetric":
      return relay
        ? "The NAT is symmetric: members are mostly reached through the relay."
        : "The NAT is symmetric and no relay works: only members with an open address or a relay are reached."
    case "udp blocked":
    case "unknown":
      return relay
        ? "The NAT is not known, but there is a relay: members are reached through it at least."
        : "The NAT is not known, and there is no working relay: nobody can say who is within reach."
  }
}

/** What all of it comes to. */
export const outlook = (facts: DoctorFacts): ReadonlyArray<string> => {
  const { isLoopbackOnly, linksEnabled } = facts.configuration
  if (isLoopbackOnly) {
    return [
      "The node listens on loopback only, so that none of this matters yet: it finds members on this machine. " +
        'Set listen_addr, such as ["0.0.0.0:7777", "[::]:7777"], to reach others.'
    ]
  }
  const links = linksEnabled
    ? []
    : ["links_enabled is off: NATs are not crossed, and only members with an open address are reached."]
  return [udpVerdict(facts) === "blocked" ? blockedSentence(facts) : natSentence(facts), ...links]
}
