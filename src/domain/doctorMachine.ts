/** What `icn-node doctor` says of this machine's addresses and ports, and of the members to start with. Pure. */
import type { BootstrapFact, DoctorFacts, PortFact } from "./doctorFacts.ts"
import { type DoctorFinding, finding, millisText } from "./doctorFinding.ts"

export const hostFindings = ({ hosts }: DoctorFacts): ReadonlyArray<DoctorFinding> => {
  const beyond = hosts.filter(({ scope }) => scope === "private" || scope === "public")
  if (beyond.length === 0) {
    return [finding("addresses", "fail", "this machine has no address but its own", "connect it to a network")]
  }
  const text = beyond.map(({ host, interfaceName, scope }) => `${host} (${interfaceName}, ${scope})`).join(", ")
  const isPublic = beyond.some(({ scope }) => scope === "public")
  return [finding("addresses", "ok", isPublic ? text : `${text}; none is public`)]
}

const nameOf = ({ address, protocol }: PortFact): string => `${protocol.toUpperCase()} ${address}`

const names = (some: ReadonlyArray<PortFact>): string => some.map(nameOf).join(", ")

const portRemedies: Readonly<Record<string, (fact: PortFact) => string>> = {
  EADDRINUSE: ({ key, protocol }) =>
    `another program has it (ss -l${protocol === "tcp" ? "t" : "u"}pn names it): end that, or change ${key}`,
  EACCES: ({ key }) => `ports below 1024 need the right to bind them: change ${key}, or give CAP_NET_BIND_SERVICE`,
  EADDRNOTAVAIL: ({ key }) => `no interface of this machine has that address: correct ${key}`
}

/** What the running node is meant to hold. */
const isHeld = ({ node }: DoctorFacts, { problem }: PortFact): boolean =>
  problem === "EADDRINUSE" && node._tag === "Running"

export const portFindings = (facts: DoctorFacts): ReadonlyArray<DoctorFinding> => {
  const { configuration, ports } = facts
  const free = ports.filter(({ problem }) => problem === undefined)
  const held = ports.filter((fact) => isHeld(facts, fact))
  const failed = ports.filter((fact) => fact.problem !== undefined && !isHeld(facts, fact))
  const { linkPort, linksEnabled, listenPorts } = configuration
  const collides = linksEnabled && linkPort !== 0 && listenPorts.includes(linkPort)
  return [
    ...(free.length === 0 ? [] : [finding("ports", "ok", `free: ${names(free)}`)]),
    ...(held.length === 0 ? [] : [finding("ports", "ok", `held by the running node: ${names(held)}`)]),
    ...failed.map((fact) =>
      finding("ports", "fail", `${nameOf(fact)}: ${fact.problem}`, portRemedies[fact.problem ?? ""]?.(fact))
    ),
    ...(collides
      ? [
          finding(
            "ports",
            "fail",
            `link_port ${linkPort} is a port of listen_addr, whose UDP QUIC needs`,
            "take another link_port"
          )
        ]
      : [])
  ]
}

const bootstrapRemedies: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there: is the member running, and does its listen_addr have this port?",
  timeout: "nobody answers: is the member up, and does its firewall let TCP to this port in?",
  EHOSTUNREACH: "no way there: check the address, and this machine's network",
  ENETUNREACH: "no way there: check the address, and this machine's network"
}

/** One that is away is a nuisance, all of them are a failure. */
const quicRemedy = "UDP may be blocked here, or at the member; without it sessions go over TCP alone"

const bootstrapFinding = (fact: BootstrapFact, othersConnect: boolean): DoctorFinding => {
  const { address, did, millis, problem, quic, result } = fact
  const who = `${address} (${did.slice(0, 20)}…)`
  switch (result) {
    case "connected":
      return quic === false
        ? finding("bootstrap", "warn", `${who} answers over TCP, ${millisText(millis)}, but not over QUIC`, quicRemedy)
        : finding(
            "bootstrap",
            "ok",
            `${who} answers over ${quic === true ? "QUIC and TCP" : "TCP"}, ${millisText(millis)}`
          )
    case "udpOnly":
      return quic === true
        ? finding("bootstrap", "ok", `${who} answers over QUIC`)
        : finding("bootstrap", othersConnect ? "warn" : "fail", `${who} over QUIC: timeout`, quicRemedy)
    case "failed":
      return finding(
        "bootstrap",
        othersConnect ? "warn" : "fail",
        `${who} over TCP: ${problem ?? "failed"}`,
        bootstrapRemedies[problem ?? ""]
      )
  }
}

export const bootstrapFindings = ({ bootstrap }: DoctorFacts): ReadonlyArray<DoctorFinding> => {
  if (bootstrap.length === 0) {
    return [finding("bootstrap", "skip", "no bootstrap_peers: members have to find this node, or be dialled by hand")]
  }
  const connects = bootstrap.some(({ quic, result }) => result === "connected" || quic === true)
  return bootstrap.map((fact) => bootstrapFinding(fact, connects))
}
