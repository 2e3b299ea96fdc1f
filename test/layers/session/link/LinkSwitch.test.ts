import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Redacted, Result, Scope } from "effect"
import { LinkAgent } from "../../../../src/domain/linkAgent.ts"
import type { LinkBase, LinkCheck } from "../../../../src/domain/linkPath.ts"
import type { TransportAddress } from "../../../../src/domain/transportAddress.ts"
import { Link } from "../../../../src/layers/session/link/Link.ts"
import type { LinkTransaction, OnData, OnStun } from "../../../../src/layers/session/link/LinkSocket.ts"
import { LinkSwitch } from "../../../../src/layers/session/link/LinkSwitch.ts"
import { RelayMeter, type RelayReceive } from "../../../../src/layers/session/link/RelayPort.ts"
import { decode } from "../../../../src/protocol/stun.ts"
import { encodeCheck, encodeCheckResponse } from "../../../../src/protocol/stunBinding.ts"
import { shortTermKey } from "../../../../src/protocol/stunIntegrity.ts"
import { didNumber } from "../../../fixtures/dids.ts"

const secretOf = (name: string) => {
  const password = name.repeat(24).slice(0, 32)
  return {
    ufrag: name.repeat(8).slice(0, 8),
    password,
    key: Result.getOrThrow(shortTermKey(Redacted.make(password)))
  }
}

const ours = secretOf("ours")

const ignore = (): void => {}

/** A switch whose packets the test sends and sees, at a time that the test says. */
const make = () => {
  let now = 1_000_000
  let ids = 0
  let onData: OnData = ignore
  let onStun: OnStun = ignore
  let onRelayed: RelayReceive = ignore
  const expected: Array<LinkTransaction> = []
  const sent: Array<{ readonly base: LinkBase; readonly bytes: Uint8Array; readonly to: TransportAddress }> = []
  const bound: Array<TransportAddress> = []
  const packets = new LinkSwitch({
    socket: {
      port: 1,
      families: { udp4: true, udp6: true },
      send: (bytes, to) => void sent.push({ base: "udp", bytes, to }),
      onData: (handler) => void (onData = handler),
      onStun: (handler) => void (onStun = handler),
      expect: (transaction) => {
        expected.push(transaction)
        return () => {}
      },
      exchange: () => Effect.never,
      statistics: () => assert.fail("nobody asks")
    },
    relay: {
      state: () => undefined,
      family: () => undefined,
      meter: () => new RelayMeter(1),
      send: () => true,
      sendCheck: (bytes, to) => void sent.push({ base: "relay", bytes, to }),
      onReceive: (receive) => void (onRelayed = receive),
      onChange: () => {},
      permit: () => () => {},
      bind: (to) => Effect.sync(() => void bound.push(to)),
      probe: Effect.void
    },
    responder: { answer: () => {}, statistics: () => ({ answered: 0, refused: 0, limited: 0 }) },
    run: (effect) => Effect.runSync(effect),
    now: () => now,
    randomBytes: (length) => {
      const id = new Uint8Array(length)
      new DataView(id.buffer).setUint32(0, ++ids)
      return id
    }
  })

  /** A link that this side controls, and what its loopback delivered. */
  const link = (number: number, relay = false) => {
    const local = { ...ours, ufrag: `ours${number}` }
    const heard: Array<string> = []
    const made = new Link({
      did: didNumber(number),
      id: new Uint8Array(16),
      controlling: true,
      offered: true,
      local,
      tieBreaker: 1n,
      agent: new LinkAgent({
        controlling: true,
        hosts: [],
        families: { udp4: true, udp6: true },
        relay: relay ? 4 : undefined,
        random: () => 0.5
      }),
      meter: new RelayMeter(1),
      scope: Scope.makeUnsafe(),
      up: Deferred.makeUnsafe(),
      startedAtMillis: now,
      startedSteadyMillis: now
    })
    made.remote = secretOf(`them${number}`)
    made.loopback = { port: 1, deliver: (payload) => void heard.push(Buffer.from(payload).toString()) }
    packets.add(made)
    return { link: made, heard }
  }

  /** The member's own check, as it arrives from an address. */
  const check = (of: Link, from: TransportAddress, base: LinkBase = "udp"): void => {
    const id = new Uint8Array(12).fill(7)
    new DataView(id.buffer).setUint32(0, ++ids)
    const username = `${of.local.ufrag}:${of.remote?.ufrag}`
    const { key } = of.local
    const bytes = encodeCheck({
      transactionId: id,
      username,
      key,
      priority: 0x6e00_00ff,
      controlling: false,
      tieBreaker: 2n,
      nominate: false
    })
    if (base === "relay") onRelayed(bytes, from)
    else onStun(Result.getOrThrow(decode(bytes)), from)
  }

  /** Sends the checks that are due until one goes there, and answers it. */
  const prove = (of: Link, at: TransportAddress, base: LinkBase = "udp"): void => {
    const due = (): LinkCheck | undefined => of.agent.poll(now)[0]
    for (let tried = 0; tried < 200; tried++, now += 50) {
      const next = due()
      if (next === undefined) continue
      packets.check(of, next)
      if (next.base !== base || next.to.host !== at.host || next.to.port !== at.port) continue
      const last = sent.at(-1)
      const request = Result.getOrThrow(decode(last?.bytes ?? new Uint8Array()))
      const mapped = { host: "192.0.2.1", port: 1 }
      const key = of.remote?.key
      if (key === undefined) return
      const bytes = encodeCheckResponse({ transactionId: request.transactionId, mapped, key })
      if (next.base === "relay") onRelayed(bytes, at)
      else assert.isTrue(expected.at(-1)?.settle(Result.getOrThrow(decode(bytes))))
      return
    }
    assert.fail("no check went there")
  }
  const relayed = (bytes: Uint8Array, from: TransportAddress): void => onRelayed(bytes, from)
  const data = (said: string, from: TransportAddress): void => onData(Buffer.from(said), from)
  const advance = (millis: number): void => void (now += millis)
  return { relayed, packets, link, check, prove, data, advance, sent, bound, now: () => now }
}

const home = { host: "203.0.113.7", port: 4000 }
const other = { host: "198.51.100.9", port: 5000 }

describe("the switch of links", () => {
  it("hears a member where it asks from, and leaves what comes from elsewhere", () => {
    const { check, data, link, packets } = make()
    const one = link(1)
    check(one.link, home)
    data("hello", home)
    data("stray", other)
    assert.deepStrictEqual(one.heard, ["hello"])
    assert.strictEqual(packets.statistics.strayPackets, 1)
  })

  it("counts what comes through the relay and is no good", () => {
    const { link, packets, prove, relayed } = make()
    const { link: one } = link(1, true)
    one.agent.setRemote([{ kind: "serverReflexive", address: home }], 1_000_000)
    prove(one, home, "relay")
    assert.strictEqual(packets.statistics.malformedPackets, 0)
    const key = secretOf("them1").key
    const answer = encodeCheckResponse({ transactionId: new Uint8Array(12).fill(9), mapped: home, key })
    // An answer to nothing, then one with an attribute that goes beyond its end.
    relayed(answer, home)
    assert.strictEqual(packets.statistics.malformedPackets, 1)
    const broken = answer.slice()
    broken[23] = 0xff
    relayed(broken, home)
    assert.deepStrictEqual([packets.statistics.malformedPackets, packets.statistics.strayPackets], [2, 0])
  })

  it("lets no member take the place of another that answers there, whatever source its checks name", () => {
    const { check, data, link, prove } = make()
    const [one, thief] = [link(1), link(2)]
    check(one.link, home)
    prove(one.link, home)
    check(thief.link, home)
    data("mine", home)
    assert.deepStrictEqual([one.heard, thief.heard], [["mine"], []])
  })

  it("hears another member there once it answers, or the former one is gone", () => {
    const { check, data, link, packets, prove } = make()
    const [one, two, three] = [link(1), link(2), link(3)]
    check(one.link, home)
    prove(one.link, home)
    check(two.link, home)
    prove(two.link, home)
    data("second", home)
    packets.remove(two.link)
    data("nobody", home)
    check(three.link, home)
    data("third", home)
    assert.deepStrictEqual([one.heard, two.heard, three.heard], [[], ["second"], ["third"]])
  })

  it("sends the latest eight datagrams once more on another way, the oldest first", () => {
    const { link, now, packets, prove, sent } = make()
    const { link: one } = link(1)
    one.agent.setRemote([{ kind: "host", address: home }], now())
    prove(one, home)
    const before = sent.length
    packets.sendAgain(one)
    assert.strictEqual(sent.length, before)
    for (let number = 1; number <= 11; number++) packets.send(one, Buffer.from(`${number}`))
    packets.sendAgain(one)
    const said = sent.slice(before).map(({ bytes, to }) => `${Buffer.from(bytes).toString()} to ${to.host}`)
    assert.deepStrictEqual(
      said.slice(11),
      [4, 5, 6, 7, 8, 9, 10, 11].map((number) => `${number} to ${home.host}`)
    )
  })

  it("asks the relay for a channel where a member answers only, and for few of them", () => {
    const { advance, bound, check, link, now, prove } = make()
    const one = link(1, true)
    for (let port = 1; port <= 50; port++) check(one.link, { host: home.host, port }, "relay")
    assert.deepStrictEqual(bound, [])
    for (let port = 100; port < 130; port++) {
      const at = { host: home.host, port }
      one.link.agent.setRemote([{ kind: "relayed", address: at }], now())
      check(one.link, at, "relay")
      prove(one.link, at, "relay")
      advance(5000)
    }
    assert.strictEqual(bound.length, 16)
  })

  it("sends few checks to a host that does not answer, however often a member names it", () => {
    const { advance, link, now, packets, sent } = make()
    let number = 0
    for (let offer = 0; offer < 30; offer++) {
      const { link: one } = link(1)
      const candidates = Array.from({ length: 32 }, () => ({
        kind: "serverReflexive" as const,
        address: { host: home.host, port: 1000 + (number++ % 30_000) }
      }))
      one.agent.setRemote(candidates, now())
      for (let step = 0; step < 40; step++, advance(50)) {
        for (const check of one.agent.poll(now())) packets.check(one, check)
      }
      packets.remove(one)
    }
    // A minute: 1200 at the pace of the agents.
    assert.isAtMost(sent.length, 64 + 4 * 61)
    assert.isAtLeast(sent.length, 64)
  })

  it("answers a member's checks at its pace and not at any", () => {
    const { advance, check, link, packets, sent } = make()
    const { link: one } = link(1)
    for (let count = 0; count < 1000; count++) check(one, home)
    assert.strictEqual(sent.length, 200)
    assert.strictEqual(packets.statistics.checksRefused, 800)
    advance(1000)
    check(one, home)
    assert.strictEqual(sent.length, 201)
  })
})
