import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import * as Channels from "../../../src/layers/turn/Channels.ts"
import * as DataPath from "../../../src/layers/turn/DataPath.ts"
import type { Link } from "../../../src/layers/turn/Link.ts"
import * as Permissions from "../../../src/layers/turn/Permissions.ts"
import { decode } from "../../../src/protocol/stun.ts"
import { method } from "../../../src/protocol/turn.ts"
import { dataIndication } from "../../../src/protocol/turnServerMessages.ts"
import { bytes, text } from "../../contract/TurnClient.ts"

const peer = { host: "10.0.0.1", port: 7 }
const transactionId = new Uint8Array(12)

const setUp = () => {
  const channels = Channels.make()
  const permissions = Permissions.make()
  const data = DataPath.make({ channels, permissions, newTransactionId: () => transactionId })
  const sent: Array<Uint8Array> = []
  /** After so many the link takes no more. */
  const full = 3
  const heard: Array<string> = []
  data.onReceive((payload, from) => void heard.push(`${text(payload)} from ${from.host}:${from.port}`))
  const link: Link = {
    server: { host: "127.0.0.1", port: 3478 },
    transport: "udp",
    request: () => Effect.never,
    heard: () => 0,
    send: (datagram, body = new Uint8Array()) => {
      if (sent.length === full) return false
      sent.push(Buffer.concat([datagram, body]))
      return true
    },
    notify: () => {}
  }
  const bind = () => {
    const channel = channels.take(peer, 0)
    assert.isDefined(channel)
    channel.state = { _tag: "Bound" }
    return channel
  }
  return { bind, channels, data, heard, link, permissions, sent }
}

const indication = (from: typeof peer, payload: string) =>
  Result.getOrThrow(decode(dataIndication({ transactionId, peer: from, data: bytes(payload) })))

describe("DataPath", () => {
  it("counts what the link does not take as dropped, and not as sent", () => {
    const { bind, data, link, sent } = setUp()
    bind()
    const taken = [1, 2, 3, 4, 5].map(() => data.send(link, peer, bytes("abc")))
    assert.deepStrictEqual(taken, [true, true, true, false, false])
    assert.deepStrictEqual([sent.length, data.counters.sentPackets, data.counters.droppedPackets], [3, 3, 2])
  })

  it("puts four bytes in front of what goes through a channel", () => {
    const { bind, data, link, sent } = setUp()
    bind()
    assert.isTrue(data.send(link, peer, bytes("abc")))
    assert.deepStrictEqual(
      sent.map((datagram) => Array.from(datagram)),
      [[0x40, 0, 0, 3, 97, 98, 99]]
    )
  })

  it("sends an indication to a permitted peer without a channel", () => {
    const { data, link, permissions, sent } = setUp()
    permissions.add(peer.host)
    assert.isTrue(data.send(link, peer, bytes("abc")))
    const [datagram] = sent
    assert.isDefined(datagram)
    const message = Result.getOrThrow(decode(datagram))
    assert.deepStrictEqual([message.class, message.method], ["indication", method.send])
  })

  it("prefers the indication while a channel is being bound, as far as there is a permission", () => {
    const { channels, data, link, permissions, sent } = setUp()
    channels.take(peer, 0)
    data.send(link, peer, bytes("abc"))
    permissions.add(peer.host)
    data.send(link, peer, bytes("abc"))
    assert.deepStrictEqual(
      sent.map((datagram) => datagram[0]),
      [0x40, 0x00]
    )
  })

  it("drops what no datagram can hold", () => {
    const { bind, data, link, sent } = setUp()
    bind()
    assert.isFalse(data.send(link, peer, new Uint8Array(65_500)))
    assert.isTrue(data.send(link, peer, new Uint8Array(65_456)))
    assert.strictEqual(sent.length, 1)
    assert.strictEqual(data.counters.droppedPackets, 1)
  })

  it("drops and counts ChannelData of unknown and resting channels, and damaged ones", () => {
    const { bind, channels, data, heard } = setUp()
    const channel = bind()
    data.onChannelData(Uint8Array.of(0x40, 0x00, 0, 1, 97))
    data.onChannelData(Uint8Array.of(0x40, 0x01, 0, 1, 97))
    data.onChannelData(Uint8Array.of(0x40, 0x00, 0, 9, 97))
    data.onChannelData(Uint8Array.of(0x40))
    channels.rest(channel, 0)
    data.onChannelData(Uint8Array.of(0x40, 0x00, 0, 1, 97))
    assert.deepStrictEqual(heard, ["a from 10.0.0.1:7"])
    assert.strictEqual(data.counters.droppedPackets, 4)
  })

  it("takes Data indications of permitted peers only, since nobody signs them", () => {
    const { data, heard, permissions } = setUp()
    data.onIndication(indication(peer, "too early"))
    permissions.add(peer.host)
    data.onIndication(indication(peer, "in time"))
    data.onIndication(indication({ host: "10.0.0.2", port: 7 }, "stranger"))
    assert.deepStrictEqual(heard, ["in time from 10.0.0.1:7"])
    assert.strictEqual(data.counters.droppedPackets, 2)
  })

  it("drops indications that bring no data", () => {
    const { data, heard, permissions } = setUp()
    permissions.add(peer.host)
    const message = indication(peer, "data")
    data.onIndication({ ...message, method: method.binding })
    data.onIndication({ ...message, attributes: message.attributes.slice(0, 1) })
    assert.deepStrictEqual(heard, [])
    assert.strictEqual(data.counters.droppedPackets, 2)
  })
})
