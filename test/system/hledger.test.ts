import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { accountDid } from "../../src/domain/ledgerView.ts"
import { account, Coop, makeGenesis } from "../fixtures/ledgerCoop.ts"
import { exportOf } from "../fixtures/ledgerExports.ts"
import { Replica } from "../fixtures/ledgerReplica.ts"
import { makeWorld, shuffled } from "../fixtures/ledgerWorld.ts"
import { fuzzSeed, makeRandom } from "../fixtures/random.ts"

const hledger = process.env["HLEDGER"] ?? "hledger"
const isMissing = spawnSync(hledger, ["--version"]).error !== undefined
/** Where everything has to be there, a missing program fails the test instead of skipping it. */
const mayBeMissing = process.env["CI"] !== "true"
const seed = fuzzSeed()

const run = (journal: string, ...args: ReadonlyArray<string>) => {
  const { error, status, stderr, stdout } = spawnSync(hledger, ["-f", "-", ...args], {
    input: journal,
    encoding: "utf8",
    env: { ...process.env, LANG: "C.UTF-8", LC_ALL: "C.UTF-8" }
  })
  if (error !== undefined) throw error
  return { status, stderr, stdout }
}

describe.skipIf(isMissing && mayBeMissing)("hledger (of the package hledger, or named in HLEDGER)", () => {
  it(`reads every export, and comes to the same balances (seed ${seed})`, () => {
    const random = makeRandom(seed)
    for (let number = 0; number < 6; number++) {
      const world = makeWorld(seed + number, 60)
      const replica = new Replica(world.coop)
      for (const one of shuffled(world, random)) replica.deliver(one)
      const text = exportOf(replica, "hledger")
      assert.deepInclude(run(text, "check"), { status: 0, stderr: "" }, `world ${seed + number}`)
    }
  })

  it("shows members by their DIDs", () => {
    const coop = new Coop(["ann", "ben"])
    coop.pay("ann", "ben", 30)
    const { stdout } = run(exportOf(coop.replica, "hledger"), "balance", "--flat", "-O", "csv")
    assert.include(stdout, `"${accountDid(account("ann"))}","-0.30 hours"`)
  })

  it("takes any memo, and any time", () => {
    const coop = new Coop(["ann", "ben"])
    const memos = [
      "",
      " ",
      "date:nonsense",
      "[2020-99-99]",
      "(x) ! * =",
      "1 ; 2 ; 3",
      "für Brot 🍞",
      "a  b",
      "~ @@ {5}"
    ]
    for (const [index, memo] of memos.entries()) coop.pay("ann", "ben", 1, { memo, at: index * 86_400_000 * 400 })
    coop.pay("ann", "ben", 1, { at: Number.MAX_SAFE_INTEGER })
    assert.deepInclude(run(exportOf(coop.replica, "hledger"), "check"), { status: 0, stderr: "" })
  })

  it("reads an empty ledger", () => {
    const genesis = makeGenesis(["steward"], 100)
    const replica = new Replica(genesis.id)
    replica.deliver(genesis)
    assert.deepInclude(run(exportOf(replica, "hledger"), "check"), { status: 0, stderr: "" })
  })

  it("refuses an export in which an amount was changed, so that its silence means something", () => {
    const coop = new Coop(["ann", "ben"])
    coop.pay("ann", "ben", 30)
    const text = exportOf(coop.replica, "hledger").replace("-0.30", "-0.40").replace(" 0.30", " 0.40")
    const { status, stderr } = run(text, "check")
    assert.notStrictEqual(status, 0)
    assert.match(stderr, /assertion/)
  })
})
