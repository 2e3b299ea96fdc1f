/**
 * The `session_log` actor: one line for each session that opens, ends or takes another path, so that the log tells who
 * was there when.
 */
import { Effect, Stream } from "effect"
import { type SessionEvent, SessionManager, type SessionPath } from "../services/SessionManager.ts"

const pathText = ({ kind, remoteAddress, transport }: SessionPath): string =>
  `${kind} over ${transport}, ${remoteAddress}`

export const sessionLine = (event: SessionEvent): string => {
  switch (event._tag) {
    case "Opened": {
      const { did, direction, path } = event.session
      return `session with ${did.text} (${direction}; ${pathText(path)})`
    }
    case "Closed":
      return `session with ${event.did.text} ended: ${event.reason}`
    case "PathChanged":
      return `session with ${event.did.text} is now ${pathText(event.path)}`
  }
}

export const sessionLog = Effect.fnUntraced(function* (ready: Effect.Effect<void>) {
  const sessions = yield* SessionManager
  const events = yield* Stream.toQueue(sessions.events, { capacity: 256, strategy: "sliding" })
  yield* ready
  return yield* Stream.runForEach(Stream.fromQueue(events), (event) => Effect.logInfo(sessionLine(event)))
})
