import { assert, describe, it } from "@effect/vitest"
import { recomputeBalances } from "../../src/domain/ledgerRecompute.ts"
import { account, Coop, pays } from "../fixtures/ledgerCoop.ts"

const nothing = { posted: 0, held: 0, unacked: 0, available: 100, limit: 100 }

const agreed = (coop: Coop) => {
  assert.deepStrictEqual(coop.replica.books.balances(), recomputeBalances(coop.replica.history))
  return coop
}

/** Ann pays all she may to Ben, and on another branch to Cam. */
const cheated = () => {
  const coop = new Coop(["ann", "ben", "cam", "dan"])
  const first = coop.pay("ann", "dan", 10)
  const toBen = coop.pay("ann", "ben", 90)
  const toCam = coop.pay("ann", "cam", 90, { prev: first })
  return { coop, first, toBen, toCam }
}

describe("balances", () => {
  it("are nothing in the beginning, with the starting limit for members", () => {
    const coop = new Coop(["ann"])
    assert.deepStrictEqual(coop.balance("ann"), nothing)
    assert.deepStrictEqual(coop.balance("steward"), nothing)
    assert.deepStrictEqual(coop.balance("a stranger"), { ...nothing, available: 0, limit: 0 })
    assert.deepStrictEqual(coop.replica.books.balances(), [])
  })

  it("go down for who gives and up for who receives, spendable once acked", () => {
    const coop = new Coop(["ann", "ben"])
    const credit = coop.pay("ann", "ben", 30)
    assert.deepStrictEqual(coop.balance("ann"), { ...nothing, posted: -30, available: 70 })
    assert.deepStrictEqual(coop.balance("ben"), { ...nothing, posted: 30, unacked: 30, available: 100 })
    assert.deepStrictEqual(coop.replica.books.creditsToAck(account("ben")), [credit])
    coop.ack("ben", credit)
    assert.deepStrictEqual(coop.balance("ben"), { ...nothing, posted: 30, available: 130 })
    assert.deepStrictEqual(coop.replica.books.creditsToAck(account("ben")), [])
    agreed(coop)
  })

  it("follow a hold, its part that is posted and its end", () => {
    const coop = new Coop(["ann", "ben"])
    const hold = coop.write("ann", { kind: "hold", expiresAt: 1 }, { legs: pays("ann", "ben", 40) })
    assert.deepStrictEqual(coop.balance("ann"), { ...nothing, held: 40, available: 60 })
    assert.deepStrictEqual(coop.balance("ben"), nothing)
    coop.write("ann", { kind: "post", hold: hold.id }, { legs: pays("ann", "ben", 25) })
    assert.deepStrictEqual(coop.balance("ann"), { ...nothing, posted: -25, available: 75 })
    const other = coop.write("ann", { kind: "hold", expiresAt: 1 }, { legs: pays("ann", "ben", 75) })
    agreed(coop).write("ann", { kind: "void", hold: other.id })
    assert.deepStrictEqual(coop.balance("ann"), { ...nothing, posted: -25, available: 75 })
    agreed(coop)
  })

  it("keep currencies apart", () => {
    const coop = new Coop(["ann", "ben"], ["hours", "EUR"])
    coop.write("ann", { kind: "transfer" }, { legs: [...pays("ann", "ben", 10, 0), ...pays("ann", "ben", 20, 1)] })
    assert.strictEqual(coop.balance("ann", 0).posted, -10)
    assert.strictEqual(coop.balance("ann", 1).posted, -20)
    assert.lengthOf(agreed(coop).replica.books.balances(), 4)
  })

  it("show the limit that the next entry goes by, also to him who has written nothing yet", () => {
    const coop = new Coop(["ann", "ben"])
    const grant = { kind: "grant", account: account("ann"), currency: 0, limit: 500 } as const
    coop.pay("ann", "ben", 10)
    coop.write("steward", grant)
    assert.strictEqual(coop.balance("ann").limit, 100)
    coop.pay("ann", "ben", 10)
    assert.deepStrictEqual(coop.balance("ann"), { ...nothing, posted: -20, limit: 500, available: 480 })
    agreed(coop)
  })

  it("leave no row of an account that is even again", () => {
    const coop = new Coop(["ann", "ben"])
    const credit = coop.pay("ann", "ben", 10)
    const reverse = { kind: "reverse", reversed: credit.id } as const
    const back = coop.write("ben", reverse, { legs: pays("ben", "ann", 10), acks: [credit.id] })
    coop.ack("ann", back)
    assert.deepStrictEqual(agreed(coop).replica.books.balances(), [])
  })
})

describe("the books of a cheat", () => {
  it("keep his chain below the fork, and nothing above it that nobody relied on", () => {
    const { coop, first, toBen, toCam } = cheated()
    const { books } = coop.replica
    assert.deepStrictEqual(
      [first, toBen, toCam].map((entry) => books.isBooked(entry)),
      [true, false, false]
    )
    assert.deepStrictEqual(coop.balance("ann"), { ...nothing, posted: -10, available: 90 })
    assert.deepStrictEqual(coop.balance("ben"), nothing)
    agreed(coop)
  })

  it("keep what an honest member acked, on any branch; the cheat owes all of it", () => {
    const { coop, toBen, toCam } = cheated()
    coop.ack("ben", toBen)
    assert.deepStrictEqual(coop.balance("ben"), { ...nothing, posted: 90, available: 190 })
    assert.strictEqual(coop.balance("ann").posted, -100)
    coop.ack("cam", toCam)
    assert.deepStrictEqual(coop.balance("cam"), { ...nothing, posted: 90, available: 190 })
    assert.strictEqual(coop.balance("ann").posted, -190)
    agreed(coop)
  })

  it("keep what is acked after the fork was heard of, by somebody who had not", () => {
    const coop = new Coop(["ann", "ben", "cam"])
    const toBen = coop.pay("ann", "ben", 100)
    const elsewhere = coop.pay("ann", "cam", 1, { prev: undefined })
    assert.isFalse(coop.replica.books.isBooked(elsewhere))
    coop.ack("ben", toBen)
    assert.isTrue(coop.replica.books.isBooked(toBen))
    agreed(coop)
  })

  it("offer nobody a credit of his to ack", () => {
    const { coop, first } = cheated()
    assert.deepStrictEqual(coop.replica.books.creditsToAck(account("dan")), [])
    assert.strictEqual(coop.balance("dan").unacked, 10)
    assert.isTrue(coop.replica.books.isBooked(first))
  })

  it("let go of what only he relied on when a second one turns out to be a cheat", () => {
    const { coop, toBen } = cheated()
    coop.ack("ben", toBen)
    assert.isTrue(coop.replica.books.isBooked(toBen))
    // Now Ben forks as well, at the very entry that acks.
    coop.pay("ben", "dan", 1, { prev: undefined })
    assert.isFalse(coop.replica.books.isBooked(toBen))
    assert.strictEqual(coop.balance("ben").posted, 0)
    agreed(coop)
  })

  it("lose what lies between when a lower fork is found", () => {
    const { coop, first } = cheated()
    assert.isTrue(coop.replica.books.isBooked(first))
    coop.pay("ann", "cam", 1, { prev: undefined })
    assert.isFalse(coop.replica.books.isBooked(first))
    assert.deepStrictEqual(agreed(coop).replica.books.balances(), [])
  })

  it("resolve a hold once, even if two branches did", () => {
    const coop = new Coop(["ann", "ben", "cam"])
    const hold = coop.write("ann", { kind: "hold", expiresAt: 1 }, { legs: pays("ann", "ben", 60) })
    const posted = coop.write("ann", { kind: "post", hold: hold.id }, { legs: pays("ann", "ben", 60) })
    const voided = coop.write("ann", { kind: "void", hold: hold.id }, { prev: hold })
    assert.strictEqual(coop.balance("ann").held, 60)
    const toCam = coop.pay("ann", "cam", 100, { prev: voided })
    coop.ack("ben", posted)
    coop.ack("cam", toCam)
    assert.deepStrictEqual(coop.balance("ann"), { ...nothing, posted: -160, available: -60 })
    agreed(coop)
  })
})
