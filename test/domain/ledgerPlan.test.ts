import { assert, describe, it } from "@effect/vitest"
import { admit } from "../../src/domain/ledgerAdmit.ts"
import { draftEntry } from "../../src/domain/ledgerDraft.ts"
import { idempotencyKeyOf, type LedgerIntent } from "../../src/domain/ledgerIntent.ts"
import { intentDigest, isMemo, type PlanContext, planOf, saysSame } from "../../src/domain/ledgerPlan.ts"
import { account, Coop, identify } from "../fixtures/ledgerCoop.ts"
import { fuzzSeed, makeRandom } from "../fixtures/random.ts"

const coop = new Coop(["alice", "bob", "carol"], ["hours", "EUR"])
const hold = coop.write("alice", { kind: "hold", expiresAt: 5 }, { legs: coop.pay("alice", "bob", 10).entry.legs })
const genesis = coop.replica.history.find(coop.replica.history.coop)?.entry
if (genesis?.kind !== "genesis") throw new Error("no genesis")
const context: PlanContext = {
  author: account("alice"),
  genesis,
  find: (id) => coop.replica.history.find(id)
}

const numbers = [0, 1, -1, 0.5, 1e9, 1e9 + 1, 2 ** 53, Number.NaN, Infinity, -Infinity, 7, 8, 64]
const accounts = ["", "alice", account("alice"), account("bob"), account("carol"), "00".repeat(32), "zz".repeat(32)]
const ids = ["", "hold", hold.id, coop.replica.history.coop, "ab".repeat(32)]

const to = (name: string, amount: number) => ({ to: account(name), currency: 0, amount })
const pay = (...payments: ReadonlyArray<ReturnType<typeof to>>): LedgerIntent => ({ kind: "transfer", payments })

describe("planOf", () => {
  it("makes entries that can be encoded and judged, or says why not, whatever is wanted", () => {
    const seed = fuzzSeed()
    const { below, pick } = makeRandom(seed)
    const payments = () =>
      Array.from({ length: below(4) }, () => ({ to: pick(accounts), currency: pick(numbers), amount: pick(numbers) }))
    const intents: ReadonlyArray<() => LedgerIntent> = [
      () => ({ kind: "transfer", payments: payments() }),
      () => ({ kind: "hold", payments: payments(), expiresAt: pick(numbers) }),
      () => ({ kind: "post", hold: pick(ids), payments: payments() }),
      () => ({ kind: "post", hold: pick(ids), amount: pick(numbers) }),
      () => ({ kind: "post", hold: pick(ids) }),
      () => ({ kind: "void", hold: pick(ids) }),
      () => ({ kind: "reverse", entry: pick(ids) }),
      () => ({ kind: "member", account: pick(accounts) }),
      () => ({ kind: "grant", account: pick(accounts), currency: pick(numbers), limit: pick(numbers) })
    ]
    const seen = new Set<string>()
    for (let run = 0; run < 20_000; run++) {
      const intent = pick(intents)()
      const plan = planOf(intent, context)
      seen.add(typeof plan === "string" ? plan : intent.kind)
      if (typeof plan === "string") continue
      const entry = draftEntry(coop.replica.history, { author: context.author, at: 0, ...plan })
      const where = `FUZZ_SEED=${seed}: ${JSON.stringify(intent)}`
      const admission = admit(identify(entry), coop.replica.history)
      assert.notStrictEqual(admission._tag, "Pending", where)
      assert.isTrue(saysSame(entry, plan, ""), where)
    }
    const wanted =
      "transfer hold post void member grant noLegs badAmount amountTooLarge creditToSelf notAnAccount " +
      "unknownCurrency unknownEntry notAHold notReversible badTime"
    for (const what of wanted.split(" ")) assert.isTrue(seen.has(what), what)
  })

  it("gives the same digest to the same request, and another one to another", () => {
    const digest = intentDigest(pay(to("bob", 3), to("carol", 1)), "memo")
    assert.strictEqual(intentDigest(pay(to("carol", 1), to("bob", 1), to("bob", 2)), "memo"), digest)
    const others = [
      intentDigest(pay(to("bob", 3), to("carol", 2)), "memo"),
      intentDigest(pay(to("bob", 3)), "memo"),
      intentDigest(pay(to("bob", 3), to("carol", 1)), "other"),
      intentDigest({ kind: "hold", expiresAt: 1, payments: [to("bob", 3), to("carol", 1)] }, "memo")
    ]
    assert.strictEqual(new Set([digest, ...others]).size, 5)
  })

  it("tells texts that can be memos", () => {
    for (const memo of ["", "für Brot 🍞", "x".repeat(256)]) assert.isTrue(isMemo(memo))
    for (const memo of ["\u0000", "a\nb", "x".repeat(257), "ä".repeat(129), "\ud800"]) assert.isFalse(isMemo(memo))
  })

  it("makes keys of 16 bytes from any text", () => {
    assert.match(idempotencyKeyOf(""), /^[0-9a-f]{32}$/)
    // printf 'order 17' | sha256sum | cut -c1-32
    assert.strictEqual(idempotencyKeyOf("order 17"), "0bcc920e3938c1b86e3483fc9888c6d6")
    assert.notStrictEqual(idempotencyKeyOf("a"), idempotencyKeyOf("b"))
  })
})
