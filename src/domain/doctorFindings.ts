/**
 * What the facts of `icn-node doctor` mean, line by line: fine, doubtful or broken, and what to do about it. Broken is
 * what was configured and does not work; what nobody configured is not. Pure.
 */
import type { DoctorFacts, StunFact, TurnFact } from "./doctorFacts.ts"
import { type DoctorFinding, finding, millisText } from "./doctorFinding.ts"
import { bootstrapFindings, hostFindings, portFindings } from "./doctorMachine.ts"
import { hasRelay, udpVerdict } from "./doctorUdp.ts"

/** Nothing else can be told before the configuration can be read. */
export const unreadable = (message: string): DoctorFinding =>
  finding("configuration", "fail", message, "correct these; icn-node config docs describes every key")

const configurationFindings = ({ configuration: { source, warnings } }: DoctorFacts): ReadonlyArray<DoctorFinding> => [
  finding("configuration", "ok", source),
  ...warnings.map((warning) => finding("configuration", "warn", warning))
]

const nodeFinding = ({ node }: DoctorFacts): DoctorFinding => {
  switch (node._tag) {
    case "Running":
      return finding("node", "ok", `running, pid ${node.pid}`)
    case "NotRunning":
      return finding("node", "skip", "not running on this data directory; the checks need none")
    case "NotAnswering":
      return finding("node", "warn", node.detail, "look at its log; stop it and start it again if it hangs")
  }
}

const nameFindings = ({ names }: DoctorFacts): ReadonlyArray<DoctorFinding> =>
  names.length === 0
    ? [finding("DNS", "skip", "the configuration names no hosts by name")]
    : names.map(({ addresses, keys, millis, name, problem }) =>
        problem === undefined
          ? finding("DNS", "ok", `${name} is ${addresses.join(", ")}, ${millisText(millis)}`)
          : finding(
              "DNS",
              "fail",
              `${name} (${keys.join(", ")}) does not resolve: ${problem}`,
              "check the name's spelling, and this machine's resolver (getent hosts NAME)"
            )
      )

/** A silent server matters only where no other answers, and where UDP is not blocked as a whole. */
const stunFinding = (fact: StunFact, isExplained: boolean): DoctorFinding => {
  const { mapped, problem, rttMs, server } = fact
  if (mapped !== undefined) {
    return finding("STUN", "ok", `${server} sees ${mapped}${rttMs === undefined ? "" : `, ${millisText(rttMs)}`}`)
  }
  // The resolver's word stands in the lines about DNS.
  if (problem?.startsWith("resolve")) return finding("STUN", "warn", `${server}: not asked, its name does not resolve`)
  const why = problem === "timeout" ? "no answer over UDP" : (problem ?? "no answer")
  return finding(
    "STUN",
    isExplained ? "warn" : "fail",
    `${server}: ${why}`,
    isExplained ? undefined : "check the server's name and port, and that this network lets UDP out"
  )
}

const stunFindings = (facts: DoctorFacts): ReadonlyArray<DoctorFinding> => {
  const { stun } = facts
  if (stun.length === 0) {
    return [finding("STUN", "skip", "no stun_servers and no turn_server to ask; a running node asks bootstrap peers")]
  }
  const isExplained = udpVerdict(facts) === "blocked" || stun.some(({ mapped }) => mapped !== undefined)
  return stun.map((fact) => stunFinding(fact, isExplained))
}

const turnRemedy = ({ relayed, transport }: TurnFact): string =>
  relayed !== undefined
    ? "open the server's relay ports (UDP) in its firewall, and set its external address if it is behind a NAT"
    : `check server and credentials, and that ${transport.toUpperCase()} gets there; see icn-node turn check`

const turnFinding = (facts: DoctorFacts, fact: TurnFact): DoctorFinding => {
  const { isAllowed, ok, problem = "failed", relayed, rttMs, server, transport } = fact
  const check = `TURN ${transport.toUpperCase()}`
  if (ok) {
    const through = rttMs === undefined ? "" : `, ${millisText(rttMs)} through it and back`
    return finding(
      check,
      "ok",
      `${server} relays at ${relayed}${through}${isAllowed ? "" : "; turn_transport leaves it out"}`
    )
  }
  if (!isAllowed) return finding(check, "skip", `${problem}; turn_transport leaves it out anyway`)
  // What to do about blocked UDP stands in its own line.
  const isExplained = transport === "udp" && udpVerdict(facts) === "blocked"
  return finding(check, hasRelay(facts) ? "warn" : "fail", problem, isExplained ? undefined : turnRemedy(fact))
}

const turnFindings = (facts: DoctorFacts): ReadonlyArray<DoctorFinding> =>
  facts.turn.length === 0
    ? [finding("TURN", "skip", "no turn_server configured, so there is no relay")]
    : facts.turn.map((fact) => turnFinding(facts, fact))

const udpFinding = (facts: DoctorFacts): DoctorFinding => {
  switch (udpVerdict(facts)) {
    case "open":
      return finding("UDP", "ok", "gets out of this network and back")
    case "blocked":
      return finding(
        "UDP",
        hasRelay(facts) ? "warn" : "fail",
        "blocked: nobody answers over UDP, while TCP gets through",
        "let UDP out in this network's firewall, or rely on a TURN server that listens on TCP"
      )
    case "unknown":
      return finding("UDP", "skip", "not known: nobody was asked, or nobody answers over UDP or TCP")
  }
}

const natFinding = (facts: DoctorFacts): DoctorFinding => {
  const { filtering, kind, mapping, sentence } = facts.nat
  const confidence = mapping.confidence === "unknown" ? filtering.confidence : mapping.confidence
  // Whether UDP is blocked is said in its own line, which knows about TCP as well.
  if (kind === "udp blocked") return finding("NAT", "skip", "not known: no STUN server answered")
  if (kind === "unknown") return finding("NAT", "skip", sentence)
  const detail = `${kind}${confidence === "unknown" ? "" : `, ${confidence}`}. ${sentence}`
  return kind === "symmetric" && !hasRelay(facts)
    ? finding("NAT", "warn", detail, "set turn_server: a relay reaches the members that this NAT keeps away")
    : finding("NAT", "ok", detail)
}

/** Before this version was written no clock can be right. */
const wallMillisMin = 1_767_225_600_000
/** And after 2100 hardly. */
const wallMillisMax = 4_102_444_800_000
/** More than an adjustment in the course of some seconds. */
const driftMillisMax = 500

const clockFinding = ({ clock: { driftMillis, wallMillis } }: DoctorFacts): DoctorFinding => {
  const remedy = "set the clock, and keep it by NTP (timedatectl set-ntp true)"
  if (wallMillis < wallMillisMin || wallMillis > wallMillisMax) {
    return finding("clock", "fail", "the date cannot be right, so that members drop what this node signs", remedy)
  }
  return Math.abs(driftMillis) > driftMillisMax
    ? finding("clock", "warn", `was set by ${(driftMillis / 1000).toFixed(1)} s during the checks`, remedy)
    : finding("clock", "ok", "plausible and steady; not compared with other clocks, for want of a time server")
}

export const findings = (facts: DoctorFacts): ReadonlyArray<DoctorFinding> => [
  ...configurationFindings(facts),
  nodeFinding(facts),
  ...nameFindings(facts),
  ...stunFindings(facts),
  ...turnFindings(facts),
  udpFinding(facts),
  natFinding(facts),
  ...hostFindings(facts),
  clockFinding(facts),
  ...portFindings(facts),
  ...bootstrapFindings(facts)
]
