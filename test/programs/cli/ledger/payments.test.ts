import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { encode } from "../../../../src/domain/base58.ts"
import { accountDid } from "../../../../src/domain/ledgerView.ts"
import { ledger } from "../../../../src/programs/cli/ledger.ts"
import { documents, runCommand } from "../../../fixtures/commands.ts"
import { didNumber } from "../../../fixtures/dids.ts"
import { exchange, latest, ledgerNode, ledgerNodeOf } from "../../../fixtures/ledgerNodes.ts"
import { temporaryDirectory } from "../../../fixtures/temporaryDirectory.ts"

const payee = didNumber(7).text
const at = ({ dataDir }: { readonly dataDir: string }, ...args: ReadonlyArray<string>) =>
  runCommand(ledger, [...args, "--data-dir", dataDir])
const only = (ran: Parameters<typeof documents>[0]): unknown => {
  assert.lengthOf(ran.lines, 1, ran.failure?.message)
  return documents(ran)[0]
}

describe("icn-node ledger pay", () => {
  it.live("pays from a fresh node, and answers what scripts rely on", () =>
    Effect.gen(function* () {
      const node = yield* ledgerNode
      const ran = yield* at(node, "pay", "--to", payee, "--amount", "1.50", "--memo", "bread", "--json")
      const { entry, id } = yield* latest(node.ledger)
      assert.deepStrictEqual(only(ran), { status: "committed", entryId: id })
      assert.isUndefined(ran.failure)
      assert.deepInclude(entry, { kind: "transfer", memo: "bread" })
      const [balance] = yield* node.ledger.balance(node.ledger.account)
      assert.deepInclude(balance, { posted: -150, available: 9850, limit: 10_000 })
    })
  )

  it.live("tells people what was paid to whom", () =>
    Effect.gen(function* () {
      const node = yield* ledgerNode
      const { lines } = yield* at(node, "pay", "--to", payee, "--amount", "1.5", "--currency", "HOURS")
      const { id } = yield* latest(node.ledger)
      assert.deepStrictEqual(lines, [`paid 1.50 hours to ${payee}\nentry ${id}`])
    })
  )

  it.live("takes the other spelling of a DID", () =>
    Effect.gen(function* () {
      const node = yield* ledgerNode
      const icn = `did:icn:z${encode(didNumber(7).publicKey)}`
      const { lines } = yield* at(node, "pay", "--to", icn, "--amount", "1")
      assert.include(lines[0], `paid 1.00 hours to ${payee}`)
    })
  )

  it.live("writes once however often it is asked with one key", () =>
    Effect.gen(function* () {
      const node = yield* ledgerNode
      const pay = (amount: string) =>
        at(node, "pay", "--to", payee, "--amount", amount, "--idempotency-key", "bread-17", "--json")
      const first = only(yield* pay("2.00"))
      assert.deepStrictEqual(only(yield* pay("2.00")), first)
      const [balance] = yield* node.ledger.balance(node.ledger.account)
      assert.strictEqual(balance?.posted, -200)
      const other = yield* pay("3.00")
      assert.match(JSON.stringify(only(other)), /"status":"refused","reason":"idempotencyKeyReused: /)
      assert.strictEqual(other.failure?.exitCode, 1)
    })
  )

  it.live("refuses what is over the limit, with what is available", () =>
    Effect.gen(function* () {
      const node = yield* ledgerNode
      yield* at(node, "pay", "--to", payee, "--amount", "20")
      const ran = yield* at(node, "pay", "--to", payee, "--amount", "80.01", "--json")
      assert.deepStrictEqual(only(ran), {
        status: "refused",
        reason: "overLimit: this takes 80.01 hours, and 80.00 is available (balance -20.00, limit 100.00)"
      })
      assert.deepInclude(ran.failure, { exitCode: 1, text: "" })
      const forPeople = yield* at(node, "pay", "--to", payee, "--amount", "80.01")
      assert.deepStrictEqual(forPeople.lines, [])
      assert.include(forPeople.failure?.text, "refused: this takes 80.01 hours")
    })
  )

  it.live("names what cannot be meant, and what can", () =>
    Effect.gen(function* () {
      const node = yield* ledgerNode
      const reason = (...args: ReadonlyArray<string>) =>
        Effect.map(at(node, "pay", "--to", payee, ...args), ({ failure }) => failure?.text)
      assert.match((yield* reason("--amount", "1", "--currency", "eur")) ?? "", /unknown currency "eur"; .* has hours$/)
      assert.include(yield* reason("--amount", "12.345"), 'amount "12.345" in hours is too exact')
      assert.include(yield* reason("--amount", "0"), "above 0")
      assert.include(yield* reason("--amount", "-1"), "above 0")
      assert.include(yield* reason("--amount", "1,50"), "not an amount")
      assert.include(
        yield* Effect.map(at(node, "pay", "--to", node.did, "--amount", "1"), (r) => r.failure?.text),
        "oneself"
      )
      assert.strictEqual(yield* node.ledger.journalVersion, 1)
    })
  )

  it.live("says that no node is running", () =>
    Effect.gen(function* () {
      const dataDir = yield* temporaryDirectory
      const ran = yield* at({ dataDir }, "pay", "--to", payee, "--amount", "1", "--json")
      assert.match(JSON.stringify(only(ran)), /"status":"refused","reason":"notRunning: no node is running on /)
      assert.strictEqual(ran.failure?.exitCode, 1)
    })
  )
})

describe("icn-node ledger hold, post, void and reverse", () => {
  it.live("sets aside, pays a part, and frees the rest", () =>
    Effect.gen(function* () {
      const node = yield* ledgerNode
      yield* at(node, "hold", "--to", payee, "--amount", "10", "--expires-in", "24h")
      const { entry, id } = yield* latest(node.ledger)
      assert.isTrue(entry.kind === "hold" && entry.expiresAt > entry.at + 86_300_000)
      assert.deepInclude((yield* node.ledger.balance(node.ledger.account))[0], { posted: 0, held: 1000 })
      const tooMuch = yield* at(node, "post", id, "--amount", "10.01")
      assert.include(tooMuch.failure?.text, "more than was held")
      const posted = yield* at(node, "post", id, "--amount", "4")
      assert.match(posted.lines[0] ?? "", new RegExp(`^paid 4.00 hours of hold ${id}\nentry [0-9a-f]{64}$`))
      assert.deepInclude((yield* node.ledger.balance(node.ledger.account))[0], { posted: -400, held: 0 })
      assert.include((yield* at(node, "void", id)).failure?.text, "posted or voided before")
    })
  )

  it.live("frees all of a hold", () =>
    Effect.gen(function* () {
      const node = yield* ledgerNode
      yield* at(node, "hold", "--to", payee, "--amount", "10")
      const { id } = yield* latest(node.ledger)
      assert.isUndefined((yield* at(node, "void", id.toUpperCase())).failure)
      assert.deepInclude((yield* node.ledger.balance(node.ledger.account))[0], { posted: 0, held: 0 })
    })
  )

  it.live("gives back what was received, once", () =>
    Effect.gen(function* () {
      const steward = yield* ledgerNode
      const member = yield* ledgerNodeOf(steward)
      yield* at(steward, "pay", "--to", member.did, "--amount", "5")
      const { id } = yield* latest(steward.ledger)
      yield* exchange(steward.ledger, member.ledger)
      const ran = yield* at(member, "reverse", id, "--json")
      assert.isUndefined(ran.failure, ran.lines.join())
      yield* exchange(steward.ledger, member.ledger)
      assert.deepInclude((yield* steward.ledger.balance(steward.ledger.account))[0], { posted: 0 })
      assert.include((yield* at(member, "reverse", id)).failure?.text, "given back before")
    })
  )

  it.live("refuses an id that is none, and a time that is none", () =>
    Effect.gen(function* () {
      const node = yield* ledgerNode
      assert.strictEqual((yield* Effect.exit(at(node, "void", "abc")))._tag, "Failure")
      const hold = at(node, "hold", "--to", payee, "--amount", "1", "--expires-in", "soon")
      assert.strictEqual((yield* Effect.exit(hold))._tag, "Failure")
      assert.isTrue(Option.isNone(yield* node.ledger.cooperative))
      assert.strictEqual(accountDid(node.ledger.account), node.did)
    })
  )
})
