import { assert, describe, it } from "@effect/vitest"
import {
  checkPriority,
  kindOf,
  type LinkBase,
  pairPriority,
  pathKey,
  rankOf,
  relaysOf,
  revealedKind
} from "../../src/domain/linkPath.ts"
import type { LinkCandidateKind } from "../../src/domain/linkCandidate.ts"

const own = new Set(["10.0.0.1"])

const rank = (base: LinkBase, kind: LinkCandidateKind, mapped: string): number =>
  rankOf({ kind: kindOf(base, kind, mapped, own), relays: relaysOf(base, kind) })

const isInOrder = (priorities: ReadonlyArray<number>): boolean =>
  priorities.every((one, index) => one < (priorities[index - 1] ?? Number.POSITIVE_INFINITY))

describe("a path", () => {
  it("is named by base and remote address", () => {
    assert.strictEqual(pathKey("udp", { host: "10.0.0.2", port: 4 }), "udp|10.0.0.2:4")
    assert.strictEqual(pathKey("relay", { host: "2001:db8::1", port: 4 }), "relay|[2001:db8::1]:4")
  })

  it("is direct between two interfaces, reflexive through a NAT of either side, else relayed", () => {
    assert.strictEqual(kindOf("udp", "host", "10.0.0.1", own), "direct")
    assert.strictEqual(kindOf("udp", "host", undefined, own), "direct")
    assert.strictEqual(kindOf("udp", "host", "203.0.113.1", own), "reflexive")
    assert.strictEqual(kindOf("udp", "serverReflexive", "10.0.0.1", own), "reflexive")
    assert.strictEqual(kindOf("udp", "peerReflexive", "10.0.0.1", own), "reflexive")
    assert.strictEqual(kindOf("udp", "relayed", "10.0.0.1", own), "relayed")
    for (const kind of ["host", "serverReflexive", "peerReflexive", "relayed"] as const) {
      assert.strictEqual(kindOf("relay", kind, "10.0.0.1", own), "relayed")
    }
  })

  it("ranks by kind, and two relays below one", () => {
    const ranks = [
      rank("udp", "host", "10.0.0.1"),
      rank("udp", "serverReflexive", "10.0.0.1"),
      rank("udp", "relayed", "10.0.0.1"),
      rank("relay", "relayed", "10.0.0.1")
    ]
    assert.deepStrictEqual(ranks, [3, 2, 1, 0])
    assert.strictEqual(rank("relay", "host", "10.0.0.1"), 1)
  })

  it("is checked the sooner the likelier it is good", () => {
    assert.isTrue(
      isInOrder([
        pairPriority("udp", "host", "10.0.0.2", 0),
        pairPriority("udp", "host", "10.0.0.3", 1),
        pairPriority("udp", "peerReflexive", "203.0.113.1", 0),
        pairPriority("udp", "serverReflexive", "203.0.113.1", 0)
      ])
    )
    assert.isTrue(
      isInOrder([
        pairPriority("udp", "relayed", "192.0.2.1", 31),
        pairPriority("relay", "serverReflexive", "203.0.113.1", 5),
        pairPriority("relay", "relayed", "192.0.2.1", 31),
        pairPriority("relay", "host", "10.0.0.2", 0)
      ])
    )
  })

  it("is revealed to be relayed by the priority of its checks", () => {
    assert.strictEqual(revealedKind(checkPriority("udp")), "peerReflexive")
    assert.strictEqual(revealedKind(checkPriority("relay")), "relayed")
    for (const base of ["udp", "relay"] as const) assert.isAtMost(checkPriority(base), 0xffff_ffff)
    assert.strictEqual(checkPriority("udp"), 110 * 2 ** 24 + 65_535 * 2 ** 8 + 255)
  })
})
