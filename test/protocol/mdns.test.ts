import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Result } from "effect"
import * as DnsPacket from "dns-packet"
import { family } from "../../src/domain/transportAddress.ts"
import {
  type Announcement,
  announcementsMax,
  decode,
  encodeOffer,
  encodeQuery,
  hostsMax,
  type Offer,
  offersMax,
  offersOf,
  serviceName,
  ttlSecondsDefault
} from "../../src/protocol/mdns.ts"
import { integer, thorough } from "../fixtures/arbitraries.ts"
import { didNumber } from "../fixtures/dids.ts"
import { peerAddress } from "../fixtures/peerAddresses.ts"

const alice = didNumber(1)
const at = (host: string, port = 7777, transport: "any" | "quic" | "tcp" = "any") => ({ host, port, transport })
const some = (values: ReadonlyArray<Offer>): Offer => {
  const [first] = values
  if (first === undefined) throw new Error("nothing is offered")
  return first
}
const offer = some(offersOf(alice, [at("192.168.1.2"), at("fd00::2")]))

const announcementsOf = (bytes: Uint8Array): ReadonlyArray<Announcement> => {
  const message = Result.getOrThrow(decode(bytes))
  return message._tag === "Answer" ? message.announcements : assert.fail(message._tag)
}
const failureOf = (bytes: Uint8Array): string | undefined => {
  const decoded = decode(bytes)
  return Result.isFailure(decoded) ? decoded.failure : undefined
}

/** What another implementation would send. */
const foreign = (packet: DnsPacket.Packet): Uint8Array => Uint8Array.from(DnsPacket.encode(packet))
const instance = `Alice's node.${serviceName}`
const foreignAnswer = (texts: ReadonlyArray<string>, port = 7777): DnsPacket.Packet => ({
  type: "response",
  flags: DnsPacket.AUTHORITATIVE_ANSWER,
  answers: [
    { type: "PTR", name: "_ICN._udp.local", ttl: 4500, data: instance },
    { type: "SRV", name: instance, ttl: 120, flush: true, data: { port, target: "Alice.local" } },
    { type: "TXT", name: instance, ttl: 120, flush: true, data: [...texts] }
  ],
  additionals: [
    { type: "A", name: "alice.local", ttl: 120, data: "192.168.1.2" },
    { type: "AAAA", name: "ALICE.local", ttl: 120, data: "fd00::2" },
    { type: "A", name: "bob.local", ttl: 120, data: "192.168.1.3" },
    { type: "NSEC", name: "alice.local", ttl: 120, data: { nextDomain: "alice.local", rrtypes: ["A", "AAAA"] } }
  ]
})

describe("an announcement", () => {
  it.prop(
    "comes back as it was sent, one per port and transport",
    [integer(1, 100), Arbitrary.array(peerAddress, { minLength: 0, maxLength: 30 }), integer(0, 4500)],
    ([number, addresses, ttlSeconds]) => {
      const member = didNumber(number)
      const offers = offersOf(member, addresses)
      assert.isAtMost(offers.length, offersMax)
      for (const one of offers) {
        const bytes = encodeOffer(member, one, ttlSeconds)
        assert.isAtMost(bytes.length, 1400)
        const expected: Announcement = {
          did: member,
          instance: one.instance,
          ttlSeconds,
          addresses: one.hosts.map((host) => at(host, one.port, one.transport))
        }
        assert.deepStrictEqual(announcementsOf(bytes), [expected])
      }
    },
    { arbitrary: { runs: 200, size: 1000 } }
  )

  it.prop(
    "loses no IP address below the limits, and tells no host name",
    [Arbitrary.array(peerAddress, { minLength: 0, maxLength: offersMax })],
    ([addresses]) => {
      const key = ({ host, port, transport }: (typeof addresses)[number]) => `${host} ${port} ${transport}`
      const told = offersOf(alice, addresses).flatMap(({ hosts, port, transport }) =>
        hosts.map((host) => key({ host, port, transport }))
      )
      const expected = new Set(addresses.filter(({ host }) => family(host) !== undefined).map(key))
      assert.deepStrictEqual(told.toSorted(), [...expected].toSorted())
    },
    thorough
  )

  it("is bounded in hosts and ports", () => {
    const hosts = Array.from({ length: 20 }, (_, n) => at(`10.0.0.${n}`))
    assert.lengthOf(some(offersOf(alice, hosts)).hosts, hostsMax)
    const ports = Array.from({ length: 20 }, (_, n) => at("10.0.0.1", n + 1))
    assert.lengthOf(offersOf(alice, ports), offersMax)
    const instances = offersOf(alice, ports).map(({ instance }) => instance)
    assert.strictEqual(new Set(instances).size, offersMax)
    for (const name of instances) assert.isAtMost(name.indexOf("."), 63)
  })

  it("is read by another implementation", () => {
    const packet = DnsPacket.decode(Buffer.from(encodeOffer(alice, { ...offer, transport: "quic" }, ttlSecondsDefault)))
    const target = offer.instance.replace(serviceName, "local")
    assert.strictEqual(packet.type, "response")
    assert.isTrue(packet.flag_aa)
    assert.deepStrictEqual(
      packet.answers?.map((answer) => ({ ...answer })),
      [{ name: serviceName, type: "PTR", ttl: 120, class: "IN", flush: false, data: offer.instance }]
    )
    const own = { ttl: 120, class: "IN", flush: true }
    const additionals: ReadonlyArray<unknown> | undefined = packet.additionals?.map((answer) =>
      answer.type === "TXT" && Array.isArray(answer.data) ? { ...answer, data: answer.data.map(String) } : answer
    )
    assert.deepStrictEqual(additionals, [
      { name: offer.instance, type: "SRV", ...own, data: { priority: 0, weight: 0, port: 7777, target } },
      { name: offer.instance, type: "TXT", ...own, data: [`did=${alice.text}`, "quic=7777", "v=1"] },
      { name: target, type: "A", ...own, data: "192.168.1.2" },
      { name: target, type: "AAAA", ...own, data: "fd00::2" }
    ])
  })

  it("is read from another implementation, in any letter case", () => {
    const [announcement] = announcementsOf(foreign(foreignAnswer([`DID=${alice.text}`, "v=1", "new", "v=2"])))
    assert.deepStrictEqual(announcement?.addresses, [at("192.168.1.2"), at("fd00::2")])
    assert.strictEqual(announcement?.did.text, alice.text)
    assert.strictEqual(announcement?.ttlSeconds, 4500)
  })

  it("can have a port for each transport", () => {
    const [announcement] = announcementsOf(foreign(foreignAnswer([`did=${alice.text}`, "v=1", "quic=1", "tcp=2"], 0)))
    assert.deepStrictEqual(announcement?.addresses, [
      at("192.168.1.2", 1, "quic"),
      at("192.168.1.2", 2, "tcp"),
      at("fd00::2", 1, "quic"),
      at("fd00::2", 2, "tcp")
    ])
  })

  it("of another version is passed over", () => {
    for (const texts of [[`did=${alice.text}`, "v=2"], [`did=${alice.text}`], ["v=2"]]) {
      assert.deepStrictEqual(announcementsOf(foreign(foreignAnswer(texts))), [])
    }
  })

  it("is refused when it is none", () => {
    const valid = `did=${alice.text}`
    assert.match(failureOf(foreign(foreignAnswer(["v=1"]))) ?? "", /DID/)
    assert.match(failureOf(foreign(foreignAnswer(["v=1", `${valid}0`]))) ?? "", /DID/)
    for (const port of ["0", "65536", "", "7777x", "-1"]) {
      assert.match(failureOf(foreign(foreignAnswer(["v=1", valid, `tcp=${port}`]))) ?? "", /port/, port)
    }
    assert.match(failureOf(foreign(foreignAnswer(["v=1", valid], 0))) ?? "", /port/)
    const pointer = { type: "PTR", name: serviceName, ttl: 120, data: instance } as const
    assert.match(failureOf(foreign({ type: "response", answers: [pointer] })) ?? "", /without SRV/)
  })

  it("is bounded in what is read of it", () => {
    const { additionals = [], answers = [] } = foreignAnswer([`did=${alice.text}`, "v=1"])
    const [pointer] = answers
    if (pointer === undefined) return assert.fail("no pointer")
    const pointers = Array.from({ length: 20 }, () => pointer)
    const hosts = Array.from({ length: 20 }, (_, n): DnsPacket.Answer => {
      return { type: "A", name: "alice.local", data: `10.0.0.${n}` }
    })
    const packet = { ...foreignAnswer([]), answers: [...pointers, ...answers], additionals: [...hosts, ...additionals] }
    const announcements = announcementsOf(foreign(packet))
    assert.lengthOf(announcements, announcementsMax)
    for (const { addresses } of announcements) assert.lengthOf(addresses, hostsMax)
  })
})

describe("a query", () => {
  it("names the offers that need not be told", () => {
    assert.deepStrictEqual(decode(encodeQuery([])), Result.succeed({ _tag: "Query", known: [] }))
    assert.deepStrictEqual(decode(encodeQuery([offer])), Result.succeed({ _tag: "Query", known: [offer.instance] }))
    const packet = DnsPacket.decode(Buffer.from(encodeQuery([offer])))
    assert.deepStrictEqual(packet.questions, [{ name: serviceName, type: "PTR", class: "IN" }])
    assert.strictEqual(packet.type, "query")
  })

  it("is understood for any type and with a wish for a unicast answer", () => {
    const any = Uint8Array.from(foreign({ type: "query", questions: [{ type: "PTR", name: "_icn._UDP.local" }] }))
    any[any.length - 3] = 255
    assert.deepStrictEqual(decode(any), Result.succeed({ _tag: "Query", known: [] }))
    const unicast = encodeQuery([])
    unicast[unicast.length - 2] = 0x80
    assert.deepStrictEqual(decode(unicast), Result.succeed({ _tag: "Query", known: [] }))
  })

  it("does not count as answered by what is about to expire", () => {
    const known = (ttl: number): DnsPacket.Packet => ({
      type: "query",
      questions: [{ type: "PTR", name: serviceName }],
      answers: [{ type: "PTR", name: serviceName, ttl, data: offer.instance }]
    })
    assert.deepStrictEqual(decode(foreign(known(59))), Result.succeed({ _tag: "Query", known: [] }))
    assert.deepStrictEqual(decode(foreign(known(60))), Result.succeed({ _tag: "Query", known: [offer.instance] }))
  })

  it("for something else is none", () => {
    for (const question of [
      { type: "PTR", name: "_http._tcp.local" },
      { type: "A", name: serviceName },
      { type: "PTR", name: serviceName, class: "CH" }
    ] as const) {
      const bytes = foreign({ type: "query", questions: [question] })
      assert.deepStrictEqual(decode(bytes), Result.succeed({ _tag: "Other" }))
    }
    const other: DnsPacket.Answer = { type: "PTR", name: "_http._tcp.local", data: "printer._http._tcp.local" }
    assert.deepStrictEqual(decode(foreign({ type: "response", answers: [other] })), Result.succeed({ _tag: "Other" }))
  })
})
