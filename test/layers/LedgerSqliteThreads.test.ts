/** The threads of a ledger on a disk, as the kernel sees them. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import * as DataDirectoryMemory from "../../src/layers/DataDirectoryMemory.ts"
import * as IdentityMemory from "../../src/layers/IdentityMemory.ts"
import * as LedgerSqlite from "../../src/layers/LedgerSqlite.ts"
import { DataDirectory } from "../../src/services/DataDirectory.ts"
import { Identity } from "../../src/services/Identity.ts"
import { account } from "../fixtures/ledgerCoop.ts"
import { temporaryDirectory } from "../fixtures/temporaryDirectory.ts"

/** Nice values of the threads of this process whose name begins so. A name has at most 15 bytes there. */
const nicenessOf = (name: string): ReadonlyArray<number> =>
  readdirSync("/proc/self/task").flatMap((task) => {
    try {
      const stat = readFileSync(`/proc/self/task/${task}/stat`, "utf8")
      const end = stat.lastIndexOf(")")
      const found = stat.slice(stat.indexOf("(") + 1, end)
      return found.startsWith(name) ? [Number(stat.slice(end + 2).split(" ")[16])] : []
    } catch {
      // It has ended meanwhile.
      return []
    }
  })

const open = Effect.gen(function* () {
  const identity = yield* IdentityMemory.make(new Uint8Array(32).fill(7))
  return yield* LedgerSqlite.make({ awaitOwnChain: false }).pipe(
    Effect.provideService(Identity, identity),
    Effect.provideService(DataDirectory, DataDirectoryMemory.make(yield* temporaryDirectory))
  )
})

const until = Effect.fnUntraced(function* (holds: () => boolean) {
  for (let looks = 0; !holds(); looks++) {
    if (looks > 1000) return assert.fail("it does not come to that")
    yield* Effect.sleep(10)
  }
})

const payAtOnce = (ledger: Effect.Success<typeof open>, payments: number) =>
  Effect.all(
    Array.from({ length: payments }, () => ledger.transfer({ to: account("bob"), amount: 1 })),
    { concurrency: "unbounded" }
  )

describe.skipIf(process.platform !== "linux")("threads of the ledger", () => {
  it.live("give way to the main thread while they write and sign", () =>
    Effect.gen(function* () {
      const ledger = yield* open
      yield* payAtOnce(ledger, 1)
      assert.deepStrictEqual(nicenessOf("ledger writer"), [5])
      assert.deepStrictEqual(nicenessOf("ledger signer"), [])
      yield* payAtOnce(ledger, 32)
      yield* until(() => nicenessOf("ledger signer").includes(5))
      const [own] = nicenessOf("ledger reader")
      assert.isBelow(own ?? 5, 5)
    })
  )

  it.live("end with the ledger, also one that is still starting", () =>
    Effect.gen(function* () {
      for (let round = 0; round < 5; round++) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const ledger = yield* open
            yield* payAtOnce(ledger, 1)
            yield* Effect.timeoutOption(payAtOnce(ledger, 32), 1 + 10 * round)
          })
        )
        yield* until(() => nicenessOf("ledger ").length === 0)
      }
    })
  )
})
