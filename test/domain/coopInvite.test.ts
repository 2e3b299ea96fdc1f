import { assert, describe, it } from "@effect/vitest"
import {
  inviteAddresses,
  inviteAddressesMax,
  inviteClockSkewMillis,
  isLongExpired
} from "../../src/domain/coopInvite.ts"
import { hostAt, quicAt } from "../fixtures/connectionCandidates.ts"

const hosts = (addresses: ReturnType<typeof inviteAddresses>) => addresses.map(({ host }) => host)

describe("the addresses in an invitation", () => {
  it("are where the node listens, the farthest reaching first, each once", () => {
    const candidate = { addresses: [hostAt("10.0.0.1"), hostAt("192.0.2.1")] }
    const listening = [quicAt("127.0.0.1"), quicAt("10.0.0.1"), quicAt("2001:db8::1")]
    assert.deepStrictEqual(hosts(inviteAddresses(candidate, listening)), [
      "192.0.2.1",
      "2001:db8::1",
      "10.0.0.1",
      "127.0.0.1"
    ])
  })

  it("are none at which nobody can be dialled", () => {
    const mapped = { kind: "reflexive", address: quicAt("198.51.100.1", 40_000) } as const
    const listening = ["0.0.0.0", "fe80::1", "::", "224.0.0.1", "node.example"].map((host) => quicAt(host))
    assert.deepStrictEqual(inviteAddresses({ addresses: [mapped] }, listening), [])
  })

  it("are few, and of every reach, on a machine with many", () => {
    const many = Array.from({ length: 50 }, (_, index) => [
      quicAt(`192.0.2.${index}`),
      quicAt(`10.0.0.${index}`),
      quicAt(`127.0.0.${index}`)
    ]).flat()
    const chosen = hosts(inviteAddresses({ addresses: [] }, many))
    assert.strictEqual(chosen.length, inviteAddressesMax)
    for (const start of ["192.", "10.", "127."]) assert.isTrue(chosen.some((host) => host.startsWith(start)))
  })
})

describe("an invitation", () => {
  it("is called expired where it is by any clock", () => {
    assert.isFalse(isLongExpired({ expiresAtMillis: 5 }, 5 + inviteClockSkewMillis))
    assert.isTrue(isLongExpired({ expiresAtMillis: 5 }, 6 + inviteClockSkewMillis))
  })
})
