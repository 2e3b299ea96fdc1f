import { assert, describe } from "@effect/vitest"
import { Effect, Logger } from "effect"
import { connectAll, forge, makeCoop, makeNode, pays, until, worldTest } from "../../fixtures/ledgerSyncNodes.ts"

/** What was logged, with its level in front. */
const capture = () => {
  const lines: Array<string> = []
  const logger = Logger.make(({ logLevel, message }) => void lines.push(`${logLevel} ${String(message)}`))
  return { lines, layer: Logger.layer([logger]) }
}

describe("forkTell", () => {
  worldTest("tells the operator of a fork of his own member, and again at each start", (world) => {
    const { layer, lines } = capture()
    const own = () => lines.filter((line) => line.startsWith("Error two chains were written with this node's own key"))
    return Effect.gen(function* () {
      const { info, nodes } = yield* makeCoop(world, 2)
      const [a, b] = nodes
      if (a === undefined || b === undefined) return
      yield* connectAll(nodes)
      // The backup writes while nobody is there, and then somebody comes who knows better.
      const elsewhere = yield* forge(b, 2, { kind: "transfer" }, { legs: pays(b.account, a.account, 1) })
      yield* a.ledger.receive([elsewhere], "each")
      yield* b.ledger.ownChainChecked
      yield* b.ledger.transfer({ to: a.account, amount: 2 })
      yield* b.start
      yield* a.start
      yield* until(Effect.map(b.ledger.forks, ({ length }) => length === 1))
      yield* until(Effect.sync(() => own().length === 1))
      assert.include(own()[0], "from entry 0 on")
      yield* until(
        Effect.sync(() =>
          lines.some((line) => line === `Warn a member has written two chains: ${b.did.text}, from entry 0 on`)
        )
      )
      const refused = yield* b.ledger.transfer({ to: a.account, amount: 3 })
      assert.deepInclude(refused, { _tag: "Refused", reason: "ownChainForked" })
      const known = yield* a.ledger.missing([], { version: 0, max: 100, bytesMax: 1e6 })
      yield* b.stop
      const again = yield* makeNode(world, 2)
      yield* again.ledger.serve(info.genesis)
      yield* again.ledger.receive(known.entries, "each")
      yield* again.start
      yield* until(Effect.sync(() => own().length === 2))
      yield* Effect.sleep(200_000)
      assert.lengthOf(own(), 2)
    }).pipe(Effect.provide(layer))
  })
})
