import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Option, Scope } from "effect"
import * as Fs from "node:fs"
import { join } from "node:path"
import { Worker } from "node:worker_threads"
import { vi } from "vitest"
import * as LedgerSqlite from "../../src/layers/LedgerSqlite.ts"
import type { Ledger, LedgerError, Written } from "../../src/services/Ledger.ts"
import { account } from "../fixtures/ledgerCoop.ts"
import { booksIn, canMount, inspect, ledgerIn, remountReadOnly, smallDisk } from "../fixtures/ledgerFiles.ts"
import { committed } from "../fixtures/ledgerPeople.ts"
import { fuzzSeed, makeRandom } from "../fixtures/random.ts"
import { temporaryDirectory } from "../fixtures/temporaryDirectory.ts"

type AnyLedger = Ledger["Service"]

const bob = account("bob")
const pay = (ledger: AnyLedger, idempotencyKey?: string) =>
  ledger.transfer({ to: bob, amount: 1, ...(idempotencyKey === undefined ? {} : { idempotencyKey }) })

const payTimes = (ledger: AnyLedger, times: number) =>
  Effect.all(
    Array.from({ length: times }, () => pay(ledger)),
    { concurrency: "unbounded" }
  )

/** What the store says of itself when it fails. */
const storageFailure = <A>(effect: Effect.Effect<A, LedgerError>) =>
  Effect.map(Effect.flip(effect), (error) => {
    const { reason } = error
    return reason._tag === "LedgerStorageFailed"
      ? { path: reason.path, reason: reason.reason, message: error.message }
      : assert.fail(error.message)
  })

/** Commits in the write-ahead log: frames that give the size of the file after them (sqlite.org/walformat.html). */
const commitsIn = (path: string): number => {
  const wal = Fs.readFileSync(`${path}-wal`)
  const pageSize = wal.readUInt32BE(8)
  const salt = wal.subarray(16, 24)
  let commits = 0
  for (let at = 32; at + 24 + pageSize <= wal.length; at += 24 + pageSize) {
    if (!wal.subarray(at + 8, at + 16).equals(salt)) break
    if (wal.readUInt32BE(at + 4) > 0) commits += 1
  }
  return commits
}

describe("LedgerSqlite", () => {
  it.live("commits once for many who write at the same time", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const ledger = yield* ledgerIn(directory)
      yield* ledger.ensureCooperative
      const { path } = booksIn(directory)
      const before = commitsIn(path)
      const written = yield* payTimes(ledger, 64)
      assert.strictEqual(new Set(written.map((one) => committed(one).entryId)).size, 64)
      assert.deepStrictEqual(
        written.map((one) => committed(one).version).toSorted((a, b) => a - b),
        Array.from({ length: 64 }, (_, index) => index + 2)
      )
      assert.isAtMost(commitsIn(path) - before, 4)
    })
  )

  it.live("has everything when it is opened again, and leaves no log behind", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const first = yield* Effect.scoped(
        Effect.gen(function* () {
          const ledger = yield* ledgerIn(directory)
          const one = committed(yield* pay(ledger, "a key"))
          return { ...one, cooperative: yield* ledger.cooperative, balances: yield* ledger.balances }
        })
      )
      assert.isFalse(Fs.existsSync(`${booksIn(directory).path}-wal`))
      const ledger = yield* ledgerIn(directory)
      assert.deepStrictEqual(yield* ledger.cooperative, first.cooperative)
      assert.deepStrictEqual(yield* ledger.balances, first.balances)
      const { entryId, idempotencyKey, version } = first
      assert.deepStrictEqual(
        yield* ledger.outcome("a key"),
        Option.some<Written>({ _tag: "Committed", entryId, idempotencyKey, version })
      )
    })
  )

  it.live("can be looked at beside a node and without one", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      assert.isUndefined(yield* LedgerSqlite.readOffline(directory))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const ledger = yield* ledgerIn(directory)
          committed(yield* pay(ledger))
          const books = yield* LedgerSqlite.readOffline(directory)
          if (books === undefined) return assert.fail("no books")
          assert.deepStrictEqual(books.cooperative, Option.getOrThrow(yield* ledger.cooperative))
          assert.deepStrictEqual(yield* books.read("balances"), yield* ledger.balances)
          committed(yield* pay(ledger))
          assert.strictEqual(yield* books.read("version"), 3)
        })
      )
      const books = yield* LedgerSqlite.readOffline(directory)
      assert.strictEqual((yield* books?.read("balance", bob) ?? Effect.succeed([]))[0]?.posted, 2)
    })
  )

  it.live("refuses what is more than may wait, and writes nothing of it", () =>
    Effect.gen(function* () {
      const ledger = yield* ledgerIn(yield* temporaryDirectory, { callsMax: 3 })
      yield* ledger.ensureCooperative
      const exits = yield* Effect.all(
        Array.from({ length: 20 }, () => Effect.result(pay(ledger))),
        { concurrency: "unbounded" }
      )
      const written = exits.filter(({ _tag }) => _tag === "Success").length
      for (const exit of exits) {
        if (exit._tag === "Failure") assert.deepStrictEqual(exit.failure.reason._tag, "LedgerBusy")
      }
      assert.strictEqual(written, 3)
      assert.strictEqual(yield* ledger.journalVersion, 4)
    })
  )

  it.live("says of each payment whether it was written when its thread is lost, and goes on", () =>
    Effect.gen(function* () {
      const posted = vi.spyOn(Worker.prototype, "postMessage")
      yield* Effect.addFinalizer(() => Effect.sync(() => posted.mockRestore()))
      const directory = yield* temporaryDirectory
      const scope = yield* Scope.make()
      const ledger = yield* Scope.provide(ledgerIn(directory), scope)
      yield* ledger.ensureCooperative
      const writer = posted.mock.contexts[posted.mock.calls.findIndex(([message]) => isWrite(message))]
      if (!(writer instanceof Worker)) return assert.fail("no writer")
      const keys = Array.from({ length: 400 }, (_, index) => `key ${index}`)
      let answers = 0
      const written = yield* Effect.forEach(
        keys,
        (key) =>
          Effect.tap(pay(ledger, key), () =>
            Effect.sync(() => {
              answers += 1
              if (answers % 100 === 50) void writers(posted.mock).at(-1)?.terminate()
            })
          ),
        { concurrency: 32 }
      )
      const lost = written.filter(({ _tag }) => _tag === "Unknown")
      assert.isAbove(lost.length, 0)
      let found = written.length - lost.length
      for (const { idempotencyKey } of lost) {
        const outcome = yield* ledger.outcome(idempotencyKey)
        if (Option.isSome(outcome)) found += 1
        assert.isTrue(Option.isNone(outcome) || outcome.value._tag === "Committed")
      }
      assert.strictEqual(yield* ledger.journalVersion, found + 1)
      // The same request again is written if it was not, and once only.
      yield* Effect.forEach(keys, (key) => Effect.map(pay(ledger, key), committed), { concurrency: 32 })
      assert.strictEqual(yield* ledger.journalVersion, keys.length + 1)
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(inspect(booksIn(directory)).isSound)
    })
  )

  it.live("names the file that does not say which cooperative is served, and what to do", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      yield* Effect.scoped(Effect.flatMap(ledgerIn(directory), (ledger) => ledger.ensureCooperative))
      const file = join(directory, "ledger", "serving.json")
      for (const text of ["", "{", "[]", '{"coop":"../../etc"}', `{"coop":7}`, "x".repeat(10_000)]) {
        Fs.writeFileSync(file, text)
        const failure = yield* storageFailure(Effect.scoped(ledgerIn(directory)))
        assert.deepStrictEqual([failure.path, failure.reason], [file, "serving"])
        assert.include(failure.message, "write the id of the cooperative into it again")
        assert.strictEqual(Fs.readFileSync(file, "utf8"), text)
      }
      Fs.writeFileSync(file, JSON.stringify({ coop: booksIn(directory).coop }))
      yield* Effect.scoped(ledgerIn(directory))
    })
  )

  it.live("opens a torn log as what was committed before the tear", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const copy = yield* temporaryDirectory
      const seed = fuzzSeed()
      const random = makeRandom(seed)
      const ledger = yield* ledgerIn(directory)
      for (let round = 0; round < 20; round++) yield* payTimes(ledger, 1 + random.below(4))
      const all = (yield* ledger.history({ max: 1000 })).map(({ id }) => id).toReversed()
      const { coop, path } = booksIn(directory)
      const books = { coop, path: join(copy, "ledger.sqlite") }
      const { size } = Fs.statSync(`${path}-wal`)
      for (const length of [size, ...Array.from({ length: 25 }, () => random.below(size))]) {
        Fs.cpSync(path, books.path)
        Fs.cpSync(`${path}-wal`, `${books.path}-wal`)
        Fs.truncateSync(`${books.path}-wal`, length)
        const { ids, isSound } = inspect(books)
        assert.isTrue(isSound, `FUZZ_SEED=${seed}, log of ${length} bytes: ${String(isSound)}`)
        assert.deepStrictEqual(ids, all.slice(0, ids.length), `FUZZ_SEED=${seed}`)
        if (length === size) assert.lengthOf(ids, all.length)
      }
    })
  )

  it.live("says that the file is corrupt when it is, and changes nothing in it", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      yield* Effect.scoped(Effect.flatMap(ledgerIn(directory), (ledger) => payTimes(ledger, 100)))
      const { path } = booksIn(directory)
      const file = Fs.openSync(path, "r+")
      const { size } = Fs.statSync(path)
      // All but the first page, which has the schema.
      for (let at = 4096; at < size; at += 4096) Fs.writeSync(file, Buffer.alloc(4096, 0xa5), 0, 4096, at)
      Fs.closeSync(file)
      const damaged = Fs.readFileSync(path)
      const failure = yield* storageFailure(Effect.scoped(ledgerIn(directory)))
      assert.deepStrictEqual([failure.path, failure.reason], [path, "corrupt"])
      assert.include(failure.message, "restore a backup")
      assert.isTrue(Fs.readFileSync(path).equals(damaged))
    })
  )

  it.live("says that a file is not one of its own", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      yield* Effect.scoped(Effect.flatMap(ledgerIn(directory), (ledger) => ledger.ensureCooperative))
      const { path } = booksIn(directory)
      Fs.writeFileSync(path, "something else ".repeat(1000))
      assert.strictEqual((yield* storageFailure(Effect.scoped(ledgerIn(directory)))).reason, "corrupt")
    })
  )
})

const isWrite = (message: unknown): boolean => JSON.stringify(message).includes('"receive"')

/** The workers that were sent something to write, in the order in which that was. */
const writers = ({
  calls,
  contexts
}: {
  readonly calls: ReadonlyArray<ReadonlyArray<unknown>>
  readonly contexts: ReadonlyArray<unknown>
}) =>
  contexts.filter(
    (context, index): context is Worker =>
      context instanceof Worker && JSON.stringify(calls[index]?.[0]).includes('"write"')
  )

describe.runIf(canMount())("LedgerSqlite on a small disk", () => {
  it.live("says that the disk is full, keeps what it answered, and goes on when there is room", () =>
    Effect.gen(function* () {
      const disk = yield* smallDisk(2048)
      const filler = join(disk, "filler")
      const answered: Array<string> = []
      yield* Effect.scoped(
        Effect.gen(function* () {
          const ledger = yield* ledgerIn(disk)
          Fs.writeFileSync(filler, Buffer.alloc(512 * 1024))
          let failure: LedgerError | undefined
          while (failure === undefined) {
            for (const result of yield* Effect.all(
              Array.from({ length: 16 }, () => Effect.result(pay(ledger))),
              { concurrency: "unbounded" }
            )) {
              if (result._tag === "Failure") failure = result.failure
              else answered.push(committed(result.success).entryId)
            }
          }
          assert.include(failure.message, "make room on the disk")
          for (const id of answered) assert.isTrue(Option.isSome(yield* ledger.entry(id)))
          Fs.writeFileSync(filler, "")
          answered.push(committed(yield* pay(ledger)).entryId)
        })
      )
      const { ids, isSound } = inspect(booksIn(disk))
      assert.isTrue(isSound, String(isSound))
      // Without the genesis.
      assert.deepStrictEqual(ids.slice(1).toSorted(), answered.toSorted())
    })
  )

  it.live("says that the directory cannot be written to", () =>
    Effect.gen(function* () {
      const disk = yield* smallDisk(4096)
      yield* Effect.scoped(Effect.flatMap(ledgerIn(disk), (ledger) => pay(ledger)))
      remountReadOnly(disk)
      const opened = yield* storageFailure(Effect.scoped(ledgerIn(disk)))
      assert.strictEqual(opened.reason, "readOnly")
      assert.include(opened.message, "make the directory writable")
    })
  )
})
