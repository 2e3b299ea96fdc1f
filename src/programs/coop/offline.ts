/**
 * The cooperative of a data directory on which no node runs, for commands that only look: who the ledger there says is
 * a member, and who is excluded by the roster that the node knew last.
 */
import { Effect, Option } from "effect"
import { join } from "node:path"
import { fileName } from "../../layers/CooperativeFile.ts"
import { fileStore } from "../../layers/cooperative/files.ts"
import { memberList } from "../../layers/cooperative/memberList.ts"
import * as LedgerSqlite from "../../layers/LedgerSqlite.ts"

/** The cooperative that was served last and its members; none where the directory has no ledger. */
export const readOffline = Effect.fnUntraced(function* (dataDir: string) {
  const books = yield* LedgerSqlite.readOffline(dataDir)
  if (books === undefined) return Option.none()
  const { cooperative: info, read } = books
  const states = yield* fileStore(join(dataDir, fileName)).load
  const roster = states.find(({ coop }) => coop === info.id)?.roster?.roster
  const since = ({ by }: { readonly by: string }) => Effect.map(read("entry", by), (found) => found?.entry.at ?? 0)
  return Option.some({ info, members: yield* memberList(yield* read("members"), roster, since) })
}, Effect.scoped)
