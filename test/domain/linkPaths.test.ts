import { assert, describe, it } from "@effect/vitest"
import { mayCheckByDefault, type LinkCandidate } from "../../src/domain/linkCandidate.ts"
import { LinkPaths, unlistedPathsMax } from "../../src/domain/linkPaths.ts"
import { defaultLinkTimings as timings } from "../../src/domain/linkTimings.ts"

const at = (kind: LinkCandidate["kind"], host: string, port = 4000): LinkCandidate => ({
  kind,
  address: { host, port }
})
const make = (families = { udp4: true, udp6: true }) =>
  new LinkPaths({ families, mayCheck: mayCheckByDefault, random: () => 0.5, timings })
const keys = (paths: LinkPaths): ReadonlyArray<string> => Array.from(paths.all(), ({ key }) => key).toSorted()
const nobody = () => false
const from = (port: number) => ({ host: "203.0.113.9", port })
const isThird = ({ remote }: { readonly remote: { readonly port: number } }) => remote.port === 3

describe("the paths of a link", () => {
  it("go to each candidate over each base that can get there and may", () => {
    const paths = make()
    paths.setRemote(
      [at("host", "10.0.0.2"), at("host", "fd00::2"), at("host", "127.0.0.1"), at("host", "224.0.0.1")],
      0
    )
    assert.deepStrictEqual(keys(paths), ["udp|10.0.0.2:4000", "udp|[fd00::2]:4000"])
    paths.setRelay(4, 0)
    assert.deepStrictEqual(keys(paths), ["relay|10.0.0.2:4000", "udp|10.0.0.2:4000", "udp|[fd00::2]:4000"])
    paths.setRelay(undefined, 0)
    assert.deepStrictEqual(keys(paths), ["udp|10.0.0.2:4000", "udp|[fd00::2]:4000"])
    const four = make({ udp4: true, udp6: false })
    four.setRemote([at("host", "10.0.0.2"), at("host", "fd00::2")], 0)
    assert.deepStrictEqual(keys(four), ["udp|10.0.0.2:4000"])
    const six = new LinkPaths({
      families: { udp4: false, udp6: false },
      mayCheck: mayCheckByDefault,
      random: () => 0,
      timings
    })
    six.setRelay(6, 0)
    six.setRemote([at("host", "fd00::2")], 0)
    six.setRemote([at("host", "10.0.0.2"), at("host", "fd00::2")], 0)
    assert.deepStrictEqual(keys(six), ["relay|[fd00::2]:4000"])
    six.setRelay(4, 0)
    assert.deepStrictEqual(keys(six), ["relay|10.0.0.2:4000"])
  })

  it("of withdrawn candidates stay while they have consent", () => {
    const paths = make()
    paths.setRemote([at("host", "10.0.0.2"), at("host", "10.0.0.3")], 0)
    paths.get("udp", { host: "10.0.0.2", port: 4000 })?.answered(0, 10, "10.0.0.1")
    paths.setRemote([at("host", "10.0.0.4")], 0)
    assert.deepStrictEqual(keys(paths), ["udp|10.0.0.2:4000", "udp|10.0.0.4:4000"])
    assert.deepStrictEqual(
      Array.from(paths.all(), ({ listed }) => listed),
      [false, true]
    )
  })

  it("of withdrawn candidates stay few, however often the peer changes them and answers at all", () => {
    const paths = make()
    const inUse = "udp|10.0.0.1:1"
    for (let round = 0; round < 20; round++) {
      const candidates = Array.from({ length: 32 }, (_, index) => at("host", "10.0.0.1", 1 + 32 * round + index))
      paths.setRemote(candidates, round, ({ key }) => key === inUse)
      for (const path of paths.all()) if (path.listed) path.answered(round, 10, "10.0.0.2")
    }
    assert.strictEqual(paths.size, 32 + unlistedPathsMax + 1)
    assert.include(keys(paths), inUse)
    // The latest of them.
    assert.include(keys(paths), `udp|10.0.0.1:${1 + 32 * 18}`)
    assert.notInclude(keys(paths), `udp|10.0.0.1:${1 + 32 * 17}`)
  })

  it("keep their state when they are named again, perhaps as another kind", () => {
    const paths = make()
    const revealed = paths.reveal("udp", from(1), "peerReflexive", 0, nobody)
    paths.setRemote([{ kind: "relayed", address: from(1) }], 0)
    assert.strictEqual(paths.get("udp", from(1)), revealed)
    assert.strictEqual(revealed?.relays, 1)
    assert.strictEqual(paths.reveal("udp", from(1), "peerReflexive", 0, nobody)?.remoteKind, "relayed")
  })

  it("that requests reveal are few, and give way unless they have consent or are spoken for", () => {
    const paths = make()
    for (let port = 1; port <= unlistedPathsMax; port++) {
      const path = paths.reveal("udp", from(port), "peerReflexive", 0, nobody)
      if (port !== 3 && port !== 4) path?.answered(0, 10, "10.0.0.1")
    }
    assert.isDefined(paths.reveal("udp", from(100), "peerReflexive", 0, isThird))
    assert.isUndefined(paths.get("udp", from(4)))
    paths.get("udp", from(100))?.answered(0, 10, "10.0.0.1")
    assert.isUndefined(paths.reveal("udp", from(101), "peerReflexive", 0, isThird))
    assert.strictEqual(paths.size, unlistedPathsMax)
  })

  it("are not revealed where nothing may be sent", () => {
    const paths = make()
    assert.isUndefined(paths.reveal("udp", { host: "127.0.0.1", port: 1 }, "peerReflexive", 0, nobody))
    assert.isUndefined(paths.reveal("relay", from(1), "peerReflexive", 0, nobody))
    assert.strictEqual(paths.size, 0)
  })

  it("that nobody names are forgotten after five rounds without an answer", () => {
    const paths = make()
    const path = paths.reveal("udp", from(1), "peerReflexive", 0, nobody)
    assert.isDefined(path)
    for (let now = 0; path.cycles < 5; now += 100) {
      paths.forgetUnlisted(nobody)
      assert.strictEqual(paths.size, 1)
      path.sent(now, true)
    }
    paths.forgetUnlisted(() => true)
    assert.strictEqual(paths.size, 1)
    paths.forgetUnlisted(nobody)
    assert.strictEqual(paths.size, 0)
  })
})

describe("checks under way", () => {
  it("are known by their id until they or a later one of their path are answered", () => {
    const paths = make()
    paths.setRemote([at("host", "10.0.0.2"), at("host", "10.0.0.3")], 0)
    const [one, other] = [...paths.all()]
    assert.isDefined(one)
    assert.isDefined(other)
    const ids = [paths.launch(one, 0), paths.launch(other, 1), paths.launch(one, 2), paths.launch(one, 3)]
    assert.strictEqual(new Set(ids).size, 4)
    assert.deepStrictEqual(paths.flight(ids[2] ?? 0), { path: one, sentAt: 2 })
    paths.land(one, ids[2] ?? 0)
    assert.deepStrictEqual(
      ids.map((id) => paths.flight(id)?.sentAt),
      [undefined, 1, undefined, 3]
    )
    assert.strictEqual(paths.inFlight, 2)
    paths.delete(one)
    assert.strictEqual(paths.inFlight, 1)
    assert.isUndefined(paths.flight(99))
  })

  it("are at most eight per path", () => {
    const paths = make()
    paths.setRemote([at("host", "10.0.0.2")], 0)
    const [one] = [...paths.all()]
    assert.isDefined(one)
    const ids = Array.from({ length: 20 }, (_, now) => paths.launch(one, now))
    assert.strictEqual(paths.inFlight, 8)
    assert.isUndefined(paths.flight(ids[11] ?? 0))
    assert.isDefined(paths.flight(ids[12] ?? 0))
  })
})
