import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option } from "effect"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { groupKeyId } from "../../../src/domain/coopGroupKey.ts"
import { adopted, emptyState } from "../../../src/domain/coopState.ts"
import { accountDid, didAccount } from "../../../src/domain/ledgerView.ts"
import { fileName } from "../../../src/layers/CooperativeFile.ts"
import { fileStore } from "../../../src/layers/cooperative/files.ts"
import * as DataDirectoryMemory from "../../../src/layers/DataDirectoryMemory.ts"
import * as IdentityFile from "../../../src/layers/IdentityFile.ts"
import * as LedgerSqlite from "../../../src/layers/LedgerSqlite.ts"
import { coop } from "../../../src/programs/cli/coop.ts"
import { encodeRoster, rosterTag } from "../../../src/protocol/coopRoster.ts"
import { Identity } from "../../../src/services/Identity.ts"
import { documents, runCommand } from "../../fixtures/commands.ts"
import { keyOfText } from "../../fixtures/coops.ts"
import { didNumber } from "../../fixtures/dids.ts"
import { temporaryDirectory } from "../../fixtures/temporaryDirectory.ts"

const member = didNumber(7)
const excluded = didNumber(8)
const key = keyOfText("key")

/** A data directory of a steward with two members, one of them excluded, on which no node runs any more. */
const left = Effect.gen(function* () {
  const dataDir = yield* temporaryDirectory
  const node = IdentityFile.layer().pipe(Layer.provideMerge(DataDirectoryMemory.layer(dataDir)))
  return yield* Effect.gen(function* () {
    const ledger = yield* LedgerSqlite.make()
    const identity = yield* Identity
    for (const did of [member, excluded]) yield* ledger.append({ kind: "member", account: didAccount(did) })
    const { id } = Option.getOrThrow(yield* ledger.cooperative)
    const standings = [{ account: didAccount(excluded), turns: 1, epoch: 2 }]
    const roster = { coop: id, epoch: 2, keyId: groupKeyId(key), steward: ledger.account, standings }
    const body = encodeRoster(roster)
    const sealed = { roster, body, signature: yield* identity.sign(rosterTag, body) }
    yield* fileStore(join(dataDir, fileName)).save([adopted(emptyState(id), sealed, key)])
    return { dataDir, steward: accountDid(ledger.account) }
  }).pipe(Effect.scoped, Effect.provide(node))
})

const at = (dataDir: string, ...args: ReadonlyArray<string>) => runCommand(coop, [...args, "--data-dir", dataDir])

describe("icn-node coop members without a node", () => {
  it.live("shows who belongs to the cooperative, and who no longer does", () =>
    Effect.gen(function* () {
      const { dataDir, steward } = yield* left
      const [one] = documents(yield* at(dataDir, "members", "--json"))
      if (!Array.isArray(one)) return assert.fail("no list")
      assert.sameDeepMembers(
        one.map(({ did, excluded, steward }) => [did, steward, excluded]),
        [
          [steward, true, false],
          [member.text, false, false],
          [excluded.text, false, true]
        ]
      )
      const text = (yield* at(dataDir, "members")).lines.join("\n")
      assert.include(text, `${excluded.text}\n  excluded, member since`)
      assert.include((yield* at(dataDir, "invite")).failure?.text, "no node is running")
    })
  )

  it.live("asks for a node where there is no ledger, and says what is wrong with a file", () =>
    Effect.gen(function* () {
      const nowhere = yield* temporaryDirectory
      assert.include((yield* at(nowhere, "members")).failure?.text, "no node is running")
      const { dataDir } = yield* left
      writeFileSync(join(dataDir, fileName), "{}")
      assert.include((yield* at(dataDir, "members")).failure?.text, fileName)
    })
  )
})
