/**
 * A member that publishes and listens: gossip over QUIC sessions. Its clock is the machine's monotonic one, which all
 * processes read alike, so that a message can say when it was sent.
 */
import { Effect, Layer, ManagedRuntime, Schema, Scope, Stream } from "effect"
import { hrtime } from "node:process"
import * as GossipLibp2p from "../../../src/layers/GossipLibp2p.ts"
import { Gossip, type GossipTopic } from "../../../src/services/Gossip.ts"
import type { Request, Response } from "../messages.ts"
import { dialAt, ownAddress, sessionsOn } from "./sessions.ts"

const Timed = Schema.Struct({ sentAtMillis: Schema.Finite, text: Schema.String })
const topic: GossipTopic<typeof Timed.Type> = { name: "bench:timed", schema: Timed }

const nowMillis = (): number => Number(hrtime.bigint()) / 1e6

const layer = GossipLibp2p.layer().pipe(Layer.provideMerge(sessionsOn({ transports: ["quic"] })))
const runtime = ManagedRuntime.make(layer)
const scope = Scope.makeUnsafe()
let deliveries: Array<number> = []

const listen = Effect.gen(function* () {
  const messages = yield* Gossip.use((gossip) => gossip.subscribe(topic))
  yield* Effect.forkScoped(
    Stream.runForEach(messages, ({ message }) =>
      Effect.sync(() => void deliveries.push(nowMillis() - message.sentAtMillis))
    )
  )
  return yield* ownAddress
})

const publish = Effect.fnUntraced(function* (bytes: number, count: number, everyMillis: number) {
  const gossip = yield* Gossip
  const text = "x".repeat(bytes)
  const startedAt = nowMillis()
  for (let index = 0; index < count; index++) {
    yield* Effect.sleep(Math.max(0, startedAt + index * everyMillis - nowMillis()))
    yield* gossip.publish(topic, { sentAtMillis: nowMillis(), text })
  }
})

const neighbours = Effect.map(
  Gossip.use((gossip) => gossip.topics),
  (topics) => topics.find(({ name }) => name === topic.name)?.neighbours ?? 0
)

export const perform = async (request: Request): Promise<Response> => {
  switch (request._tag) {
    case "Listen":
      return { _tag: "Listening", address: await runtime.runPromise(Scope.provide(listen, scope)) }
    case "Connect":
      await runtime.runPromise(dialAt(request.address))
      return { _tag: "Done" }
    case "Neighbours":
      return { _tag: "Counted", count: await runtime.runPromise(neighbours) }
    case "Publish":
      await runtime.runPromise(publish(request.bytes, request.count, request.everyMillis))
      return { _tag: "Done" }
    case "Deliveries": {
      const millis = deliveries
      deliveries = []
      return { _tag: "Delivered", millis }
    }
    case "Flow":
    case "RoundTrips":
    case "Cpu":
    case "Cycle":
    case "Memory":
      throw new Error(`${request._tag} is not for gossip`)
  }
}
