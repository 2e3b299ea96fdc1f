import { assert, describe, it } from "@effect/vitest"
import { Arbitrary } from "effect"
import { candidateTtlMillis } from "../../src/domain/connectionCandidate.ts"
import {
  addressesPerPeerMax,
  type AddressSource,
  failuresMax,
  keptAddressesMax,
  keptPeersMax,
  KnownPeers,
  workedRetentionMillis
} from "../../src/domain/knownPeers.ts"
import { addressKey, formatAddress, type PeerAddress } from "../../src/domain/peerAddress.ts"
import { integer } from "../fixtures/arbitraries.ts"
import { quicAt } from "../fixtures/connectionCandidates.ts"
import { didNumber } from "../fixtures/dids.ts"

const now = 1_700_000_000_000
const alice = didNumber(1)
const at = (last: number): PeerAddress => quicAt(`192.0.2.${last}`)
const list = (peers: KnownPeers, nowMillis = now): ReadonlyArray<string> =>
  peers.addresses(alice, nowMillis).map(({ host }) => host)
const hosts = (...lasts: ReadonlyArray<number>): ReadonlyArray<string> => lasts.map((last) => `192.0.2.${last}`)
const fail = (peers: KnownPeers, address: PeerAddress, times: number, nowMillis = now): boolean => {
  let dropped = false
  for (let time = 0; time < times; time++) dropped = peers.failed(alice, address, nowMillis)
  return dropped
}

describe("the order of a member's addresses", () => {
  it("is by source, whatever was heard first", () => {
    const peers = new KnownPeers()
    assert.isTrue(peers.learn(alice, [at(5)], "mdns", now))
    assert.isTrue(peers.learn(alice, [at(4)], "exchange", now))
    assert.isTrue(peers.learn(alice, [at(3)], "session", now))
    assert.isTrue(peers.learnCandidate(alice, [at(2)], now, now))
    assert.isTrue(peers.learn(alice, [at(1)], "config", now))
    assert.deepStrictEqual(list(peers), hosts(1, 2, 3, 4, 5))
    assert.deepStrictEqual(
      peers.peers(now)[0]?.addresses.map(({ source }) => source),
      ["config", "candidate", "session", "exchange", "mdns"]
    )
  })

  it("begins with what worked, the latest first", () => {
    const peers = new KnownPeers()
    peers.learn(alice, [at(1)], "config", now)
    peers.learn(alice, [at(2), at(3)], "exchange", now)
    peers.succeeded(alice, at(3), now)
    peers.succeeded(alice, at(2), now + 1)
    assert.deepStrictEqual(list(peers), hosts(2, 3, 1))
    peers.succeeded(alice, at(3), now + 2)
    assert.deepStrictEqual(list(peers), hosts(3, 2, 1))
  })

  it("ends with what failed, and a success makes up for all failures", () => {
    const peers = new KnownPeers()
    peers.learn(alice, [at(1), at(2), at(3)], "config", now)
    peers.succeeded(alice, at(1), now)
    fail(peers, at(1), 2)
    fail(peers, at(2), 1)
    assert.deepStrictEqual(list(peers), hosts(3, 2, 1))
    peers.succeeded(alice, at(1), now)
    assert.deepStrictEqual(list(peers), hosts(1, 3, 2))
  })
})

describe("what is told", () => {
  it("is new once", () => {
    const peers = new KnownPeers()
    assert.isTrue(peers.learn(alice, [at(1), at(1)], "exchange", now))
    assert.isFalse(peers.learn(alice, [at(1)], "mdns", now))
    assert.isFalse(peers.learn(alice, [], "config", now))
    assert.isFalse(peers.learnCandidate(alice, [at(1)], now, now))
    assert.deepStrictEqual(list(peers), hosts(1))
  })

  it("is a name only when the operator tells it, and never an address where nobody is", () => {
    const peers = new KnownPeers()
    const name = quicAt("node.example")
    for (const source of ["session", "exchange", "mdns", "candidate"] as const) {
      assert.isFalse(peers.learn(alice, [name, quicAt("0.0.0.0"), quicAt("ff02::1")], source, now))
    }
    assert.isFalse(peers.learnCandidate(alice, [name, quicAt("255.255.255.255")], now, now))
    assert.isFalse(peers.learn(alice, [quicAt("::")], "config", now))
    assert.strictEqual(peers.size, 0)
    assert.isTrue(peers.learn(alice, [name], "config", now))
    assert.deepStrictEqual(list(peers), ["node.example"])
  })

  it("has an end: the worst give way to better ones, and no stranger displaces what is known to be good", () => {
    const peers = new KnownPeers()
    const many = Array.from({ length: 30 }, (_, index) => at(100 + index))
    peers.learn(alice, many, "mdns", now)
    assert.strictEqual(list(peers).length, addressesPerPeerMax)
    peers.succeeded(alice, at(1), now)
    peers.learn(alice, [at(2)], "config", now)
    peers.learnCandidate(alice, [at(3)], now, now)
    assert.deepStrictEqual(list(peers).slice(0, 3), hosts(1, 2, 3))
    assert.strictEqual(list(peers).length, addressesPerPeerMax)
    // No better than the sixteen that are there.
    assert.isFalse(peers.learn(alice, [at(4)], "mdns", now))
    assert.notInclude(list(peers), "192.0.2.4")
    // Better than one that failed.
    peers.failed(alice, at(100), now)
    assert.isTrue(peers.learn(alice, [at(4)], "mdns", now))
    assert.include(list(peers), "192.0.2.4")
    assert.notInclude(list(peers), "192.0.2.100")
  })

  it("keeps all that the operator says, and gives out as many as may be tried", () => {
    const peers = new KnownPeers()
    const many = Array.from({ length: 20 }, (_, index) => at(1 + index))
    peers.learn(alice, many, "config", now)
    assert.strictEqual(peers.peers(now)[0]?.addresses.length, 20)
    assert.strictEqual(list(peers).length, addressesPerPeerMax)
    assert.isFalse(peers.learn(alice, [at(100)], "exchange", now))
  })
})

describe("a candidate's addresses", () => {
  it("are given out while it holds, and known as new when they come again", () => {
    const peers = new KnownPeers()
    peers.learnCandidate(alice, [at(1)], now, now)
    assert.deepStrictEqual(list(peers, now + candidateTtlMillis), hosts(1))
    const later = now + candidateTtlMillis + 1
    assert.deepStrictEqual(list(peers, later), [])
    assert.isTrue(peers.learnCandidate(alice, [at(1)], later, later))
    peers.removeExpired(later)
    assert.deepStrictEqual(list(peers, later), hosts(1))
  })

  it("are replaced by the next one's, apart from what others say too", () => {
    const peers = new KnownPeers()
    peers.learn(alice, [at(2)], "exchange", now)
    peers.learnCandidate(alice, [at(1), at(2), at(3)], now, now)
    assert.isFalse(peers.learnCandidate(alice, [at(3)], now + 1, now))
    assert.deepStrictEqual(list(peers), hosts(3, 2))
    assert.isFalse(peers.learnCandidate(alice, [], now + 2, now))
    assert.deepStrictEqual(list(peers), hosts(2))
  })

  it("keep their failures from one candidate to the next", () => {
    const peers = new KnownPeers()
    peers.learnCandidate(alice, [at(1), at(2)], now, now)
    peers.failed(alice, at(1), now)
    peers.learnCandidate(alice, [at(1), at(2)], now + 1, now)
    assert.deepStrictEqual(list(peers), hosts(2, 1))
  })

  it("leave nothing behind when they expire, unless they worked", () => {
    const peers = new KnownPeers()
    peers.learnCandidate(alice, [at(1), at(2)], now, now)
    peers.learnCandidate(didNumber(2), [at(3)], now, now)
    peers.succeeded(alice, at(2), now)
    const later = now + candidateTtlMillis + 1
    peers.removeExpired(later)
    assert.deepStrictEqual(list(peers, later), hosts(2))
    assert.strictEqual(peers.size, 1)
    assert.strictEqual(peers.peers(later)[0]?.addresses[0]?.source, "session")
  })
})

describe("failures", () => {
  it("in a row drop an address, and a member that has no other", () => {
    const peers = new KnownPeers()
    peers.learn(alice, [at(1)], "exchange", now)
    assert.isFalse(fail(peers, at(1), failuresMax - 1))
    assert.deepStrictEqual(list(peers), hosts(1))
    assert.isTrue(fail(peers, at(1), 1))
    assert.deepStrictEqual(list(peers), [])
    assert.strictEqual(peers.size, 0)
  })

  it("never drop what the operator named", () => {
    const peers = new KnownPeers()
    peers.learn(alice, [at(1)], "config", now)
    assert.isFalse(fail(peers, at(1), 1000))
    assert.deepStrictEqual(list(peers), hosts(1))
  })

  it("drop what once worked only after a week, so that a node that was offline finds its way back", () => {
    const peers = new KnownPeers()
    peers.succeeded(alice, at(1), now)
    assert.isFalse(fail(peers, at(1), 1000, now + workedRetentionMillis))
    assert.deepStrictEqual(list(peers), hosts(1))
    assert.isTrue(fail(peers, at(1), 1, now + workedRetentionMillis + 1))
    assert.deepStrictEqual(list(peers), [])
  })

  it("at unknown addresses and of unknown members mean nothing", () => {
    const peers = new KnownPeers()
    assert.isFalse(fail(peers, at(1), 10))
    peers.learn(alice, [at(1)], "mdns", now)
    assert.isFalse(fail(peers, at(2), 10))
    assert.deepStrictEqual(list(peers), hosts(1))
  })
})

describe("members", () => {
  it("leave when there are too many: strangers first, then the longest unseen, never the operator's", () => {
    const peers = new KnownPeers([], 4)
    peers.learn(didNumber(1), [at(1)], "config", now)
    peers.succeeded(didNumber(2), at(2), now + 1)
    peers.succeeded(didNumber(3), at(3), now + 2)
    peers.learn(didNumber(4), [at(4)], "exchange", now + 3)
    const present = (): ReadonlyArray<number> =>
      [1, 2, 3, 4, 5, 6].filter((number) => peers.addresses(didNumber(number), now).length > 0)
    peers.learn(didNumber(5), [at(5)], "exchange", now + 4)
    assert.deepStrictEqual(present(), [1, 2, 3, 5])
    peers.succeeded(didNumber(5), at(5), now + 5)
    peers.learn(didNumber(6), [at(6)], "mdns", now + 6)
    assert.deepStrictEqual(present(), [1, 3, 5, 6])
  })

  it("that only came here leave before those who were reached", () => {
    const peers = new KnownPeers([], 2)
    peers.succeeded(didNumber(1), at(1), now)
    for (let number = 2; number < 10; number++) peers.learn(didNumber(number), [at(number)], "session", now + number)
    assert.deepStrictEqual(
      peers.peers(now).map(({ did }) => did.text),
      [didNumber(1).text, didNumber(9).text]
    )
  })

  it("are told of as they are", () => {
    const peers = new KnownPeers()
    peers.learn(alice, [at(1)], "config", now)
    peers.learn(didNumber(2), [at(2)], "exchange", now + 1)
    peers.succeeded(didNumber(2), at(2), now + 2)
    peers.learn(didNumber(2), [at(3)], "mdns", now + 3)
    peers.failed(didNumber(2), at(3), now + 3)
    assert.deepStrictEqual(peers.peers(now + 3), [
      {
        did: alice,
        configured: true,
        hadSession: false,
        lastSeenMillis: now,
        addresses: [{ address: at(1), source: "config", workedMillis: undefined, failures: 0 }]
      },
      {
        did: didNumber(2),
        configured: false,
        hadSession: true,
        lastSeenMillis: now + 2,
        addresses: [
          { address: at(2), source: "session", workedMillis: now + 2, failures: 0 },
          { address: at(3), source: "mdns", workedMillis: undefined, failures: 1 }
        ]
      }
    ])
    assert.isTrue(peers.remove(alice))
    assert.isFalse(peers.remove(alice))
    assert.strictEqual(peers.size, 1)
  })
})

describe("what is kept", () => {
  it("are the members that were met, last seen first, without what is said anew anyway", () => {
    const peers = new KnownPeers()
    peers.learn(didNumber(9), [at(9)], "exchange", now)
    peers.succeeded(alice, at(1), now)
    peers.learn(alice, [at(2)], "exchange", now)
    peers.learn(alice, [at(3)], "config", now)
    peers.learnCandidate(alice, [at(4)], now, now)
    peers.succeeded(didNumber(2), at(5), now + 1)
    assert.deepStrictEqual(peers.kept(now), [
      {
        did: didNumber(2),
        lastSeenMillis: now + 1,
        addresses: [{ address: at(5), source: "session", workedMillis: now + 1 }]
      },
      {
        did: alice,
        lastSeenMillis: now,
        addresses: [
          { address: at(1), source: "session", workedMillis: now },
          { address: at(2), source: "exchange", workedMillis: undefined }
        ]
      }
    ])
  })

  it("includes those who came here, after those who were reached", () => {
    const peers = new KnownPeers()
    peers.succeeded(alice, at(1), now)
    peers.learn(didNumber(2), [at(2)], "session", now + 1)
    peers.learn(didNumber(3), [at(3)], "session", now + 2)
    peers.learn(didNumber(2), [at(2)], "session", now + 3)
    assert.deepStrictEqual(
      peers.kept(now).map(({ did, lastSeenMillis }) => [did.text, lastSeenMillis]),
      [
        [alice.text, now],
        [didNumber(2).text, now + 3],
        [didNumber(3).text, now + 2]
      ]
    )
    assert.deepStrictEqual(new KnownPeers(peers.kept(now)).kept(now), peers.kept(now))
  })

  it("is bounded, and the least recently seen are left out", () => {
    const peers = new KnownPeers()
    for (let number = 0; number < keptPeersMax + 3; number++) peers.succeeded(didNumber(number), at(1), now + number)
    const last = didNumber(keptPeersMax + 2)
    for (let index = 0; index < addressesPerPeerMax; index++) peers.succeeded(last, at(index), now + 10_000 + index)
    const kept = peers.kept(now)
    assert.strictEqual(kept.length, keptPeersMax)
    assert.strictEqual(kept[0]?.did.text, last.text)
    assert.strictEqual(kept[0]?.addresses.length, keptAddressesMax)
    assert.strictEqual(kept.at(-1)?.did.text, didNumber(3).text)
  })

  it("makes the same members again", () => {
    const peers = new KnownPeers()
    peers.succeeded(alice, at(1), now)
    peers.succeeded(alice, at(2), now + 1)
    peers.learn(alice, [at(3)], "mdns", now)
    const again = new KnownPeers(peers.kept(now))
    assert.deepStrictEqual(list(again), hosts(2, 1, 3))
    assert.deepStrictEqual(again.kept(now), peers.kept(now))
    assert.deepStrictEqual(again.peers(now), peers.peers(now))
  })
})

describe("KnownPeers", () => {
  const sources: ReadonlyArray<AddressSource> = ["config", "session", "exchange", "mdns"]
  const step = Arbitrary.all([integer(0, 5), integer(1, 6), integer(1, 25), integer(0, 100_000), integer(0, 3)])

  it.prop(
    "holds its limits and never gives an address twice, whatever happens",
    [Arbitrary.array(step, { minLength: 1, maxLength: 80 })],
    ([steps]) => {
      const peers = new KnownPeers([], 4)
      const configured = new Set<string>()
      let time = now
      for (const [action, member, last, advance, which] of steps) {
        time += advance
        const did = didNumber(member)
        const some = Array.from({ length: last }, (_, index) => at(index))
        const source = sources[which] ?? "mdns"
        if (action === 0) {
          const before = new Set(peers.addresses(did, time).map(addressKey))
          const isNew = peers.learn(did, some, source, time)
          if (source === "config") configured.add(did.text)
          const gained = peers.addresses(did, time).some((address) => !before.has(addressKey(address)))
          if (gained) assert.isTrue(isNew)
        } else if (action === 1) peers.learnCandidate(did, some, time, time)
        else if (action === 2) {
          peers.succeeded(did, at(last), time)
          assert.strictEqual(formatAddress(peers.addresses(did, time)[0] ?? at(0)), formatAddress(at(last)))
        } else if (action === 3) peers.failed(did, at(last), time)
        else if (action === 4) peers.removeExpired(time)
        else peers.remove(did)
        if (action === 5) configured.delete(did.text)
        assert.isAtMost(peers.size, Math.max(4, configured.size + 1))
        for (const peer of peers.peers(time)) {
          const given = peers.addresses(peer.did, time)
          assert.isAtMost(given.length, addressesPerPeerMax)
          assert.strictEqual(new Set(given.map(addressKey)).size, given.length)
          assert.strictEqual(peer.configured, configured.has(peer.did.text))
        }
        for (const text of configured) assert.isTrue(peers.peers(time).some(({ did }) => did.text === text))
      }
    },
    { arbitrary: { runs: 50, size: 1000 } }
  )
})
