import { it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import * as TcpNode from "../../src/layers/TcpNode.ts"
import { tcpContract } from "../contract/Tcp.ts"

tcpContract("TcpNode", {
  layer: TcpNode.layer,
  test: it.live,
  until: (condition) =>
    Effect.sync(condition).pipe(Effect.repeat({ until: (holds) => holds, schedule: Schedule.spaced("2 millis") }))
})
