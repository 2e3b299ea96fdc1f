import { assert, describe, it } from "@effect/vitest"
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { afterEach, beforeEach } from "vitest"
import { openJournal, type SqliteJournal } from "../../../../src/layers/ledger/sqlite/SqliteJournal.ts"
import { StorageError } from "../../../../src/layers/ledger/sqlite/storageError.ts"
import { JournalPair } from "../../../fixtures/journalPair.ts"
import { makeWorld, type World } from "../../../fixtures/ledgerWorld.ts"
import { fuzzSeed, makeRandom } from "../../../fixtures/random.ts"

const seed = fuzzSeed()
const coop = "11".repeat(32)

let directory = ""
const opened: Array<SqliteJournal> = []
const open = (path: string, of = coop, readOnly = false): SqliteJournal => {
  const journal = openJournal(path, { coop: of, readOnly })
  opened.push(journal)
  return journal
}
const closeAll = (): void => {
  for (const journal of opened.splice(0)) journal.close()
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "icn-node-"))
})
afterEach(() => {
  closeAll()
  rmSync(directory, { recursive: true, force: true })
})

const failureOf = (body: () => unknown): StorageError => {
  try {
    body()
  } catch (cause) {
    if (cause instanceof StorageError) return cause
    throw cause
  }
  throw new Error("it did not fail")
}

/** Reason and detail of the failure. */
const failure = (body: () => unknown): string => {
  const { detail, message, path, reason } = failureOf(body)
  assert.include(message, path)
  return `${reason}: ${detail}`
}

const fill = (path: string, world: World): JournalPair => {
  const pair = new JournalPair(open(path, world.coop))
  pair.journal.write(() => {
    for (const one of world.entries) pair.deliver(one)
  })
  return pair
}

/** As somebody who may not do everything: root may write where nobody may. */
const asNobody = (body: () => void): void => {
  const isRoot = process.geteuid?.() === 0
  if (isRoot) process.seteuid?.(65_534)
  try {
    body()
  } finally {
    if (isRoot) process.seteuid?.(0)
  }
}

describe("opening the file", () => {
  it("makes it, with what is said of its durability", () => {
    const { database } = open(join(directory, "ledger.sqlite"))
    const pragma = (name: string) => Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0]
    assert.strictEqual(pragma("journal_mode"), "wal")
    assert.strictEqual(pragma("synchronous"), 2)
    assert.strictEqual(pragma("fullfsync"), 1)
    assert.strictEqual(pragma("application_id"), 0x49434e4c)
    assert.strictEqual(pragma("user_version"), 1)
  })

  it("makes it readable for its owner alone, and so an older one", () => {
    const path = join(directory, "ledger.sqlite")
    const others = () => ["", "-wal", "-shm"].map((end) => statSync(path + end).mode & 0o777)
    open(path).write(() => undefined)
    assert.deepStrictEqual(others(), [0o600, 0o600, 0o600])
    closeAll()
    chmodSync(path, 0o644)
    open(path).write(() => undefined)
    assert.deepStrictEqual(others(), [0o600, 0o600, 0o600])
  })

  it("makes it in a file that is empty, as one is after a crash at the first start", () => {
    const path = join(directory, "ledger.sqlite")
    writeFileSync(path, "")
    assert.match(
      failure(() => open(path, coop, true)),
      /^other: .*(nothing in the file)/
    )
    assert.strictEqual(open(path).version(), 0)
    assert.strictEqual(open(path, coop, true).version(), 0)
  })

  it("refuses what is no database, and one of something else", () => {
    const path = join(directory, "ledger.sqlite")
    writeFileSync(path, "not a database, but a text of some length. ".repeat(100))
    const before = readFileSync(path)
    for (const readOnly of [false, true])
      assert.match(
        failure(() => open(path, coop, readOnly)),
        /^corrupt: .*(not a database)/
      )
    assert.isTrue(readFileSync(path).equals(before))
    const other = join(directory, "other.sqlite")
    const database = new DatabaseSync(other)
    database.exec("CREATE TABLE recipe (name TEXT)")
    database.close()
    for (const readOnly of [false, true])
      assert.match(
        failure(() => open(other, coop, readOnly)),
        /^corrupt: .*(something else)/
      )
  })

  it("refuses a newer version, and another cooperative's file", () => {
    const path = join(directory, "ledger.sqlite")
    open(path)
    assert.match(
      failure(() => open(path, "22".repeat(32))),
      /^other: .*of the cooperative 1111.* not of 2222/
    )
    opened[0]?.database.exec("PRAGMA user_version = 2")
    closeAll()
    for (const readOnly of [false, true]) {
      assert.match(
        failure(() => open(path, coop, readOnly)),
        /^unsupported: .*(version 2, this program knows 1)/
      )
    }
  })

  it("refuses where there is no directory, and a reader where there is no file", () => {
    assert.match(
      failure(() => open(join(directory, "missing", "ledger.sqlite"))),
      /^other: .*(unable to open)/
    )
    assert.match(
      failure(() => open(join(directory, "ledger.sqlite"), coop, true)),
      /^missing: /
    )
    assert.isFalse(existsSync(join(directory, "ledger.sqlite")))
  })

  it("says that a directory or a file cannot be written to", () => {
    chmodSync(directory, 0o755)
    const books = join(directory, "books")
    mkdirSync(books, { mode: 0o755 })
    const path = join(books, "ledger.sqlite")
    chmodSync(books, 0o555)
    asNobody(() =>
      assert.match(
        failure(() => open(path)),
        /^readOnly: .*unable to open/
      )
    )
    chmodSync(books, 0o755)
    fill(path, makeWorld(seed, 20))
    closeAll()
    chmodSync(path, 0o444)
    chmodSync(books, 0o555)
    const { coop } = makeWorld(seed, 20)
    asNobody(() =>
      assert.match(
        failure(() => open(path, coop)),
        /^readOnly: .*(readonly|unable)/
      )
    )
    chmodSync(books, 0o755)
  })

  it("lets a reader in where nothing may be written", () => {
    const world = makeWorld(seed, 20)
    chmodSync(directory, 0o755)
    const path = join(directory, "ledger.sqlite")
    const pair = fill(path, world)
    closeAll()
    chmodSync(path, 0o444)
    chmodSync(directory, 0o555)
    asNobody(() => {
      pair.journal = open(path, world.coop, true)
      pair.compareBooks()
      assert.isAbove(pair.journal.version(), 0)
    })
    chmodSync(directory, 0o755)
  })

  it("says that another process writes", () => {
    const path = join(directory, "ledger.sqlite")
    const [one, other] = [open(path), open(path)]
    other.database.exec("PRAGMA busy_timeout = 0")
    one.write(() => {
      const error = failureOf(() => other.write(() => undefined))
      assert.strictEqual(error.reason, "locked")
      assert.isFalse(error.committing)
    })
    other.write(() => other.refuse("00".repeat(16), "digest", "overLimit"))
    assert.strictEqual(one.refusal("00".repeat(16))?.reason, "overLimit")
  })

  it("says that it is closed", () => {
    const journal = open(join(directory, "ledger.sqlite"))
    journal.close()
    journal.close()
    assert.match(
      failure(() => journal.read(() => journal.version())),
      /^closed: .*not open/
    )
    assert.match(
      failure(() => journal.write(() => undefined)),
      /^closed: .*not open/
    )
  })
})

describe("a full disk", () => {
  it("fails the write and takes nothing of it, and goes on when there is room", () => {
    const world = makeWorld(seed, 150)
    const pair = new JournalPair(open(join(directory, "ledger.sqlite"), world.coop))
    const { database } = open(join(directory, "ledger.sqlite"), world.coop)
    const { journal } = pair
    const writer = opened[0]
    if (writer === undefined) throw new Error("nothing is open")
    const pages = Number(Object.values(database.prepare("PRAGMA page_count").get() ?? {})[0])
    writer.database.exec(`PRAGMA max_page_count = ${pages + 2}`)
    const error = failureOf(() => {
      for (const one of world.entries) {
        // First as in a write that fails, since memory undoes nothing.
        journal.write(() => pair.deliverHere(one))
      }
    })
    assert.strictEqual(error.reason, "full")
    assert.isFalse(error.committing)
    const before = journal.version()
    assert.isAtMost(before, world.entries.length - 1)
    writer.database.exec("PRAGMA max_page_count = 1000000")
    closeAll()
    pair.journal = open(join(directory, "ledger.sqlite"), world.coop)
    assert.strictEqual(pair.journal.version(), before)
    assert.strictEqual(
      pair.journal.balances(undefined, 1_000).reduce((sum, { posted }) => sum + posted, 0),
      0
    )
    pair.journal.write(() => {
      for (const one of world.entries) pair.deliverHere(one)
    })
    assert.isAbove(pair.journal.version(), before)
  })
})

describe("a damaged file", () => {
  it("is corrupt where a page was overwritten, when somebody comes to that page", () => {
    const world = makeWorld(seed, 150)
    const path = join(directory, "ledger.sqlite")
    fill(path, world)
    closeAll()
    const { size } = statSync(path)
    const file = openSync(path, "r+")
    // All but the page with the tables' names.
    for (let page = 4_096; page < size; page += 4_096) writeSync(file, Buffer.alloc(4_096, 0x5a), 0, 4_096, page)
    closeSync(file)
    const readAll = () => {
      const journal = open(path, world.coop)
      journal.read(() => journal.entriesAfter(0, 1_000))
    }
    assert.match(failure(readAll), /^corrupt: .*malformed/)
  })

  it("has all that was committed before the place where its log was torn, and nothing else", () => {
    const world = makeWorld(seed, 40)
    const path = join(directory, "ledger.sqlite")
    const pair = new JournalPair(open(path, world.coop))
    const versions: Array<string> = ["[]"]
    for (const one of world.entries) {
      pair.journal.write(() => pair.deliver(one))
      versions[pair.journal.version()] = JSON.stringify(pair.journal.balances(undefined, 1_000))
    }
    const wal = readFileSync(`${path}-wal`)
    const random = makeRandom(seed)
    const found = new Set<number>()
    for (let round = 0; round < 40; round++) {
      const copy = join(directory, `copy ${round}.sqlite`)
      copyFileSync(path, copy)
      writeFileSync(`${copy}-wal`, wal)
      truncateSync(`${copy}-wal`, random.below(wal.length))
      let journal: SqliteJournal
      try {
        journal = open(copy, world.coop)
      } catch (cause) {
        // Torn before the tables were made, which is how a file looks at the first start.
        if (cause instanceof StorageError && cause.reason === "other") continue
        throw cause
      }
      const version = journal.version()
      found.add(version)
      assert.strictEqual(JSON.stringify(journal.balances(undefined, 1_000)), versions[version])
      const check = journal.database.prepare("PRAGMA integrity_check").get()
      assert.deepStrictEqual({ ...check }, { integrity_check: "ok" })
      journal.close()
    }
    assert.isAtLeast(found.size, 5)
  })
})
