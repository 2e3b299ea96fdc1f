import { assert, describe, it } from "@effect/vitest"
import { compareLegs } from "../../src/domain/ledgerEntry.ts"
import type { ExportedEntry } from "../../src/domain/ledgerExporter.ts"
import { recomputeBalances } from "../../src/domain/ledgerRecompute.ts"
import { ExportVerifier, verifyExport } from "../../src/protocol/ledgerVerify.ts"
import { encodeEntry } from "../../src/protocol/entry.ts"
import { account, Coop, pays } from "../fixtures/ledgerCoop.ts"
import { keyOf, seal } from "../fixtures/ledgerEntries.ts"
import { exportedEntries, exportOf } from "../fixtures/ledgerExports.ts"
import { Replica } from "../fixtures/ledgerReplica.ts"
import { makeWorld, shuffled } from "../fixtures/ledgerWorld.ts"
import { fuzzSeed, makeRandom } from "../fixtures/random.ts"

const seed = fuzzSeed()

const linesOf = (text: string): ReadonlyArray<string> => text.slice(0, -1).split("\n")

const coop = (() => {
  const made = new Coop(["ann", "ben"])
  const paid = made.pay("ann", "ben", 30)
  made.ack("ben", paid)
  made.pay("ben", "ann", 10)
  made.write("ann", { kind: "hold", expiresAt: 0 }, { legs: pays("ann", "ben", 7) })
  made.pay("ann", "ben", 5)
  return made
})()

const lines = linesOf(exportOf(coop.replica, "jsonl"))
const entries = exportedEntries(coop.replica)
const last = lines.length - 1
/** The lines of the payment of 30, and of the one after it. */
const paymentLine = 1 + entries.findIndex(({ entry }) => entry.kind === "transfer")

const parse = (text: string): Record<string, unknown> => {
  const value: unknown = JSON.parse(text)
  return typeof value === "object" && value !== null ? { ...value } : {}
}

const isRows = (value: unknown): value is ReadonlyArray<Record<string, number>> => Array.isArray(value)

const edited = (line: number, edit: (value: Record<string, unknown>) => object): ReadonlyArray<string> =>
  lines.map((text, index) => (index === line ? JSON.stringify(edit(parse(text))) : text))

const problemOf = (some: ReadonlyArray<string>) => {
  const verdict = verifyExport(some)
  return verdict._tag === "Sound" ? "sound" : `${verdict.line}: ${verdict.problem}`
}

/** The export with one entry written anew by somebody who may sign. */
const rewritten = (which: number, change: (entry: ExportedEntry["entry"]) => ExportedEntry["entry"], by: string) => {
  const all = entries.map((one, index) => {
    if (index !== which) return one
    const { body, entry, id, signature } = seal(change(one.entry), keyOf(by))
    return { ...one, id, entry, sealed: { body, signature } }
  })
  return linesOf(exportOf(coop.replica, "jsonl", all))
}

type Payment = ExportedEntry["entry"]

const doubled = (entry: Payment): Payment => ({
  ...entry,
  legs: entry.legs.map((leg) => ({ ...leg, amount: leg.amount * 2 }))
})

const tooMuch = (entry: Payment): Payment => ({ ...entry, legs: pays("ann", "ben", 500).toSorted(compareLegs) })

const changedHeader = (part: object) => problemOf(edited(0, (old) => ({ ...old, ...part })))

describe("verifyExport", () => {
  it("finds a genuine export sound", () => {
    const verdict = verifyExport(lines)
    assert.deepInclude(verdict, { _tag: "Sound", coop: coop.replica.history.coop, version: entries.length, forked: [] })
    if (verdict._tag === "Sound") {
      const [ann, ben] = [account("ann"), account("ben")].map((one) =>
        verdict.balances.find((row) => row.account === one)
      )
      assert.deepInclude(ann, { posted: -25, held: 7, unacked: 10 })
      assert.deepInclude(ben, { posted: 25, held: 0, unacked: 5 })
    }
  })

  it(`finds every honest export sound, with forks and all (seed ${seed})`, () => {
    const random = makeRandom(seed)
    for (let number = 0; number < 12; number++) {
      const world = makeWorld(seed + number, 60)
      const replica = new Replica(world.coop)
      for (const one of shuffled(world, random)) replica.deliver(one)
      const verdict = verifyExport(linesOf(exportOf(replica, "jsonl")))
      assert.strictEqual(verdict._tag, "Sound", `world ${seed + number}: ${JSON.stringify(verdict)}`)
      if (verdict._tag !== "Sound") continue
      const rows = recomputeBalances(replica.history)
      assert.deepStrictEqual(
        verdict.balances.map(({ account, posted }) => `${account} ${posted}`),
        rows.map(({ account, posted }) => `${account} ${posted}`)
      )
      assert.strictEqual(
        verdict.forked.length,
        [...replica.history.authors()].filter(({ lowestFork }) => lowestFork !== undefined).length
      )
    }
  })

  it("notices a changed amount, signed or not", () => {
    const which = paymentLine - 1
    const body = Buffer.from(encodeEntry(doubled(entries[which]?.entry ?? assert.fail()))).toString("base64")
    const line = paymentLine + 1
    assert.strictEqual(
      problemOf(edited(paymentLine, (old) => ({ ...old, body }))),
      `${line}: the id is not that of the body`
    )
    assert.strictEqual(problemOf(rewritten(which, doubled, "ben")), `${line}: the signature is not the author's`)
    // By the author himself: nothing that follows goes on from this entry.
    assert.match(problemOf(rewritten(which, doubled, "ann")), /relies on [0-9a-f]{64}, which is not before it/)
  })

  it("notices an entry that breaks a rule, whoever signed it", () => {
    const which = entries.length - 1
    assert.strictEqual(problemOf(rewritten(which, tooMuch, "ann")), `${which + 2}: the entry is invalid: overLimit`)
  })

  it("notices a changed signature", () => {
    const signature = Buffer.alloc(64, 7).toString("base64")
    const problem = "the signature is not the author's"
    assert.strictEqual(problemOf(edited(3, (old) => ({ ...old, signature }))), `4: ${problem}`)
    const other = parse(lines[2] ?? "")["signature"]
    assert.strictEqual(problemOf(edited(3, (old) => ({ ...old, signature: other }))), `4: ${problem}`)
    assert.strictEqual(
      problemOf(edited(3, (old) => ({ ...old, signature: `${String(old["signature"])} ` }))),
      "4: body or signature is no base64"
    )
  })

  it("notices every dropped, repeated and exchanged line", () => {
    for (let line = 0; line < lines.length; line++) {
      assert.notStrictEqual(problemOf(lines.toSpliced(line, 1)), "sound")
      assert.notStrictEqual(problemOf(lines.toSpliced(line, 0, lines[line] ?? "")), "sound")
      if (line === 0) continue
      const exchanged = lines.toSpliced(line - 1, 2, lines[line] ?? "", lines[line - 1] ?? "")
      assert.notStrictEqual(problemOf(exchanged), "sound")
    }
    assert.strictEqual(problemOf(lines.slice(0, last)), `${last + 1}: the export ends before its trailer`)
    assert.strictEqual(problemOf([]), "1: the export ends before its trailer")
  })

  it("notices lines that were moved and given the right versions", () => {
    const moved = [...entries]
    const [paid] = moved.splice(paymentLine - 1, 1)
    moved.push(paid ?? assert.fail())
    const renumbered = moved.map((one, index) => ({ ...one, version: index + 1 }))
    assert.match(problemOf(linesOf(exportOf(coop.replica, "jsonl", renumbered))), /which is not before it/)
    const twice = entries.toSpliced(paymentLine, 0, entries[paymentLine - 1] ?? assert.fail())
    const again = twice.map((one, index) => ({ ...one, version: index + 1 }))
    assert.match(problemOf(linesOf(exportOf(coop.replica, "jsonl", again))), /the entry was there before|brokenChain/)
  })

  it("notices a trailer that says anything else", () => {
    const change = (part: object) => problemOf(edited(last, (old) => ({ ...old, ...part })))
    const balances = parse(lines[last] ?? "")["balances"]
    if (!isRows(balances)) throw new Error("the trailer has no balances")
    const row = balances[0] ?? assert.fail()
    assert.match(change({ version: 1 }), /version 1/)
    assert.match(change({ entries: entries.length + 1 }), /counts/)
    assert.match(change({ balances: balances.slice(1) }), /does not follow/)
    assert.match(change({ balances: [...balances, row] }), /does not follow/)
    assert.match(change({ balances: balances.toReversed() }), /does not follow/)
    for (const figure of ["posted", "held", "unacked", "currency"]) {
      const wrong = [{ ...row, [figure]: (row[figure] ?? 0) + 1 }, ...balances.slice(1)]
      assert.match(change({ balances: wrong }), /does not follow/)
    }
  })

  it("notices a header that says anything else", () => {
    assert.match(changedHeader({ coop: "c0".repeat(32) }), /foreignCoop/)
    assert.match(changedHeader({ name: "Another" }), /another name/)
    assert.match(
      changedHeader({ currencies: [{ symbol: "EUR", decimals: 2, startingLimit: 100 }] }),
      /other currencies/
    )
    assert.match(changedHeader({ format: "icn-node/ledger-export/v2" }), /no header/)
    assert.match(changedHeader({ more: 1 }), /no header/)
  })

  it("notices entries that are marked as booked and are not, and the other way round", () => {
    assert.match(problemOf(edited(3, (old) => ({ ...old, booked: false }))), /is booked, and is not marked so/)
  })

  it("answers anything at all without throwing", () => {
    const random = makeRandom(seed)
    for (const garbage of ["", "{}", "null", "[]", "\u0000", '{"type":"entry"}', "x".repeat(1_000)]) {
      assert.notStrictEqual(problemOf([garbage]), "sound")
      assert.notStrictEqual(problemOf(lines.toSpliced(random.below(lines.length), 1, garbage)), "sound")
    }
    for (let round = 0; round < 120; round++) {
      const line = random.below(lines.length)
      const text = Buffer.from(lines[line] ?? "")
      const at = random.below(text.length)
      text[at] = 32 + (((text[at] ?? 0) + 1 + random.below(90)) % 95)
      const changed = lines.toSpliced(line, 1, text.toString())
      if (changed[line] !== lines[line]) assert.notStrictEqual(problemOf(changed), "sound", `${line} ${at}`)
    }
    const verifier = new ExportVerifier()
    assert.strictEqual(verifier.line("garbage"), "the line is no header, entry or trailer of this format")
    assert.strictEqual(verifier.verdict()._tag, "Unsound")
  })
})
