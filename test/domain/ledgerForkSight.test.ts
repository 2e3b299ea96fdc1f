import { assert, describe, it } from "@effect/vitest"
import { account, Coop, pays } from "../fixtures/ledgerCoop.ts"

const transfer = { kind: "transfer" } as const
const ack = { kind: "ack" } as const

/** Ann pays all she may to Ben on one branch and to Cam on another. */
const forked = () => {
  const coop = new Coop(["ann", "ben", "cam", "dan"])
  const toBen = coop.pay("ann", "ben", 100)
  const toCam = coop.pay("ann", "cam", 100, { prev: undefined })
  return { coop, toBen, toCam }
}

describe("forks", () => {
  it("are two valid entries at one place, and provable with them", () => {
    const { coop, toBen, toCam } = forked()
    const { history } = coop.replica
    assert.isTrue(history.isForked(account("ann")))
    assert.isFalse(history.isForked(account("ben")))
    const proof = history.fork(account("ann"))
    assert.strictEqual(proof?.seq, 0)
    assert.sameMembers([...(proof?.entries ?? [])], [toBen.id, toCam.id])
    assert.isUndefined(history.fork(account("ben")))
  })

  it("do not keep anybody from acking one branch", () => {
    const { coop, toBen, toCam } = forked()
    assert.strictEqual(coop.reason("ben", ack, { acks: [toBen.id] }), "Admitted")
    assert.strictEqual(coop.reason("cam", ack, { acks: [toCam.id] }), "Admitted")
  })

  it("keep whoever has seen them from acking, directly or through others", () => {
    const { coop, toBen, toCam } = forked()
    assert.strictEqual(coop.reason("ben", ack, { acks: [toBen.id], deps: [toCam.id] }), "ackOfForked")
    coop.ack("cam", toCam)
    const onward = coop.pay("cam", "ben", 100)
    assert.strictEqual(coop.reason("ben", ack, { acks: [onward.id] }), "Admitted")
    assert.strictEqual(coop.reason("ben", ack, { acks: [toBen.id, onward.id] }), "ackOfForked")
    coop.ack("ben", onward)
    assert.strictEqual(coop.reason("ben", ack, { acks: [toBen.id] }), "ackOfForked")
  })

  it("let an accomplice cash one branch only", () => {
    const coop = new Coop(["ann", "ben"])
    const one = coop.pay("ann", "ben", 100)
    const other = coop.pay("ann", "ben", 99, { prev: undefined })
    assert.strictEqual(coop.reason("ben", ack, { acks: [one.id, other.id] }), "ackOfForked")
    coop.ack("ben", one)
    assert.strictEqual(coop.reason("ben", ack, { acks: [other.id] }), "ackOfForked")
    assert.strictEqual(coop.reason("ben", transfer, { legs: pays("ben", "ann", 201) }), "overLimit")
  })

  it("further up are seen as well, also when they are found after a first look", () => {
    const coop = new Coop(["ann", "ben", "cam"])
    const first = coop.pay("ann", "ben", 1)
    const second = coop.pay("ann", "ben", 2)
    const otherSecond = coop.pay("ann", "cam", 2, { prev: first })
    coop.ack("cam", otherSecond)
    assert.strictEqual(coop.reason("ben", ack, { acks: [second.id] }), "Admitted")
    const third = coop.pay("ann", "ben", 3, { prev: second })
    const otherThird = coop.pay("ann", "cam", 3, { prev: second })
    assert.strictEqual(coop.reason("ben", ack, { acks: [third.id] }), "Admitted")
    assert.strictEqual(coop.reason("ben", ack, { acks: [third.id], deps: [otherThird.id] }), "ackOfForked")
    const otherFirst = coop.pay("ann", "cam", 9, { prev: undefined })
    assert.strictEqual(coop.reason("ben", ack, { acks: [first.id], deps: [otherFirst.id] }), "ackOfForked")
    assert.strictEqual(coop.reason("ben", ack, { acks: [first.id, third.id] }), "Admitted")
  })

  it("are seen in entries that were looked at before the lower fork was there", () => {
    const coop = new Coop(["ann", "ben", "cam"])
    const toCam = coop.pay("ann", "cam", 1)
    const toBen = coop.pay("ann", "ben", 2)
    coop.pay("ann", "ben", 3, { prev: toCam })
    const seen = coop.ack("cam", toCam)
    assert.strictEqual(coop.reason("ben", ack, { acks: [toBen.id], deps: [seen.id] }), "Admitted")
    const lower = coop.pay("ann", "ben", 4, { prev: undefined })
    assert.strictEqual(coop.reason("ben", ack, { acks: [lower.id] }), "Admitted")
    assert.strictEqual(coop.reason("ben", ack, { acks: [lower.id], deps: [seen.id] }), "ackOfForked")
  })

  it("are seen through a past of many thousand entries", () => {
    const coop = new Coop(["ann", "ben", "cam"])
    const toBen = coop.pay("ann", "ben", 1)
    const toCam = coop.pay("ann", "cam", 1, { prev: undefined })
    let last = coop.ack("cam", toCam)
    for (let count = 0; count < 20_000; count++) {
      last = coop.write("cam", { kind: "hold", expiresAt: 0 }, { legs: pays("cam", "ben", 1) })
      if (count % 2 === 0) last = coop.write("cam", { kind: "void", hold: last.id })
      if (last.chain.accounts[0]?.held === 100) break
    }
    assert.strictEqual(coop.reason("ben", ack, { acks: [toBen.id], deps: [last.id] }), "ackOfForked")
  })
})
