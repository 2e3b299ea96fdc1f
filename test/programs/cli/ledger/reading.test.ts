import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { ledger } from "../../../../src/programs/cli/ledger.ts"
import { LedgerError, StaleSnapshot } from "../../../../src/services/Ledger.ts"
import { documents, type Ran, runCommand } from "../../../fixtures/commands.ts"
import { exchange, ledgerNode, ledgerNodeOf, ledgerNodeWith } from "../../../fixtures/ledgerNodes.ts"
import { temporaryDirectory } from "../../../fixtures/temporaryDirectory.ts"

const at = ({ dataDir }: { readonly dataDir: string }, ...args: ReadonlyArray<string>) =>
  runCommand(ledger, [...args, "--data-dir", dataDir])

/** The lines of a history, without what is another one in every run. */
const short = (ran: Ran) =>
  documents(ran).map((line) => (typeof line === "object" ? { ...line, entryId: "", at: "", seq: 0 } : line))

/** A steward and a member who have paid each other: 5.00 to the member, 2.00 back. */
const paid = Effect.gen(function* () {
  const steward = yield* ledgerNode
  const member = yield* ledgerNodeOf(steward)
  yield* at(steward, "pay", "--to", member.did, "--amount", "5", "--memo", "bread")
  yield* exchange(steward.ledger, member.ledger)
  yield* at(member, "pay", "--to", steward.did, "--amount", "2")
  yield* exchange(steward.ledger, member.ledger)
  return { steward, member }
})

describe("icn-node ledger balance", () => {
  it.live("shows a fresh node what it may spend", () =>
    Effect.gen(function* () {
      const node = yield* ledgerNode
      const ran = yield* at(node, "balance", "--json")
      assert.deepStrictEqual(documents(ran), [
        [{ did: node.did, currency: "hours", posted: "0.00", held: "0.00", available: "100.00", limit: "100.00" }]
      ])
    })
  )

  it.live("shows oneself, another, and everyone", () =>
    Effect.gen(function* () {
      const { member, steward } = yield* paid
      const own = yield* at(steward, "balance")
      assert.deepStrictEqual(own.lines.join("\n").split("\n"), [
        steward.did,
        "currency  balance  held  available   limit",
        "hours       -3.00  0.00      95.00  100.00",
        "2.00 hours of it can be spent once this member's node has acknowledged it"
      ])
      const other = yield* at(steward, "balance", member.did, "--json")
      assert.deepStrictEqual(documents(other), [
        [{ did: member.did, currency: "hours", posted: "3.00", held: "0.00", available: "103.00", limit: "100.00" }]
      ])
      const [all] = documents(yield* at(steward, "balance", "--everyone", "--json"))
      assert.lengthOf(Array.isArray(all) ? all : [], 2)
    })
  )

  it.live("wants one member or everyone", () =>
    Effect.gen(function* () {
      const node = yield* ledgerNode
      for (const command of [["balance"], ["history"], ["limits", "show"]]) {
        const ran = yield* at(node, ...command, node.did, "--everyone")
        assert.strictEqual(ran.failure?.text, "name a member or say --everyone, not both")
      }
    })
  )

  it.live("says that no node is running where there is no ledger either", () =>
    Effect.gen(function* () {
      const dataDir = yield* temporaryDirectory
      const ran = yield* at({ dataDir }, "balance")
      assert.include(ran.failure?.text, `no node is running on ${dataDir}`)
    })
  )
})

describe("icn-node ledger history", () => {
  it.live("shows payments newest first, from one's own point of view", () =>
    Effect.gen(function* () {
      const { member, steward } = yield* paid
      const common = { entryId: "", at: "", seq: 0, kind: "transfer", currency: "hours", booked: true }
      const mine = { ...common, author: steward.did, memo: "bread", version: 3 }
      const theirs = { ...common, author: member.did, memo: "", version: 4 }
      assert.deepStrictEqual(short(yield* at(steward, "history", "--json")), [
        { ...theirs, amount: "2.00", counterparty: member.did },
        { ...mine, amount: "-5.00", counterparty: member.did }
      ])
      assert.deepStrictEqual(short(yield* at(steward, "history", member.did, "--json")), [
        { ...theirs, amount: "-2.00", counterparty: steward.did },
        { ...mine, amount: "5.00", counterparty: steward.did }
      ])
    })
  )

  it.live("shows a line per payment to people, and memberships when all is asked for", () =>
    Effect.gen(function* () {
      const { member, steward } = yield* paid
      const { lines } = yield* at(steward, "history")
      assert.match(lines[1] ?? "", /^\d{4}-\d\d-\d\d \d\d:\d\d  transfer         -5.00 hours  did:key:\S+  bread$/)
      assert.lengthOf(lines, 2)
      const withIds = yield* at(steward, "history", "--ids")
      const ids = documents(yield* at(steward, "history", "--json")).map((line) => Object(line).entryId)
      assert.deepStrictEqual(
        withIds.lines,
        lines.map((line, index) => `${ids[index]}  ${line}`)
      )
      const all = yield* at(steward, "history", "--everyone", "--all")
      assert.deepStrictEqual(
        all.lines.map((line) => line.split(/\s+/)[2]),
        ["transfer", "transfer", "member", "genesis"]
      )
      assert.include(all.lines[2], member.did)
    })
  )

  it.live("lets no memo turn the line round that it is in", () =>
    Effect.gen(function* () {
      const { member, steward } = yield* paid
      yield* at(steward, "pay", "--to", member.did, "--amount", "1", "--memo", "a\u202eb\u2028c")
      const { lines } = yield* at(steward, "history")
      assert.match(lines[0] ?? "", /  abc$/)
    })
  )

  it.live("goes on from a version, and stops at one", () =>
    Effect.gen(function* () {
      const { steward } = yield* paid
      const versions = (...args: ReadonlyArray<string>) =>
        Effect.map(at(steward, "history", "--json", ...args), (ran) =>
          ran.lines.map((line) => Number(/"version":(\d+)/.exec(line)?.[1]))
        )
      assert.deepStrictEqual(yield* versions("--limit", "1"), [4])
      assert.deepStrictEqual(yield* versions("--before", "4"), [3])
      assert.deepStrictEqual(yield* versions("--since", "3"), [4])
      assert.deepStrictEqual(yield* versions("--since", "4"), [])
      assert.deepStrictEqual(yield* versions("--since", "2026-01-01"), [4, 3])
      assert.deepStrictEqual(yield* versions("--since", "9999-01-01T00:00:00Z"), [])
      assert.strictEqual((yield* Effect.exit(at(steward, "history", "--since", "yesterday")))._tag, "Failure")
    })
  )

  it.live("is empty before anything happened", () =>
    Effect.gen(function* () {
      const node = yield* ledgerNode
      assert.deepStrictEqual((yield* at(node, "history")).lines, ["no payments"])
      assert.deepStrictEqual((yield* at(node, "history", "--json")).lines, [])
    })
  )
})

describe("icn-node ledger limits", () => {
  it.live("shows, suggests and grants", () =>
    Effect.gen(function* () {
      const { member, steward } = yield* paid
      const suggested = yield* at(steward, "limits", "suggest", "--policy", "permissive")
      const text = suggested.lines.join("\n")
      assert.match(text, new RegExp(`${member.did}\\s+5.00\\s+1\\s+0\\s+100.00\\s+10.00`))
      assert.include(text, `icn-node ledger limits grant ${member.did} --limit 10.00 --currency hours`)
      const asJson = yield* at(steward, "limits", "suggest", member.did, "--json")
      assert.deepStrictEqual(documents(asJson), [
        [
          {
            did: member.did,
            currency: "hours",
            cleared: "5.00",
            payers: 1,
            memberDays: 0,
            limit: "100.00",
            suggested: "10.00",
            policy: "conservative"
          }
        ]
      ])
      const granted = yield* at(steward, "limits", "grant", member.did, "--limit", "150")
      assert.match(granted.lines[0] ?? "", new RegExp(`^granted a limit of 150.00 hours to ${member.did}\n`))
      yield* exchange(steward.ledger, member.ledger)
      yield* at(member, "pay", "--to", steward.did, "--amount", "1")
      const shown = yield* at(member, "limits", "show", "--json")
      assert.deepStrictEqual(documents(shown), [
        [{ did: member.did, currency: "hours", limit: "150.00", available: "152.00" }]
      ])
    })
  )

  it.live("tells who is no steward", () =>
    Effect.gen(function* () {
      const { member, steward } = yield* paid
      const ran = yield* at(member, "limits", "grant", steward.did, "--limit", "1")
      assert.include(ran.failure?.text, "only stewards may do this")
      assert.include(
        (yield* at(steward, "limits", "suggest", "--currency", "EUR")).failure?.text,
        'unknown currency "EUR"'
      )
    })
  )
})

describe("icn-node ledger verify and recompute", () => {
  it.live("finds sound books sound", () =>
    Effect.gen(function* () {
      const { steward } = yield* paid
      const ran = yield* at(steward, "verify", "--json")
      assert.deepStrictEqual(documents(ran), [
        { ok: true, journalVersion: 4, entries: 4, sumByCurrency: { hours: "0.00" }, mismatches: [] }
      ])
      assert.isUndefined(ran.failure)
      const forPeople = yield* at(steward, "verify")
      assert.deepStrictEqual(forPeople.lines, ["ok\n4 entries, version 4; all balances sum to 0.00 hours"])
      const recomputed = yield* at(steward, "recompute", "--json")
      assert.deepStrictEqual(documents(recomputed), [
        { ok: true, journalVersion: 4, entries: 4, sumByCurrency: { hours: "0.00" }, mismatches: [], retries: 0 }
      ])
    })
  )
})

describe("icn-node ledger verify of wrong books", () => {
  it.live("names each difference, and fails", () =>
    Effect.gen(function* () {
      const node = yield* ledgerNodeWith(({ account }) => ({
        verify: Effect.succeed({
          journalVersion: 9,
          entries: 9,
          sums: [5],
          mismatches: [
            {
              account,
              currency: 0,
              stored: { posted: 5, held: 0, unacked: 0 },
              recomputed: { posted: 0, held: 0, unacked: 0 }
            }
          ]
        })
      }))
      const ran = yield* at(node, "verify", "--json")
      const zero = { posted: "0.00", held: "0.00", unacked: "0.00" }
      assert.deepStrictEqual(documents(ran), [
        {
          ok: false,
          journalVersion: 9,
          entries: 9,
          sumByCurrency: { hours: "0.05" },
          mismatches: [{ did: node.did, currency: "hours", stored: { ...zero, posted: "0.05" }, recomputed: zero }]
        }
      ])
      assert.strictEqual(ran.failure?.exitCode, 1)
      const text = (yield* at(node, "verify")).lines.join("\n")
      assert.include(text, `${node.did} hours: stored 0.05 (held 0.00, unacknowledged 0.00), by the journal 0.00`)
      assert.include(text, 'put them right with "icn-node ledger recompute"')
    })
  )

  it.live("tells what it counts, in each of two stages", () =>
    Effect.gen(function* () {
      const counts: ReadonlyArray<readonly [number, number]> = [
        [4, 6],
        [6, 6],
        [8, 10],
        [10, 10]
      ]
      const node = yield* ledgerNodeWith(() => ({
        progress: Stream.fromIterable(counts.map(([done, total]) => ({ done, total }))),
        verify: Effect.delay(Effect.succeed({ journalVersion: 6, entries: 6, sums: [0], mismatches: [] }), "50 millis")
      }))
      const { progress } = yield* at(node, "verify")
      const told = progress.join("").split("\r\u001b[2K").filter(Boolean)
      assert.deepStrictEqual(told, [
        "verifying entries  66 %, 4 of 6 entries",
        "verifying entries 100 %, 6 of 6 entries",
        "verifying balances  80 %, 8 of 10 legs",
        "verifying balances 100 %, 10 of 10 legs"
      ])
    })
  )

  it.live("fails where something was written meanwhile, when told to work once", () =>
    Effect.gen(function* () {
      const reason = new StaleSnapshot({ expected: 3, actual: 4 })
      const node = yield* ledgerNodeWith(() => ({ recomputeBalances: Effect.fail(new LedgerError({ reason })) }))
      const ran = yield* at(node, "recompute", "--once")
      assert.include(ran.failure?.text, "the books went on from version 3 to 4")
      assert.isUndefined((yield* at(node, "recompute")).failure)
    })
  )
})

describe("icn-node ledger quarantine", () => {
  it.live("shows what waits, judges it anew, and throws it away", () =>
    Effect.gen(function* () {
      const { member, steward } = yield* paid
      yield* at(steward, "pay", "--to", member.did, "--amount", "1", "--memo", "first")
      yield* at(steward, "pay", "--to", member.did, "--amount", "3", "--memo", "second")
      const [first, second] = yield* steward.ledger
        .missing(yield* member.ledger.heads, {
          version: 0,
          max: 10,
          bytesMax: 100_000
        })
        .pipe(Effect.map(({ entries }) => entries))
      assert.isDefined(first)
      assert.isDefined(second)
      yield* member.ledger.receive([second], "each")
      const [listed] = documents(yield* at(member, "quarantine", "list", "--json"))
      assert.match(JSON.stringify(listed), /"state":"pending"/)
      const id = (yield* member.ledger.quarantine.list)[0]?.id ?? ""
      assert.include((yield* at(member, "quarantine", "list")).lines[0], id)
      const got = (yield* at(member, "quarantine", "get", id)).lines.join("\n")
      assert.include(got, "memo     second")
      assert.include(got, `leg      3.00 hours  ${member.did}`)
      assert.deepStrictEqual((yield* at(member, "quarantine", "release", id)).lines, ["it still waits for 1 entries"])
      const overview = yield* at(member, "sync", "status")
      assert.include(overview.lines[0], "waiting      1 entries for others")
      assert.deepStrictEqual((yield* at(member, "quarantine", "purge", "--json")).lines, ['{"dropped":1}'])
      assert.deepStrictEqual((yield* at(member, "quarantine", "list")).lines, ["nothing is in quarantine"])
      assert.include((yield* at(member, "quarantine", "drop", id)).failure?.text, `no entry ${id} in quarantine`)
      assert.include((yield* at(member, "quarantine", "get", id)).failure?.text, `no entry ${id} in quarantine`)
      yield* member.ledger.receive([second], "each")
      assert.deepStrictEqual((yield* at(member, "quarantine", "drop", id, "--json")).lines, ['{"dropped":1}'])
      yield* member.ledger.receive([second, first], "each")
      assert.deepStrictEqual((yield* at(member, "quarantine", "list")).lines, ["nothing is in quarantine"])
    })
  )
})

describe("icn-node ledger sync status", () => {
  it.live("tells of which cooperative the books are, and how far", () =>
    Effect.gen(function* () {
      const node = yield* ledgerNode
      assert.include((yield* at(node, "sync", "status")).lines[0], "cooperative  none yet")
      const { steward } = yield* paid
      const [document] = documents(yield* at(steward, "sync", "status", "--json"))
      assert.deepInclude(document, {
        did: steward.did,
        journalVersion: 4,
        ownSeq: 2,
        ownBehind: 0,
        peers: [],
        forks: []
      })
    })
  )
})
