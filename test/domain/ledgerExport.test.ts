import { assert, describe, it } from "@effect/vitest"
import { accountDid } from "../../src/domain/ledgerView.ts"
import { account, Coop, pays } from "../fixtures/ledgerCoop.ts"
import { exportOf } from "../fixtures/ledgerExports.ts"

const [ann, ben] = ["ann", "ben"].map((name) => accountDid(account(name)))

const coop = (memo: string) => {
  const made = new Coop(["ann", "ben"], ["hours", "EUR-x"])
  const paid = made.pay("ann", "ben", 30, { memo, at: 1_767_225_600_000 })
  made.write("ann", { kind: "hold", expiresAt: 0 }, { legs: pays("ann", "ben", 7, 1), at: 1_767_225_700_000 })
  made.write("ben", { kind: "reverse", reversed: paid.id }, { legs: pays("ben", "ann", 30), acks: [paid.id], at: 5 })
  return { made, paid }
}

describe("exports", () => {
  it("say payments and balances to hledger", () => {
    const { made, paid } = coop("bread; two | fresh")
    const text = exportOf(made.replica, "hledger")
    const [annFirst] = paid.entry.legs
    const legs = [`    ${ann}  -0.30 "hours"\n`, `    ${ben}  0.30 "hours"\n`]
    if (annFirst?.account !== account("ann")) legs.reverse()
    assert.include(text, 'commodity 1000.00 "hours"\ncommodity 1000.00 "EUR-x"\n')
    assert.include(
      text,
      `2026-01-01 * (4) transfer | bread, two / fresh  ; entry ${paid.id}\n` +
        `    ; at 2026-01-01T00:00:00.000Z\n${legs.join("")}\n`
    )
    assert.include(text, "1970-01-01 * (6) reverse  ;")
    assert.notInclude(text, "hold")
    // A hold is no posting, and its row has nothing posted.
    assert.include(text, `2026-01-01 * the books at version 6\n`)
    assert.include(text, `    ${ann}  0.00 "EUR-x" = 0.00 "EUR-x"\n`)
  })

  it("are tables by RFC 4180", () => {
    const { made, paid } = coop('"quoted", with a comma')
    const rows = exportOf(made.replica, "csv").split("\r\n")
    assert.strictEqual(rows[0], "version,entry,time,kind,author,seq,booked,posting,account,currency,amount,memo")
    assert.strictEqual(rows.at(-1), "")
    const memo = '"""quoted"", with a comma"'
    const first = `4,${paid.id},2026-01-01T00:00:00.000Z,transfer,${ann},0,true,true`
    assert.include(rows, `${first},${ann},hours,-0.30,${memo}`)
    assert.include(rows, `${first},${ben},hours,0.30,${memo}`)
    const holds = rows.filter((row) => row.includes(",hold,"))
    assert.strictEqual(holds.length, 2)
    assert.isTrue(holds.every((row) => row.includes(",true,false,") && row.includes(",EUR-x,")))
    assert.isTrue(rows.slice(1, 4).every((row) => row.endsWith(",true,false,,,,")))
  })

  it("give a spreadsheet no formula to run", () => {
    const { made } = coop('=HYPERLINK("http://example.invalid")')
    assert.include(exportOf(made.replica, "csv"), `,"'=HYPERLINK(""http://example.invalid"")"\r\n`)
  })

  it("have one JSON value per line, with a header and a trailer", () => {
    const { made } = coop("")
    const lines = exportOf(made.replica, "jsonl").split("\n")
    assert.strictEqual(lines.pop(), "")
    const types = lines.map((line) => /^\{"type":"(\w+)".*\}$/.exec(line)?.[1])
    for (const line of lines) assert.doesNotThrow(() => JSON.parse(line))
    assert.deepStrictEqual(types, ["header", ...Array.from({ length: 6 }, () => "entry"), "trailer"])
  })
})
