/**
 * `icn-node stop`: asks the running node to stop and waits until it has let go of its data directory, so that the next
 * command finds it free.
 */
import { Duration, Effect, Option, Schedule } from "effect"
import { Command } from "effect/cli"
import * as DataDirectoryFs from "../../layers/DataDirectoryFs.ts"
import { DataDirectory } from "../../services/DataDirectory.ts"
import { withNode } from "../rpc/client.ts"
import { configFlag, dataDirFlag, nodeConfig } from "./dataDir.ts"
import { CommandFailed, commandFailed, exitCodes, json, print } from "./output.ts"

/** On top of the node's own shutdown time-out, for a busy machine. */
const marginSeconds = 5

/** Waits until the lock can be taken: the kernel's word that the process is gone. */
const awaitReleased = (directory: string, seconds: number) =>
  Effect.flatMap(DataDirectory, ({ lock }) => Effect.scoped(lock)).pipe(
    Effect.retry({ while: (error) => error._tag === "DataDirectoryInUse", schedule: Schedule.spaced("100 millis") }),
    Effect.timeoutOrElse({
      duration: `${seconds} seconds`,
      orElse: () =>
        Effect.fail(new CommandFailed({ text: `the node still runs after ${seconds} s`, exitCode: exitCodes.failed }))
    }),
    Effect.provide(DataDirectoryFs.layer(directory))
  )

export const stop = Command.make(
  "stop",
  { config: configFlag, dataDir: dataDirFlag, json },
  Effect.fnUntraced(function* ({ config, dataDir, json }) {
    const { dataDir: directory, supervisor } = (yield* nodeConfig({ config, dataDir })).values
    const status = yield* withNode(directory, (client) => client.Status()).pipe(
      // A node of another version may tell its state otherwise, and is to stop all the same.
      Effect.asSome,
      Effect.catchTag("NodeNotAnswering", () => Effect.succeedNone),
      Effect.map(Option.getOrUndefined),
      Effect.mapError(commandFailed)
    )
    const timeoutSeconds = status?.shutdownTimeoutSeconds ?? Duration.toSeconds(supervisor.shutdownTimeout)
    // Whether it was heard shows in the lock; the connection may end before the answer.
    yield* Effect.ignore(withNode(directory, (client) => client.Stop()))
    yield* awaitReleased(directory, timeoutSeconds + marginSeconds).pipe(Effect.mapError(commandFailed))
    yield* print(json, { stopped: true, pid: status?.pid ?? null }, () =>
      status === undefined ? "stopped the node" : `stopped process ${status.pid}`
    )
  })
).pipe(Command.withDescription("Stop the running node in good order and wait until it is gone"))
