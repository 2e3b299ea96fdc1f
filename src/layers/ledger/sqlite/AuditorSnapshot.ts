/** A view of one version of a journal, on a connection that reads while others write. */
import type { DatabaseSync } from "node:sqlite"

/** The journal's version as this connection sees it. */
export const versionOf = (database: DatabaseSync): number =>
  Number(database.prepare("SELECT coalesce(max(version), 0) AS version FROM entry").get()?.["version"])

/** Runs a body that sees one version throughout; the connection's own temporary tables may change. */
export const inSnapshot = <A>(database: DatabaseSync, body: (version: number) => A): A => {
  database.exec("BEGIN")
  try {
    return body(versionOf(database))
  } finally {
    if (database.isTransaction) database.exec("ROLLBACK")
  }
}
