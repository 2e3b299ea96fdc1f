import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { statSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { Worker } from "node:worker_threads"
import { LogLimit } from "../../../../src/layers/ledger/sqlite/LogLimit.ts"
import { temporaryDirectory } from "../../../fixtures/temporaryDirectory.ts"

/** A thread that reads all the time, a short look after the other, until it is told to end. */
const reader = `
const { parentPort, workerData } = require("node:worker_threads")
const database = new (require("node:sqlite").DatabaseSync)(workerData, { readOnly: true, timeout: 5000 })
const look = database.prepare("SELECT count(*) FROM (SELECT * FROM thing ORDER BY key DESC LIMIT 2000)")
const looks = () => {
  for (const end = Date.now() + 50; Date.now() < end;) {
    database.exec("BEGIN")
    look.get()
    look.get()
    database.exec("COMMIT")
  }
  setImmediate(looks)
}
parentPort.once("message", () => process.exit(0))
parentPort.postMessage("ready")
looks()`

const startReader = (path: string) =>
  Effect.acquireRelease(
    Effect.callback<Worker>((resume) => {
      const worker = new Worker(reader, { eval: true, workerData: path })
      worker.once("message", () => resume(Effect.succeed(worker)))
    }),
    (worker) => Effect.promise(() => worker.terminate())
  )

const open = (path: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const database = new DatabaseSync(path, { timeout: 5000 })
      database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 100")
      database.exec("CREATE TABLE IF NOT EXISTS thing (key INTEGER PRIMARY KEY, value BLOB)")
      return database
    }),
    (database) => Effect.sync(() => database.close())
  )

const kib = 1024

describe("LogLimit", () => {
  it.live("keeps the log short beside threads that always read", () =>
    Effect.gen(function* () {
      const path = `${yield* temporaryDirectory}/test.sqlite`
      const database = yield* open(path)
      for (let count = 0; count < 2; count++) yield* startReader(path)
      const limit = new LogLimit(database, path, 2048 * kib)
      const insert = database.prepare("INSERT INTO thing (value) VALUES (zeroblob(1000))")
      let longest = 0
      for (let written = 0; written < 16_384 * kib; written += 100_000) {
        database.exec("BEGIN IMMEDIATE")
        for (let row = 0; row < 100; row++) insert.run()
        database.exec("COMMIT")
        limit.keep()
        longest = Math.max(longest, statSync(`${path}-wal`).size)
        yield* Effect.yieldNow
      }
      assert.isAtLeast(longest, 1024 * kib)
      assert.isAtMost(longest, 8192 * kib)
    })
  )

  it.live("waits for nobody who reads for long, and tries again when the log has grown", () =>
    Effect.gen(function* () {
      const path = `${yield* temporaryDirectory}/test.sqlite`
      const database = yield* open(path)
      const other = yield* open(path)
      database.exec("INSERT INTO thing (value) VALUES (zeroblob(1000))")
      other.exec("BEGIN; SELECT * FROM thing")
      const size = () => statSync(`${path}-wal`).size
      const limit = new LogLimit(database, path, 100 * kib)
      const grow = () => {
        database.exec("INSERT INTO thing (value) VALUES (zeroblob(200000))")
        limit.keep()
      }
      grow()
      const before = size()
      grow()
      assert.isAbove(size(), before)
      other.exec("COMMIT")
      grow()
      const long = size()
      // From its beginning again.
      for (let count = 0; count < 3; count++) grow()
      assert.isAtMost(size(), long)
      assert.strictEqual(Number(database.prepare("PRAGMA busy_timeout").get()?.["timeout"]), 5000)
    })
  )
})
