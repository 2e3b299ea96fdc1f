/**
 * docs/metrics.md from the catalogue in src/domain/metrics.ts; written and checked by tools/generate.ts.
 */
import { type AnyMetric, catalogue, seriesKey } from "../src/domain/metrics.ts"
import { version } from "../src/domain/version.ts"

const introduction = `# Metrics and health

Generated from \`src/domain/metrics.ts\`.

One HTTP server answers GET and HEAD, on loopback unless \`observability.metrics_bind\` says otherwise, on port 9100
unless \`observability.metrics_port\` says otherwise. An unset port that is taken gives way to a free one, which the
node prints; a configured port that is taken stops the start.

- \`/metrics\`: everything below, in the Prometheus text format 0.0.4.
- \`/health\`: \`{"status", "state", "parts"}\`. It is 200 while the node starts or runs, with \`"status": "degraded"\`
  when at least one part is not well, and 503 with \`"status": "down"\` from the beginning of the shutdown. A part has
  a \`status\`, \`ok\` or \`degraded\`, and a \`detail\` for people. Degraded is 200 because a restart of the node does
  not bring back, say, a TURN server.
- \`/ready\`: \`{"ready", "state"}\`. It is 200 while the node runs, 503 before and after.

Units are seconds and bytes. Each label has the finite set of values that the tables list; an identifier or free text is
never a label. Each series exists from the start with the value 0.`

const formerIntroduction = `## Names in dashboards of icnd

Dashboards made for the Rust daemon find these figures under another name here; what both have else is named alike.

| icnd | Here |
| --- | --- |`

/** Groups by the beginning of the name; the first that fits holds the metric. */
const groups = [
  { title: "Supervisor", prefix: "icn_supervisor_" },
  { title: "TURN", prefix: "icn_turn_" },
  { title: "Ledger", prefix: "icn_ledger_" },
  { title: "System", prefix: "icn_" },
  { title: "Process", prefix: "" }
]

/** The version changes with every release, which should not make this page stale. */
const valueText = (value: string): string => (value === version ? "the version that runs" : value)

const labelsText = ({ labels }: AnyMetric): string =>
  Object.entries(labels)
    .map(([label, values]) => `\`${label}\`: ${values.map(valueText).join(", ")}`)
    .join("; ")

const metricRow = (metric: AnyMetric): string =>
  `| \`${metric.name}\` | ${metric.kind} | ${labelsText(metric)} | ${metric.help} |`

const formerRows = catalogue.flatMap((metric) =>
  Object.entries(metric.formerNames ?? {}).map(
    ([formerName, labels]) => `| \`${formerName}\` | \`${seriesKey(metric, labels)}\` |`
  )
)

const groupOf = ({ name }: AnyMetric): string | undefined => groups.find(({ prefix }) => name.startsWith(prefix))?.title

const groupSection = ({ title }: { readonly title: string }): string => {
  const rows = catalogue.filter((metric) => groupOf(metric) === title).map(metricRow)
  return [`## ${title}\n`, "| Name | Kind | Labels | Meaning |", "| --- | --- | --- | --- |", ...rows].join("\n")
}

/** The page as it should be. */
export const metricsMarkdown = (): string => {
  const sections = [introduction, ...groups.map(groupSection), [formerIntroduction, ...formerRows].join("\n")]
  return `${sections.join("\n\n")}\n`
}
