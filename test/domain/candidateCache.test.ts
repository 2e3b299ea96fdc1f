import { assert, describe, it } from "@effect/vitest"
import { Arbitrary } from "effect"
import { CandidateCache, mayBeTold } from "../../src/domain/candidateCache.ts"
import {
  candidateFutureMaxMillis,
  candidateTtlMillis,
  type ConnectionCandidate
} from "../../src/domain/connectionCandidate.ts"
import { integer } from "../fixtures/arbitraries.ts"
import { candidateOf } from "../fixtures/connectionCandidates.ts"
import { didNumber } from "../fixtures/dids.ts"

const now = 1_700_000_000_000
const heard = (candidate: ConnectionCandidate, via: "public" | "private" | "loopback" = "public") => ({
  candidate,
  via
})
const numbers = (cache: CandidateCache, at: number): ReadonlyArray<string> =>
  cache.newest(at).map(({ candidate }) => candidate.did.text)
const text = (number: number): string => didNumber(number).text

describe("CandidateCache", () => {
  it("keeps the newest statement of a member", () => {
    const cache = new CandidateCache()
    assert.strictEqual(cache.store(heard(candidateOf(1, now, "192.0.2.1")), now), "stored")
    assert.strictEqual(cache.store(heard(candidateOf(1, now, "192.0.2.2")), now), "older")
    assert.strictEqual(cache.store(heard(candidateOf(1, now - 1, "192.0.2.3")), now), "older")
    assert.strictEqual(cache.get(didNumber(1), now)?.candidate.addresses[0]?.address.host, "192.0.2.1")
    assert.strictEqual(cache.store(heard(candidateOf(1, now + 1, "192.0.2.4")), now), "stored")
    assert.strictEqual(cache.get(didNumber(1), now)?.candidate.addresses[0]?.address.host, "192.0.2.4")
    assert.strictEqual(cache.size, 1)
  })

  it("takes the same statement again when it comes by a closer way", () => {
    const cache = new CandidateCache()
    const candidate = candidateOf(1, now, "10.0.0.1")
    cache.store(heard(candidate, "private"), now)
    assert.strictEqual(cache.store(heard(candidate, "public"), now), "older")
    assert.strictEqual(cache.store(heard(candidate, "private"), now), "older")
    assert.strictEqual(cache.store(heard(candidate, "loopback"), now), "stored")
    assert.strictEqual(cache.get(didNumber(1), now)?.via, "loopback")
    assert.strictEqual(cache.store(heard(candidateOf(1, now, "10.0.0.2"), "loopback"), now), "older")
  })

  it("never gives back what has expired, before and after it is removed", () => {
    const cache = new CandidateCache()
    cache.store(heard(candidateOf(1, now, "192.0.2.1")), now)
    assert.isDefined(cache.get(didNumber(1), now + candidateTtlMillis))
    const later = now + candidateTtlMillis + 1
    assert.isUndefined(cache.get(didNumber(1), later))
    assert.deepStrictEqual(cache.newest(later), [])
    assert.strictEqual(cache.size, 1)
    assert.strictEqual(cache.removeExpired(later), 1)
    assert.strictEqual(cache.removeExpired(later), 0)
    assert.strictEqual(cache.size, 0)
    assert.strictEqual(cache.expiredCount, 1)
    assert.strictEqual(cache.store(heard(candidateOf(1, now, "192.0.2.1")), later), "expired")
  })

  it("refuses a clock too far ahead", () => {
    const cache = new CandidateCache()
    const ahead = candidateOf(1, now + candidateFutureMaxMillis + 1, "192.0.2.1")
    assert.strictEqual(cache.store(heard(ahead), now), "future")
    assert.strictEqual(cache.store(heard(ahead), now + 1), "stored")
  })

  it("gives way to a newcomer with what has expired first, then with the oldest", () => {
    const cache = new CandidateCache(3)
    const expired = now - candidateTtlMillis
    for (const [number, at] of [
      [1, expired],
      [2, now - 10],
      [3, now - 20]
    ] as const) {
      assert.strictEqual(cache.store(heard(candidateOf(number, at, "192.0.2.1")), now), "stored")
    }
    cache.store(heard(candidateOf(4, now, "192.0.2.1")), now + 1)
    assert.deepStrictEqual(numbers(cache, now + 1), [text(4), text(2), text(3)])
    cache.store(heard(candidateOf(5, now, "192.0.2.1")), now + 1)
    assert.deepStrictEqual(new Set(numbers(cache, now + 1)), new Set([text(4), text(5), text(2)]))
    // Who is known already takes nobody's place.
    cache.store(heard(candidateOf(5, now + 1, "192.0.2.1")), now + 1)
    assert.strictEqual(cache.size, 3)
    assert.isDefined(cache.get(didNumber(2), now + 1))
  })

  it("forgets a member", () => {
    const cache = new CandidateCache()
    cache.store(heard(candidateOf(1, now, "192.0.2.1")), now)
    assert.isTrue(cache.remove(didNumber(1)))
    assert.isFalse(cache.remove(didNumber(1)))
    assert.isUndefined(cache.get(didNumber(1), now))
  })

  const limit = 4
  const candidates = Array.from({ length: 8 }, (_, number) =>
    Array.from({ length: 40 }, (_, tick) => candidateOf(number, now + tick * 10_000, "192.0.2.1"))
  )
  const step = Arbitrary.all([integer(0, 7), integer(0, 39), integer(0, 20_000), integer(0, 9)])

  it.prop(
    "says and holds what a naive list says and holds",
    [Arbitrary.array(step, { minLength: 1, maxLength: 60 })],
    ([steps]) => {
      const cache = new CandidateCache(limit)
      let model: Array<ConnectionCandidate> = []
      let at = now
      for (const [number, tick, advance, action] of steps) {
        at += advance
        const candidate = candidates[number]?.[tick]
        if (candidate === undefined) throw new Error("no such candidate")
        const present = model.find(({ did }) => did.text === candidate.did.text)
        const fresh = model.filter(({ timestamp }) => at - timestamp <= candidateTtlMillis)
        if (action === 0) {
          assert.strictEqual(cache.removeExpired(at), model.length - fresh.length)
          model = fresh
        } else if (action === 1) {
          assert.strictEqual(cache.remove(candidate.did), present !== undefined)
          model = model.filter((one) => one !== present)
        } else {
          const age = at - candidate.timestamp
          const expected =
            -age > candidateFutureMaxMillis
              ? "future"
              : age > candidateTtlMillis
                ? "expired"
                : present !== undefined && present.timestamp >= candidate.timestamp
                  ? "older"
                  : "stored"
          assert.strictEqual(cache.store(heard(candidate), at), expected)
          if (expected === "stored") {
            if (present === undefined && model.length === limit) {
              const oldest = Math.min(...model.map(({ timestamp }) => timestamp))
              const first = model.findIndex(({ timestamp }) => timestamp === oldest)
              model = fresh.length < model.length ? fresh : model.filter((_, index) => index !== first)
            }
            // Like a Map: who is replaced keeps the place.
            if (present === undefined) model.push(candidate)
            else model[model.indexOf(present)] = candidate
          }
        }
        assert.strictEqual(cache.size, model.length)
        assert.isAtMost(cache.size, limit)
        const holding = model.filter(({ timestamp }) => at - timestamp <= candidateTtlMillis)
        const known = cache.newest(at).map(({ candidate }) => candidate)
        assert.sameMembers([...known], holding)
        assert.isTrue(known.every(({ timestamp }, index) => timestamp <= (known[index - 1]?.timestamp ?? Infinity)))
        for (const one of model)
          assert.strictEqual(
            cache.get(one.did, at)?.candidate,
            holding.find((h) => h === one)
          )
      }
    },
    { arbitrary: { runs: 200, size: 1000 } }
  )
})

describe("mayBeTold", () => {
  const both = candidateOf(1, now, "10.0.0.1", "192.0.2.1")

  it("lets no address become believable by a detour", () => {
    // A stranger on the internet names a private address: told on inside the network, it would be believed.
    assert.isFalse(mayBeTold(heard(both, "public"), "private"))
    assert.isFalse(mayBeTold(heard(both, "public"), "loopback"))
  })

  it("lets everything be told where nothing more would be believed", () => {
    assert.isTrue(mayBeTold(heard(both, "public"), "public"))
    assert.isTrue(mayBeTold(heard(both, "private"), "private"))
    assert.isTrue(mayBeTold(heard(both, "private"), "public"))
    assert.isTrue(mayBeTold(heard(candidateOf(1, now, "192.0.2.1"), "public"), "loopback"))
    assert.isTrue(mayBeTold(heard(candidateOf(1, now, "10.0.0.1"), "private"), "loopback"))
  })
})
