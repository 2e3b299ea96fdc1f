import { assert, describe, it } from "@effect/vitest"
import { mayCheckByDefault, type LinkCandidate } from "../../src/domain/linkCandidate.ts"
import { LinkPaths } from "../../src/domain/linkPaths.ts"
import type { PathState } from "../../src/domain/linkPathState.ts"
import { LinkQueue } from "../../src/domain/linkQueue.ts"
import { defaultLinkTimings as timings } from "../../src/domain/linkTimings.ts"

const host = (n: number): LinkCandidate => ({ kind: "host", address: { host: `10.0.0.${n}`, port: 4000 } })
const relayed: LinkCandidate = { kind: "relayed", address: { host: "192.0.2.1", port: 4000 } }

const pathsTo = (candidates: ReadonlyArray<LinkCandidate>, relay = false): ReadonlyArray<PathState> => {
  const paths = new LinkPaths({
    families: { udp4: true, udp6: true },
    mayCheck: mayCheckByDefault,
    random: () => 0.5,
    timings
  })
  paths.setRemote(candidates, 0)
  paths.setRelay(relay ? 4 : undefined, 0)
  return [...paths.all()]
}

const due = (path: PathState): number => path.dueAt({ _tag: "Standby" }, undefined)

/** Takes and sends as fast as the queue allows. */
const drain = (paths: ReadonlyArray<PathState>, count: number, active?: PathState) => {
  const queue = new LinkQueue(timings)
  const taken: Array<{ readonly key: string; readonly at: number }> = []
  let now = 0
  while (taken.length < count) {
    now = Math.max(now, queue.nextAt(paths, due))
    const path = queue.take(paths, due, active, now)
    assert.isDefined(path)
    assert.isUndefined(queue.take(paths, due, active, now + 49))
    path.sent(now, true)
    taken.push({ key: path.key, at: now })
  }
  return taken
}

describe("the turn of checks", () => {
  it("comes every 50 ms, to new paths in order of priority, the second and every third relayed", () => {
    const order = drain(pathsTo([host(1), host(2), host(3), relayed], true), 7)
    assert.deepStrictEqual(
      order.map(({ key }) => key),
      [
        "udp|10.0.0.1:4000",
        "udp|192.0.2.1:4000",
        "udp|10.0.0.2:4000",
        "udp|10.0.0.3:4000",
        "relay|192.0.2.1:4000",
        "relay|10.0.0.1:4000",
        "relay|10.0.0.2:4000"
      ]
    )
    assert.deepStrictEqual(
      order.map(({ at }) => at),
      [0, 50, 100, 150, 200, 250, 300]
    )
  })

  it("comes to the active path first, then to triggered ones, then to those with consent, then to new ones", () => {
    const [active, triggered, valid, fresh, old] = pathsTo([host(1), host(2), host(3), host(4), host(5)])
    for (const one of [active, valid]) one?.answered(-10_000, 10, "10.0.0.9")
    old?.sent(-20_000, true)
    triggered?.trigger(0)
    const paths = [old, fresh, valid, triggered, active].filter((one) => one !== undefined)
    assert.deepStrictEqual(
      drain(paths, 5, active).map(({ key }) => key),
      [active, triggered, valid, fresh, old].map((one) => one?.key)
    )
  })

  it("comes to the one that has waited longest among repetitions, so that nobody starves", () => {
    const paths = pathsTo(Array.from({ length: 32 }, (_, n) => host(n + 1)))
    const counts = new Map<string, number>()
    for (const { key } of drain(paths, 32 * 4)) counts.set(key, (counts.get(key) ?? 0) + 1)
    assert.deepStrictEqual(
      [...counts.values()],
      Array.from({ length: 32 }, () => 4)
    )
  })

  it("never comes when there are no paths", () => {
    assert.strictEqual(new LinkQueue(timings).nextAt([], due), Number.POSITIVE_INFINITY)
  })
})
