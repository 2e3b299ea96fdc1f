import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { didAccount } from "../../../src/domain/ledgerView.ts"
import { memberList } from "../../../src/layers/cooperative/memberList.ts"
import { memberOf } from "../../../src/programs/coop/views.ts"
import { didNumber } from "../../fixtures/dids.ts"

const account = (number: number) => didAccount(didNumber(number))
const rows = [1, 2, 3].map((number) => ({ account: account(number), steward: number === 3, by: `entry ${number}` }))

describe("memberList", () => {
  it.effect("shows stewards first, then by time, and who is shut out", () =>
    Effect.gen(function* () {
      const since = new Map([
        ["entry 1", 20],
        ["entry 2", 10],
        ["entry 3", 30]
      ])
      const standings = [{ account: account(1), turns: 3, epoch: 4 }]
      const list = yield* memberList(rows, { standings }, ({ by }) => Effect.succeed(since.get(by) ?? 0))
      assert.deepStrictEqual(
        list.map(({ did, excluded, sinceMillis }) => [did.text, excluded, sinceMillis]),
        [
          [didNumber(3).text, false, 30],
          [didNumber(2).text, false, 10],
          [didNumber(1).text, true, 20]
        ]
      )
    })
  )

  it.effect("can be told as text whatever the steward's clock said", () =>
    Effect.gen(function* () {
      const list = yield* memberList(rows, undefined, () => Effect.succeed(Number.MAX_SAFE_INTEGER))
      assert.deepStrictEqual(new Set(list.map((one) => memberOf(one).since)), new Set(["+275760-09-13T00:00:00.000Z"]))
    })
  )
})
