/**
 * How commands that only look get to the books: from the node that runs on the data directory, else from the directory
 * itself. Either way what they tell is the same.
 */
import { Effect, Option, Stream } from "effect"
import type { LedgerError } from "../../../services/Ledger.ts"
import { balances, type LedgerReads } from "../../ledger/reads.ts"
import { openOffline } from "../../ledger/offline.ts"
import { type Client, workWithNode } from "../../rpc/client.ts"
import type { LedgerBalance } from "../../rpc/ledgerApi.ts"

/** The two ways to one answer. */
interface Question<A, E1, E2> {
  readonly node: (client: Client) => Stream.Stream<A, E1>
  readonly offline: (reads: LedgerReads) => Stream.Stream<A, E2 | LedgerError>
}

/** Runs `tell` for each part of the answer, in order. */
export const asking = <A, E1, E2, E3, R>(
  dataDir: string,
  { node, offline }: Question<A, E1, E2>,
  tell: (part: A) => Effect.Effect<void, E3, R>
) =>
  workWithNode(dataDir, (client) => Stream.runForEach(node(client), tell)).pipe(
    Effect.catchTag("NodeNotRunning", (notRunning) =>
      openOffline(dataDir).pipe(
        // Without a ledger there either, the better advice is to start a node.
        Effect.flatMap(Option.match({ onNone: () => Effect.fail(notRunning), onSome: Effect.succeed })),
        Effect.flatMap((reads) => Stream.runForEach(offline(reads), tell)),
        Effect.scoped
      )
    )
  )

/** The balances of a member or of all, in order. */
export const askBalances = Effect.fnUntraced(function* (dataDir: string, request: Parameters<typeof balances>[1]) {
  const rows: Array<LedgerBalance> = []
  yield* asking(
    dataDir,
    { node: (client) => client.LedgerBalance(request), offline: (reads) => balances(reads, request) },
    (row) => Effect.sync(() => void rows.push(row))
  )
  return rows
})
