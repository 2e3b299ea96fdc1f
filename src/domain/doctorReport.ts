/** All that `icn-node doctor` says, and its text for people. Pure. */
import type { DoctorFacts } from "./doctorFacts.ts"
import type { DoctorFinding, DoctorMark } from "./doctorFinding.ts"
import { findings, unreadable } from "./doctorFindings.ts"
import { outlook, udpVerdict, type UdpVerdict } from "./doctorUdp.ts"
import type { NatBehaviour } from "./natBehaviour.ts"

export interface DoctorReport {
  /** Whether nothing failed. */
  readonly ok: boolean
  readonly findings: ReadonlyArray<DoctorFinding>
  /** What it comes to, in sentences. */
  readonly outlook: ReadonlyArray<string>
  readonly udp: UdpVerdict
  /** These two are missing where the configuration could not be read. */
  readonly nat?: NatBehaviour
  readonly facts?: DoctorFacts
}

const isOk = (all: ReadonlyArray<DoctorFinding>): boolean => all.every(({ mark }) => mark !== "fail")

export const reportOf = (facts: DoctorFacts): DoctorReport => {
  const all = findings(facts)
  return { ok: isOk(all), findings: all, outlook: outlook(facts), udp: udpVerdict(facts), nat: facts.nat, facts }
}

/** Nothing else can be told before the configuration can be read. */
export const reportUnreadable = (message: string): DoctorReport => ({
  ok: false,
  findings: [unreadable(message)],
  outlook: [],
  udp: "unknown"
})

const marks: Readonly<Record<DoctorMark, string>> = { ok: "ok", warn: "WARN", fail: "FAIL", skip: "-" }
const markColumns = 6
const checkColumns = 15

const count = (all: ReadonlyArray<DoctorFinding>, mark: DoctorMark, noun: string): ReadonlyArray<string> => {
  const { length } = all.filter((one) => one.mark === mark)
  return length === 0 ? [] : [`${length} ${noun}${length === 1 ? "" : "s"}`]
}

const linesOf = ({ check, detail, mark, remedy }: DoctorFinding): ReadonlyArray<string> => {
  const indent = " ".repeat(markColumns + checkColumns)
  const [first = "", ...more] = detail.split("\n")
  return [
    `${marks[mark].padEnd(markColumns)}${check.padEnd(checkColumns)}${first}`,
    ...more.map((line) => indent + line),
    ...(remedy === undefined ? [] : [`${indent}what to do: ${remedy}`])
  ]
}

/** One line for each finding, a line below it for what to do, and the sentences at the end. */
export const reportText = ({ findings, outlook }: DoctorReport): string => {
  const counts = [...count(findings, "fail", "failure"), ...count(findings, "warn", "warning")]
  return [
    ...findings.flatMap(linesOf),
    "",
    ...outlook,
    counts.length === 0 ? "Nothing is wrong." : `${counts.join(", ")}.`
  ].join("\n")
}
