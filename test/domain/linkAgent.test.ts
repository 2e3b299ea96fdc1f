import { assert, describe, it } from "@effect/vitest"
import { LinkAgent, type LinkAgentOptions } from "../../src/domain/linkAgent.ts"
import { type LinkCandidate, mayCheckScopes } from "../../src/domain/linkCandidate.ts"
import { checkPriority, type LinkBase, type LinkCheck } from "../../src/domain/linkPath.ts"
import { equals, type TransportAddress } from "../../src/domain/transportAddress.ts"

const host: LinkCandidate = { kind: "host", address: { host: "10.0.0.2", port: 4000 } }
const reflexive: LinkCandidate = { kind: "serverReflexive", address: { host: "203.0.113.2", port: 4000 } }
const relayed: LinkCandidate = { kind: "relayed", address: { host: "192.0.2.2", port: 4000 } }
const stranger = { host: "203.0.113.77", port: 7 }
const own = { host: "10.0.0.1", port: 4000 }

const make = (options: Partial<LinkAgentOptions> = {}): LinkAgent =>
  new LinkAgent({
    controlling: true,
    hosts: [own.host],
    families: { udp4: true, udp6: true },
    relay: undefined,
    random: () => 0.5,
    ...options
  })

/** A peer that answers on some paths, 20 ms after each check. */
class Peer {
  readonly agent: LinkAgent
  now = 0
  readonly sent: Array<LinkCheck & { readonly at: number }> = []
  answering: (check: LinkCheck) => boolean

  constructor(agent: LinkAgent, ...answering: ReadonlyArray<LinkCandidate>) {
    this.agent = agent
    this.answering = ({ to }) => answering.some(({ address }) => equals(address, to))
  }

  only(...candidates: ReadonlyArray<LinkCandidate>): void {
    this.answering = ({ to }) => candidates.some(({ address }) => equals(address, to))
  }

  run(millis: number): void {
    const end = this.now + millis
    const answers: Array<{ readonly at: number; readonly check: LinkCheck }> = []
    for (;;) {
      const at = Math.min(this.agent.next(this.now) ?? end + 1, answers[0]?.at ?? end + 1)
      if (at > end && answers.length === 0) break
      this.now = at
      if (answers[0] !== undefined && answers[0].at <= at) {
        const check = answers.shift()?.check
        if (check !== undefined) this.agent.onResponse(check.id, check.to, check.base, own, at)
      } else {
        for (const check of this.agent.poll(at)) {
          this.sent.push({ ...check, at })
          if (this.answering(check)) answers.push({ at: at + 20, check })
        }
      }
    }
    this.now = Math.max(this.now, end)
  }

  request(from: TransportAddress, nominated = false, base: LinkBase = "udp"): boolean {
    return this.agent.onRequest({ base, from, nominated, priority: checkPriority("udp") }, this.now)
  }

  get events(): ReadonlyArray<string> {
    return this.agent.takeEvents().map((event) => {
      if (event._tag === "Switched") return `${event.from.kind} -> ${event.to.kind} (${event.reason})`
      return "path" in event ? `${event._tag} ${event.path.kind}` : event._tag
    })
  }
}

const started = (controlling: boolean, candidates: ReadonlyArray<LinkCandidate>, answering = candidates): Peer => {
  const agent = make({ controlling })
  agent.setRemote(candidates, 0)
  return new Peer(agent, ...answering)
}

const toward =
  ({ address }: LinkCandidate) =>
  (check: LinkCheck) =>
    equals(check.to, address)

describe("a response", () => {
  it("counts only from where the check went, once, and if there was a check", () => {
    const agent = make()
    agent.setRemote([host, reflexive], 0)
    const [check] = agent.poll(0)
    assert.isDefined(check)
    assert.isFalse(agent.onResponse(check.id, stranger, "udp", own, 10))
    assert.isFalse(agent.onResponse(check.id, reflexive.address, "udp", own, 10))
    assert.isFalse(agent.onResponse(check.id, check.to, "relay", own, 10))
    assert.isFalse(agent.onResponse(check.id + 1, check.to, "udp", own, 10))
    assert.isUndefined(agent.active)
    assert.isTrue(agent.onResponse(check.id, check.to, "udp", own, 10))
    assert.isFalse(agent.onResponse(check.id, check.to, "udp", own, 11))
    assert.deepStrictEqual(agent.active, {
      base: "udp",
      remote: host.address,
      kind: "direct",
      relays: 0,
      rttMs: 10,
      sinceMillis: 10
    })
  })

  it("of a peer that saw us elsewhere makes the path reflexive", () => {
    const agent = make()
    agent.setRemote([host], 0)
    const [check] = agent.poll(0)
    agent.onResponse(check?.id ?? 0, host.address, "udp", stranger, 10)
    assert.strictEqual(agent.active?.kind, "reflexive")
  })
})

describe("a request", () => {
  it("reveals a path, which is checked at once and accepts data", () => {
    const peer = started(true, [host], [])
    peer.run(5000)
    assert.isFalse(peer.agent.accepts("udp", stranger))
    assert.isFalse(peer.agent.accepts("udp", host.address))
    assert.isTrue(peer.request(stranger))
    assert.isTrue(peer.agent.accepts("udp", stranger))
    assert.deepStrictEqual(
      peer.agent.poll(peer.now).map(({ to }) => to),
      [stranger]
    )
    assert.strictEqual(
      peer.agent.paths(peer.now).find(({ remote }) => equals(remote, stranger))?.remoteKind,
      "peerReflexive"
    )
  })

  it("makes a failed path be checked again at once", () => {
    const peer = started(true, [host, reflexive], [host])
    peer.run(20_000)
    const before = peer.sent.filter(toward(reflexive)).length
    peer.request(reflexive.address)
    peer.run(100)
    assert.strictEqual(peer.sent.filter(toward(reflexive)).length, before + 1)
  })

  it("is not answered where this side may not send, nor beyond the limit", () => {
    const peer = started(true, [host])
    assert.isFalse(peer.request({ host: "127.0.0.1", port: 1 }))
    assert.isFalse(peer.request({ host: "224.0.0.1", port: 1 }))
    assert.isFalse(peer.request(stranger, false, "relay"))
    for (let port = 1; port <= 100; port++) peer.request({ host: "203.0.113.9", port })
    assert.strictEqual(peer.agent.size.paths, 9)
    const local = make({ mayCheck: mayCheckScopes(["loopback"]) })
    const from = { host: "127.0.0.1", port: 1 }
    assert.isTrue(local.onRequest({ base: "udp", from, nominated: false, priority: checkPriority("udp") }, 0))
  })
})

describe("the controlling side", () => {
  it("uses what works first, moves to a better path after a second, and says so in its checks", () => {
    const peer = started(true, [relayed, reflexive], [relayed])
    peer.run(500)
    assert.deepStrictEqual(peer.events, ["Established relayed"])
    peer.only(relayed, reflexive)
    peer.run(500)
    assert.deepStrictEqual(peer.events, [])
    peer.run(2000)
    assert.deepStrictEqual(peer.events, ["relayed -> reflexive (better)"])
    const last = peer.sent.findLast(({ nominate }) => nominate)
    assert.deepStrictEqual(last?.to, reflexive.address)
    peer.run(10_000)
    for (const { nominate, to } of peer.sent.filter(({ at }) => at > 3000)) {
      assert.strictEqual(nominate, equals(to, reflexive.address))
    }
  })

  it("tells the peer of a change within the pace", () => {
    const peer = started(true, [host, relayed])
    peer.run(10_000)
    peer.only(relayed)
    peer.run(3000)
    const changedAt = peer.agent.active?.sinceMillis ?? 0
    const told = peer.sent.find(({ nominate, to }) => nominate && equals(to, relayed.address))
    assert.isAbove(changedAt, 10_000)
    assert.isAtMost((told?.at ?? 0) - changedAt, 50)
    assert.deepStrictEqual(peer.events.slice(-2), ["ConsentLost direct", "direct -> relayed (lost)"])
  })

  it("ignores nominations", () => {
    const peer = started(true, [host, reflexive])
    peer.run(10_000)
    peer.request(reflexive.address, true)
    peer.run(3000)
    assert.deepStrictEqual(peer.agent.active?.remote, host.address)
  })
})

describe("the controlled side", () => {
  it("never nominates, and chooses nothing better by itself", () => {
    const peer = started(false, [relayed, host], [relayed])
    peer.run(500)
    peer.only(relayed, host)
    peer.run(60_000)
    assert.strictEqual(peer.agent.active?.kind, "relayed")
    assert.isTrue(peer.sent.every(({ nominate }) => !nominate))
  })

  it("follows a nomination at once when it has consent there, else as soon as it has", () => {
    const peer = started(false, [host, reflexive, relayed], [host, reflexive])
    peer.run(5000)
    assert.deepStrictEqual(peer.events, ["Established direct"])
    peer.request(reflexive.address, true)
    assert.deepStrictEqual(peer.events, ["direct -> reflexive (nominated)"])
    peer.request(relayed.address, true)
    peer.run(1500)
    assert.deepStrictEqual(peer.events, [])
    assert.isTrue(peer.agent.paths(peer.now).find(({ nominated }) => nominated)?.state !== "valid")
    peer.only(host, reflexive, relayed)
    peer.request(relayed.address, true)
    peer.run(200)
    assert.deepStrictEqual(peer.events, ["reflexive -> relayed (nominated)"])
  })

  it("helps itself while the nominated path is silent, and returns", () => {
    const peer = started(false, [host, relayed])
    peer.run(5000)
    peer.request(host.address, true)
    peer.only(relayed)
    peer.run(3000)
    assert.strictEqual(peer.agent.active?.kind, "relayed")
    peer.only(host, relayed)
    for (let second = 0; second < 5; second++) {
      peer.run(1000)
      peer.request(host.address, true)
    }
    assert.strictEqual(peer.agent.active?.kind, "direct")
    assert.deepStrictEqual(peer.events, [
      "Established direct",
      "ConsentLost direct",
      "direct -> relayed (lost)",
      "relayed -> direct (nominated)"
    ])
  })

  it("does not believe an old nomination that took the slower way", () => {
    const peer = started(false, [host, relayed])
    peer.run(5000)
    peer.request(relayed.address, true)
    peer.request(host.address, true)
    assert.strictEqual(peer.agent.active?.kind, "direct")
    peer.run(500)
    peer.request(relayed.address, true)
    assert.strictEqual(peer.agent.active?.kind, "direct")
    peer.run(600)
    peer.request(relayed.address, true)
    assert.strictEqual(peer.agent.active?.kind, "relayed")
  })
})

describe("what changes around a link", () => {
  it("ends the paths of an allocation with it", () => {
    const agent = make({ relay: 4 })
    agent.setRemote([reflexive], 0)
    const peer = new Peer(agent)
    peer.answering = ({ base }) => base === "relay"
    peer.run(1000)
    assert.strictEqual(agent.active?.base, "relay")
    agent.setRelay(4, 1000)
    assert.deepStrictEqual(peer.events, ["Established relayed"])
    agent.setRelay(undefined, 1000)
    assert.isUndefined(agent.active)
    assert.deepStrictEqual(peer.events, ["ConsentLost relayed", "Lost"])
    assert.isFalse(agent.accepts("relay", reflexive.address))
    agent.setRelay(4, 1000)
    peer.run(500)
    assert.deepStrictEqual(peer.events, ["Established relayed"])
  })

  it("takes up an allocation that comes later, whatever it reaches", () => {
    const agent = make()
    const six: LinkCandidate = { kind: "serverReflexive", address: { host: "2001:db8::2", port: 4000 } }
    agent.setRemote([reflexive, six], 0)
    const peer = new Peer(agent)
    peer.answering = ({ base }) => base === "relay"
    peer.run(1000)
    for (const [relay, remote] of [
      [6, six],
      [4, reflexive]
    ] as const) {
      agent.setRelay(relay, peer.now)
      peer.run(3000)
      assert.strictEqual(agent.active?.base, "relay")
      assert.deepStrictEqual(agent.active?.remote, remote.address)
    }
  })

  it("leaves a withdrawn path in use until it is silent", () => {
    const peer = started(true, [host, relayed])
    peer.run(5000)
    peer.agent.setRemote([relayed], peer.now)
    peer.run(5000)
    assert.strictEqual(peer.agent.active?.kind, "direct")
    peer.only(relayed)
    peer.run(3000)
    assert.strictEqual(peer.agent.active?.kind, "relayed")
    // The peer may not know yet, and still send there.
    assert.isTrue(peer.agent.accepts("udp", host.address))
    peer.run(200_000)
    assert.isFalse(peer.agent.accepts("udp", host.address))
    assert.strictEqual(peer.agent.size.paths, 1)
  })

  it("checks everything again at once when our addresses change", () => {
    const peer = started(true, [host, reflexive, relayed], [host, relayed])
    peer.run(20_000)
    const before = peer.sent.length
    peer.agent.localAddressesChanged(["10.0.0.7"], peer.now)
    peer.run(160)
    assert.strictEqual(new Set(peer.sent.slice(before).map(({ to }) => to.host)).size, 3)
    assert.strictEqual(peer.agent.active?.kind, "reflexive")
  })

  it("makes checks faster when the network says that nothing gets there, and no more", () => {
    const peer = started(true, [host, relayed])
    peer.run(20_000)
    peer.agent.onUnreachable("udp", host.address, peer.now)
    peer.agent.onUnreachable("udp", host.address, peer.now)
    peer.agent.onUnreachable("udp", stranger, peer.now)
    peer.run(2000)
    assert.strictEqual(peer.agent.active?.kind, "direct")
    peer.only(relayed)
    const from = peer.now
    peer.agent.onUnreachable("udp", host.address, from)
    peer.agent.onUnreachable("udp", host.address, from)
    peer.run(700)
    assert.strictEqual(peer.agent.active?.kind, "relayed")
  })
})

describe("a link without a path", () => {
  it("fails once, ten seconds after the candidates are known", () => {
    const agent = make()
    assert.isUndefined(agent.next(0))
    agent.setRemote([], 500)
    const peer = new Peer(agent)
    peer.run(8000)
    agent.setRemote([host], 8000)
    peer.run(2499)
    assert.deepStrictEqual(peer.events, [])
    peer.run(60_000)
    assert.deepStrictEqual(peer.events, ["Failed"])
    peer.only(host)
    peer.run(3000)
    assert.deepStrictEqual(peer.events, ["Established direct"])
  })

  it("keeps few events for a driver that does not take them", () => {
    const peer = started(true, [host])
    for (let round = 0; round < 60; round++) {
      peer.only(host)
      peer.run(4000)
      peer.only()
      peer.run(4000)
    }
    assert.lengthOf(peer.agent.takeEvents(), 64)
    assert.lengthOf(peer.agent.takeEvents(), 0)
  })
})
