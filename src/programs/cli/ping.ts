/**
 * `icn-node ping`: measures the round trip to a member again and again, and tells each as it comes. Exit code 1 when
 * none was answered.
 */
import { Clock, Console, Effect } from "effect"
import { Command, Flag } from "effect/cli"
import type { Did } from "../../domain/did.ts"
import type { SessionError } from "../../services/SessionManager.ts"
import { type Client, workWithNode } from "../rpc/client.ts"
import { configFlag, dataDirectory, dataDirFlag } from "./dataDir.ts"
import { failing } from "./failing.ts"
import { didArgument, milliseconds } from "./member.ts"
import { CommandFailed, exitCodes } from "./output.ts"

/** As ping(8) has it; a faster flood measures the machine. */
const intervalMillisDefault = 1000
const countDefault = 4
const countMax = 1_000_000
const intervalMillisMax = 3_600_000

const count = Flag.Int("count").pipe(
  Flag.withAlias("n"),
  Flag.withDescription(`How many round trips to measure; ${countDefault} unless given`),
  Flag.filter(
    (value) => value >= 1 && value <= countMax,
    () => `a number from 1 to ${countMax}`
  ),
  Flag.withDefault(countDefault)
)

const interval = Flag.Int("interval").pipe(
  Flag.withMetavar("ms"),
  Flag.withDescription(`Milliseconds from one to the next; ${intervalMillisDefault} unless given`),
  Flag.filter(
    (value) => value >= 0 && value <= intervalMillisMax,
    () => `a number of milliseconds from 0 to ${intervalMillisMax}`
  ),
  Flag.withDefault(intervalMillisDefault)
)

const json = Flag.Boolean("json").pipe(
  Flag.withDescription("Print one JSON document per round trip instead of text"),
  Flag.withDefault(false)
)

/** Waiting does not help against these. */
const isHopeless = ({ reason }: SessionError): boolean => reason._tag === "PeerUnknown" || reason._tag === "PeerIsSelf"

/** One round trip, told; undefined when it was lost. */
const once = Effect.fnUntraced(function* (client: Client, did: Did, number: number, json: boolean) {
  return yield* client.Ping({ did }).pipe(
    Effect.tap((answer) =>
      Console.log(
        json
          ? JSON.stringify(answer)
          : `answer ${number} from ${answer.path.remoteAddress} (${answer.path.kind}): ${milliseconds(answer.rttMs)}`
      )
    ),
    Effect.map(({ rttMs }): number | undefined => rttMs),
    Effect.catchTag("SessionError", (error) =>
      isHopeless(error)
        ? Effect.fail(error)
        : Effect.as(
            Console.log(
              json
                ? JSON.stringify({ did: did.text, rttMs: null, path: null, error: error.message })
                : `${number} lost: ${error.message}`
            ),
            undefined
          )
    )
  )
})

const summary = (sent: number, answered: ReadonlyArray<number>): string => {
  const head = `${sent} sent, ${answered.length} answered, ${sent - answered.length} lost`
  if (answered.length === 0) return head
  const average = answered.reduce((sum, millis) => sum + millis, 0) / answered.length
  const range = [Math.min(...answered), average, Math.max(...answered)].map(milliseconds).join(" / ")
  return `${head}\nmin / avg / max ${range}`
}

export const ping = Command.make(
  "ping",
  { did: didArgument, count, interval, config: configFlag, dataDir: dataDirFlag, json },
  Effect.fnUntraced(function* ({ config, count, dataDir, did, interval, json }) {
    const directory = yield* dataDirectory({ config, dataDir })
    const answered: Array<number> = []
    const measure = Effect.fnUntraced(function* (client: Client) {
      if (!json) yield* Console.log(`pinging ${did.text}`)
      for (let number = 1; number <= count; number++) {
        const begun = yield* Clock.currentTimeMillis
        const rttMs = yield* once(client, did, number, json)
        if (rttMs !== undefined) answered.push(rttMs)
        if (number < count) yield* Effect.sleep(Math.max(0, begun + interval - (yield* Clock.currentTimeMillis)))
      }
    })
    yield* workWithNode(directory, measure).pipe(failing(json))
    if (!json) yield* Console.log(summary(count, answered))
    if (answered.length === 0) return yield* new CommandFailed({ text: "", exitCode: exitCodes.failed })
  })
).pipe(
  Command.withDescription("Measure the round trip to a member, dialling when needed"),
  Command.withExamples([
    { command: "icn-node ping did:key:z6Mk… --count 10", description: "Ten round trips, one per second" },
    { command: "icn-node ping did:key:z6Mk… --interval 100 --json", description: "As JSON lines, ten per second" }
  ])
)
