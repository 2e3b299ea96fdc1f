import { assert, describe, it } from "@effect/vitest"
import { DamagedValue, StorageError, storageErrorOf } from "../../../../src/layers/ledger/sqlite/storageError.ts"

const path = "/data/ledger.sqlite"
const failure = (errcode: number) => Object.assign(new Error("it failed"), { code: "ERR_SQLITE_ERROR", errcode })
const reasonOf = (errcode: number) => storageErrorOf(failure(errcode), path)?.reason

describe("storageErrorOf", () => {
  it("knows the result codes of SQLite, the extended ones as well", () => {
    assert.strictEqual(reasonOf(13), "full")
    for (const code of [3, 8, 1032, 1544, 23]) assert.strictEqual(reasonOf(code), "readOnly")
    for (const code of [11, 267, 26]) assert.strictEqual(reasonOf(code), "corrupt")
    for (const code of [5, 261, 6]) assert.strictEqual(reasonOf(code), "locked")
    for (const code of [1, 10, 1034, 14]) assert.strictEqual(reasonOf(code), "other")
    const error = storageErrorOf(failure(1034), path)
    assert.strictEqual(error?.detail, "it failed (SQLite 1034)")
    assert.strictEqual(error?.message, "the ledger in /data/ledger.sqlite failed: it failed (SQLite 1034)")
  })

  it("leaves mistakes of this program alone", () => {
    for (const code of [19, 787, 2067, 20, 21, 25]) assert.isUndefined(reasonOf(code))
    assert.isUndefined(storageErrorOf(new RangeError("beyond exact numbers"), path))
    assert.isUndefined(storageErrorOf("nothing", path))
  })

  it("knows values that it never wrote", () => {
    const large = Object.assign(new RangeError("Value is too large to be represented"), { code: "ERR_OUT_OF_RANGE" })
    for (const cause of [new DamagedValue("no entry"), large]) {
      assert.deepInclude(storageErrorOf(cause, path), { path, reason: "corrupt", detail: cause.message })
    }
    assert.isUndefined(storageErrorOf(Object.assign(new RangeError("other"), { code: "ERR_OUT_OF_RANGE" }), path))
  })

  it("knows a closed connection, and what it made itself", () => {
    const closed = Object.assign(new Error("database is not open"), { code: "ERR_INVALID_STATE" })
    assert.strictEqual(storageErrorOf(closed, path)?.reason, "closed")
    const own = new StorageError(path, "unsupported", "version 2")
    assert.strictEqual(storageErrorOf(own, "/elsewhere"), own)
  })

  it("says that a commit may have happened only where it may", () => {
    const commits = (errcode: number) => storageErrorOf(failure(errcode), path, true)?.committing
    for (const code of [10, 1034, 11]) assert.isTrue(commits(code))
    for (const code of [13, 5, 8]) assert.isFalse(commits(code))
    assert.isFalse(storageErrorOf(failure(10), path)?.committing)
  })
})
