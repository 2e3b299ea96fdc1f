/**
 * `icn-node doctor`: what this machine and its network let a node do, with what to do about the rest. Works with and
 * without a running node, and asks everything at once, so that it is done within about 8 s.
 */
import { Effect, Layer } from "effect"
import { Command } from "effect/cli"
import type { NodeFact } from "../../domain/doctorFacts.ts"
import { reportOf, reportText, reportUnreadable } from "../../domain/doctorReport.ts"
import * as TcpNode from "../../layers/TcpNode.ts"
import * as TurnUdpTcp from "../../layers/TurnUdpTcp.ts"
import * as UdpNode from "../../layers/UdpNode.ts"
import { examine } from "../doctor/examine.ts"
import { withNode } from "../rpc/client.ts"
import { configFlag, dataDirFlag, nodeConfig } from "./dataDir.ts"
import { CommandFailed, exitCodes, json, print } from "./output.ts"
import { progressPainter } from "./progress.ts"

const transports = TurnUdpTcp.layer.pipe(Layer.provideMerge(Layer.merge(TcpNode.layer, UdpNode.layer)))

/** The node on a data directory, if one is running there. */
const nodeOn = (dataDir: string): Effect.Effect<NodeFact> =>
  withNode(dataDir, (client) => client.Status()).pipe(
    Effect.map(({ pid }): NodeFact => ({ _tag: "Running", pid })),
    Effect.catchTag("NodeNotRunning", () => Effect.succeed<NodeFact>({ _tag: "NotRunning" })),
    Effect.catch(({ message }) => Effect.succeed<NodeFact>({ _tag: "NotAnswering", detail: message }))
  )

export const doctor = Command.make(
  "doctor",
  { config: configFlag, dataDir: dataDirFlag, json },
  Effect.fnUntraced(function* ({ config, dataDir, json }) {
    const painter = yield* progressPainter
    const report = yield* nodeConfig({ config, dataDir }).pipe(
      Effect.flatMap((read) =>
        examine(read, nodeOn(read.values.dataDir), (waitingFor) =>
          painter.line(`checking: ${waitingFor.join(", ")}`)
        ).pipe(Effect.map(reportOf), Effect.provide(transports))
      ),
      Effect.catchTag("CommandFailed", ({ text }) => Effect.succeed(reportUnreadable(text)))
    )
    yield* painter.wipe
    yield* print(json, report, () => reportText(report))
    if (!report.ok) return yield* new CommandFailed({ text: "", exitCode: exitCodes.failed })
  }, Effect.scoped)
).pipe(
  Command.withDescription(
    "Check configuration, DNS, STUN, TURN, NAT, clock, ports and bootstrap peers; exit code 1 when something fails"
  ),
  Command.withExamples([
    { command: "icn-node doctor", description: "Everything, with what to do about what fails" },
    { command: "icn-node doctor --config icn.toml", description: "For the node with this configuration" },
    { command: "icn-node doctor --json | jq .udp", description: "Whether UDP is open, blocked or unknown" }
  ])
)
