/** A cooperative with its books on nodes of the built program: founded, joined, paid in, cut off and cheated. */
import { assert, describe, it } from "@effect/vitest"
import { Console, Effect, Schema, Stream } from "effect"
import { cpSync, rmSync } from "node:fs"
import { join } from "node:path"
import { workWithNode } from "../../src/programs/rpc/client.ts"
import { temporaryDirectory } from "../fixtures/temporaryDirectory.ts"
import { runToEnd } from "./icnNode.ts"
import { kill, type Member, metric, startAgain, startMember, startMesh, until, untilMesh } from "./mesh.ts"

const Answer = Schema.Struct({
  status: Schema.String,
  entryId: Schema.optionalKey(Schema.String),
  reason: Schema.optionalKey(Schema.String)
})
const Balances = Schema.Array(
  Schema.Struct({
    did: Schema.String,
    currency: Schema.String,
    posted: Schema.String,
    held: Schema.String,
    available: Schema.String,
    limit: Schema.String
  })
)
const Report = Schema.Struct({
  ok: Schema.Boolean,
  journalVersion: Schema.Int,
  entries: Schema.Int,
  sumByCurrency: Schema.Record(Schema.String, Schema.String),
  mismatches: Schema.Array(Schema.Unknown)
})
/** Runs a command on a member's node, and gives what it prints; fails with its last words when it fails. */
const command = Effect.fnUntraced(function* ({ dataDir, home }: Member, ...args: ReadonlyArray<string>) {
  const { code, stderr, stdout } = yield* runToEnd([...args, "--data-dir", dataDir], { home })
  if (code !== 0) assert.fail(`${args.join(" ")}: exit code ${code}\n${stdout}\n${stderr}`)
  return stdout
})

const json = <A>(schema: Schema.Codec<A, unknown>, member: Member, ...args: ReadonlyArray<string>) =>
  Effect.map(command(member, ...args, "--json"), Schema.decodeSync(Schema.fromJsonString(schema)))

const pay = (from: Member, to: Member, amount: string) =>
  workWithNode(from.dataDir, (client) =>
    client.LedgerWrite({
      intent: { _tag: "Pay", to: to.did, amount, currency: null },
      memo: "",
      idempotencyKey: `${from.name} ${to.name} ${amount} ${performance.now()}`
    })
  ).pipe(Effect.orDie)

const balance = (at: Member, of: Member) =>
  Effect.map(json(Balances, at, "ledger", "balance", of.did.text), ([row]) => row ?? assert.fail("no balance"))

const everything = { of: null, everyone: true, all: true, limit: 10_000 }
const unbounded = { sinceVersion: null, sinceMillis: null, before: null }

/** Everything that has to be the same on all nodes, in one text. */
const books = (at: Member) =>
  workWithNode(at.dataDir, (client) =>
    Effect.gen(function* () {
      const balances = yield* Stream.runCollect(client.LedgerBalance({ of: null, everyone: true }))
      const lines = yield* Stream.runCollect(client.LedgerHistory({ ...everything, ...unbounded }))
      const booked = new Set(lines.filter(({ booked }) => booked).map(({ entryId }) => entryId))
      return JSON.stringify([balances, [...booked].toSorted()])
    })
  ).pipe(Effect.orDie)

const untilEqual = Effect.fnUntraced(function* (members: ReadonlyArray<Member>, what: string) {
  const { millis } = yield* until(Effect.forEach(members, books), (all) => new Set(all).size === 1, what, 60_000)
  yield* Console.log(`${what}: ${millis} ms`)
  for (const member of members) {
    const report = yield* json(Report, member, "ledger", "verify")
    assert.deepStrictEqual([report.ok, report.mismatches, report.sumByCurrency["hours"]], [true, [], "0.00"])
  }
})

const invite = (by: Member, ...args: ReadonlyArray<string>) =>
  Effect.map(json(Schema.Struct({ invite: Schema.String }), by, "coop", "invite", ...args), ({ invite }) => invite)

/** Pays in a ring and to the first, all members at the same time. */
const payAround = (members: ReadonlyArray<Member>) =>
  Effect.forEach(
    members.flatMap((from, index) => {
      const next = members[(index + 1) % members.length] ?? from
      return [
        { from, to: next, amount: `${index + 1}.00` },
        { from, to: next, amount: "0.25" }
      ]
    }),
    ({ amount, from, to }) =>
      Effect.map(pay(from, to, amount), ({ status }) => assert.strictEqual(status, "committed")),
    { concurrency: 2 }
  )

describe("a cooperative of nodes", () => {
  it.live(
    "pays from the fifth command on",
    () =>
      Effect.gen(function* () {
        const home = yield* temporaryDirectory
        const alice = yield* startMember({ home, name: "alice" })
        const bob = yield* startMember({ home, name: "bob" })
        yield* command(bob, "coop", "join", yield* invite(alice))
        const paid = yield* json(Answer, alice, "ledger", "pay", "--to", bob.did.text, "--amount", "1.50")
        assert.strictEqual(paid.status, "committed")
        const { reading } = yield* until(
          balance(bob, bob),
          ({ available }) => available === "101.50",
          "bob can spend what he got"
        )
        assert.deepStrictEqual(reading, {
          did: bob.did.text,
          currency: "hours",
          posted: "1.50",
          held: "0.00",
          available: "101.50",
          limit: "100.00"
        })
        yield* untilEqual([alice, bob], "two nodes have the same books")
      }).pipe(Effect.scoped),
    120_000
  )

  it.live(
    "has the same books on five nodes after payments at once, a crash, and a member who wrote two chains",
    () =>
      Effect.gen(function* () {
        const home = yield* temporaryDirectory
        const members = yield* startMesh(home)
        yield* untilMesh(members)
        const [founder, ...others] = members
        const [away, , , cheat] = others
        if (founder === undefined || away === undefined || cheat === undefined) return assert.fail("no members")
        const text = yield* invite(founder, "--uses", "4")
        yield* Effect.forEach(others, (member) => command(member, "coop", "join", text), { concurrency: 2 })
        yield* payAround(members)
        yield* untilEqual(members, "five nodes have the same books")

        yield* kill(away)
        const present = members.filter((member) => member !== away)
        yield* payAround(present)
        const back = yield* startAgain(away)
        const all = members.map((member) => (member === away ? back : member))
        yield* untilEqual(all, "and again after one was away")

        // A copy of the data directory in use beside the original: the same key writes two chains.
        yield* kill(cheat)
        const copy = join(home, "copy")
        cpSync(cheat.dataDir, copy, { recursive: true, filter: (path) => !path.endsWith(".sock") })
        rmSync(join(copy, "peers.json"), { force: true })
        const alone = yield* startMember({ home, name: "copy" })
        assert.strictEqual((yield* pay(alone, founder, "3.00")).status, "committed")
        yield* kill(alone)
        const original = yield* startAgain(cheat)
        assert.strictEqual((yield* pay(original, back, "4.00")).status, "committed")
        const honest = all.filter((member) => member !== cheat)
        yield* untilEqual([...honest, original], "and before the copy comes")
        yield* kill(original)
        yield* startMember({ home, name: "copy", args: ["--bootstrap", founder.uri] })
        yield* Effect.forEach(honest, (member) =>
          until(metric(member, "icn_ledger_forked_authors"), (forks) => forks === 1, `${member.name} knows of the fork`)
        )
        yield* payAround(honest)
        yield* untilEqual(honest, "and after two chains of one member")
      }).pipe(Effect.scoped),
    300_000
  )
})
