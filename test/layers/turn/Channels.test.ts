import { assert, describe, it } from "@effect/vitest"
import { channelRestMillis, channelsMax } from "../../../src/domain/turnUpkeep.ts"
import * as Channels from "../../../src/layers/turn/Channels.ts"
import { host } from "../../contract/TurnClient.ts"

const bind = (channels: Channels.Channels, peer: { readonly host: string; readonly port: number }, now = 0) => {
  const channel = channels.take(peer, now)
  assert.isDefined(channel)
  channel.state = { _tag: "Bound" }
  return channel
}

describe("Channels", () => {
  it("gives each peer a number of its own, and the same one each time", () => {
    const channels = Channels.make()
    const first = bind(channels, { host: "10.0.0.1", port: 1 })
    const second = bind(channels, { host: "10.0.0.1", port: 2 })
    assert.deepStrictEqual([first.number, second.number], [0x4000, 0x4001])
    assert.strictEqual(channels.take({ host: "10.0.0.1", port: 1 }, 0), first)
    assert.strictEqual(channels.byPeer({ host: "10.0.0.1", port: 2 }), second)
    assert.strictEqual(channels.byNumber(0x4001), second)
    assert.isUndefined(channels.byNumber(0x4002))
    assert.deepStrictEqual(channels.bound(), [first, second])
  })

  it("keeps a number with its peer while that rests", () => {
    const channels = Channels.make()
    const peer = { host: "10.0.0.1", port: 1 }
    const channel = bind(channels, peer)
    channels.restHost(peer.host, 0)
    assert.deepStrictEqual(channels.bound(), [])
    assert.strictEqual(channels.take(peer, 1)?.number, channel.number)
  })

  it("gives a rested number to another peer only when the server has forgotten it", () => {
    const channels = Channels.make()
    const resting = bind(channels, { host: host(0), port: 1 })
    channels.rest(resting, 0)
    // All other numbers are taken and rest, too, but later.
    for (let index = 1; index < 4096; index++) channels.rest(bind(channels, { host: host(index), port: 1 }), 1)
    const newcomer = { host: "192.0.2.1", port: 1 }
    assert.isUndefined(channels.take(newcomer, channelRestMillis - 1))
    assert.strictEqual(channels.take(newcomer, channelRestMillis)?.number, resting.number)
    assert.isUndefined(channels.byPeer({ host: host(0), port: 1 }))
  })

  it("has a limit, which forgotten and resting channels do not count for", () => {
    const channels = Channels.make()
    const all = Array.from({ length: channelsMax }, (_, index) => bind(channels, { host: host(index), port: 1 }))
    const newcomer = { host: "192.0.2.1", port: 1 }
    assert.isUndefined(channels.take(newcomer, 0))
    const [first, second] = all
    assert.isDefined(first)
    assert.isDefined(second)
    channels.forget(first)
    // Twice is as good as once.
    channels.forget(first)
    assert.isDefined(channels.take(newcomer, 0))
    assert.isUndefined(channels.take({ ...newcomer, port: 2 }, 0))
    channels.rest(second, 0)
    channels.rest(second, 0)
    assert.isDefined(channels.take({ ...newcomer, port: 2 }, 0))
    assert.isUndefined(channels.take({ ...newcomer, port: 3 }, 0))
  })
})
