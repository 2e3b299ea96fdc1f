import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as Fs from "node:fs"
import { join } from "node:path"
import * as DataDirectoryFs from "../../src/layers/DataDirectoryFs.ts"
import { dataDirectoryContract } from "../contract/DataDirectory.ts"
import { start } from "../fixtures/nodeProcess.ts"
import { temporaryDirectory } from "../fixtures/temporaryDirectory.ts"

dataDirectoryContract("DataDirectoryFs", Layer.unwrap(Effect.map(temporaryDirectory, DataDirectoryFs.layer)))

const modeOf = (path: string): number => Fs.statSync(path).mode & 0o777

const isRoot = process.getuid?.() === 0

describe("the directory", () => {
  it.effect("is made with its parents and mode 0700", () =>
    Effect.gen(function* () {
      const path = join(yield* temporaryDirectory, "some", "where")
      yield* DataDirectoryFs.make(path)
      assert.strictEqual(modeOf(path), 0o700)
    })
  )

  it.effect("is used as it is when it exists and only its owner can write", () =>
    Effect.gen(function* () {
      const path = yield* temporaryDirectory
      Fs.chmodSync(path, 0o755)
      yield* DataDirectoryFs.make(path)
      assert.strictEqual(modeOf(path), 0o755)
    })
  )

  it.effect("is refused when others can write, with the command that helps", () =>
    Effect.gen(function* () {
      const path = yield* temporaryDirectory
      for (const mode of [0o770, 0o707, 0o777]) {
        Fs.chmodSync(path, mode)
        const error = yield* Effect.flip(DataDirectoryFs.make(path))
        assert.strictEqual(error.reason, "exposed")
        assert.include(error.message, `chmod go-w ${path}`)
      }
    })
  )

  it.effect("is refused when it is a file, or below one", () =>
    Effect.gen(function* () {
      const file = join(yield* temporaryDirectory, "file")
      Fs.writeFileSync(file, "")
      assert.strictEqual((yield* Effect.flip(DataDirectoryFs.make(file))).reason, "notADirectory")
      const below = yield* Effect.flip(DataDirectoryFs.make(join(file, "below")))
      assert.strictEqual(below.reason, "notCreated")
      assert.include(below.message, file)
    })
  )

  // Root can write anywhere but in places like /proc, where mkdir fails with ENOENT for ever.
  it.effect("is refused when it can't be made or written to", () =>
    Effect.gen(function* () {
      if (isRoot) {
        assert.strictEqual((yield* Effect.flip(DataDirectoryFs.make("/proc/icn-node"))).reason, "notCreated")
      } else {
        const path = yield* temporaryDirectory
        Fs.chmodSync(path, 0o500)
        assert.strictEqual((yield* Effect.flip(DataDirectoryFs.make(path))).reason, "notWritable")
        assert.strictEqual((yield* Effect.flip(DataDirectoryFs.make(join(path, "x")))).reason, "notCreated")
      }
    })
  )
})

const holder = (path: string) => start("dataDirectoryHolder.ts", [path])
const isFree = (path: string) =>
  Effect.flatMap(DataDirectoryFs.make(path), ({ lock }) => Effect.scoped(lock)).pipe(
    Effect.as(true),
    Effect.catchTag("DataDirectoryInUse", () => Effect.succeed(false))
  )

describe("the lock between processes", () => {
  it.live("gives the directory to one process and tells the other which one has it", () =>
    Effect.gen(function* () {
      const path = yield* temporaryDirectory
      const first = yield* holder(path)
      assert.strictEqual(yield* first.line, "locked")
      const second = yield* holder(path)
      const message = yield* second.line
      assert.match(message, /^DataDirectoryInUse: /)
      assert.include(message, `process ${first.pid} on `)
      assert.include(message, `icn-node stop --data-dir ${path}`)
    })
  )

  it.live("is free at once after kill -9", () =>
    Effect.gen(function* () {
      const path = yield* temporaryDirectory
      const first = yield* holder(path)
      assert.strictEqual(yield* first.line, "locked")
      yield* first.end("SIGKILL")
      assert.sameMembers(Fs.readdirSync(path), ["node.lock", "node.pid"])
      const second = yield* holder(path)
      assert.strictEqual(yield* second.line, "locked")
    })
  )

  it.live("leaves nothing behind after a clean end", () =>
    Effect.gen(function* () {
      const path = yield* temporaryDirectory
      const first = yield* holder(path)
      assert.strictEqual(yield* first.line, "locked")
      assert.strictEqual(modeOf(join(path, "node.lock")), 0o600)
      assert.strictEqual(modeOf(join(path, "node.pid")), 0o600)
      yield* first.end("SIGTERM")
      assert.deepStrictEqual(Fs.readdirSync(path), [])
    })
  )

  it.live("does not believe files: neither a stale pid of a living process nor a lock file without a lock", () =>
    Effect.gen(function* () {
      const path = yield* temporaryDirectory
      const stale = { pid: 1, hostname: "container", startedAt: "2026-01-01T00:00:00.000Z" }
      Fs.writeFileSync(join(path, "node.pid"), JSON.stringify(stale))
      Fs.writeFileSync(join(path, "node.lock"), "")
      assert.isTrue(yield* isFree(path))
    })
  )

  it.live("holds when the file with the name of its holder is gone or damaged", () =>
    Effect.gen(function* () {
      const path = yield* temporaryDirectory
      const first = yield* holder(path)
      assert.strictEqual(yield* first.line, "locked")
      for (const content of ["", "{", `{"pid":"x"}`, "x".repeat(100_000)]) {
        Fs.writeFileSync(join(path, "node.pid"), content)
        const { lock } = yield* DataDirectoryFs.make(path)
        const error = yield* Effect.flip(Effect.scoped(lock))
        assert.include(error.message, "in use by another process")
      }
      Fs.rmSync(join(path, "node.pid"))
      assert.isFalse(yield* isFree(path))
    })
  )

  it.live("is kept when the same process asks for it again", () =>
    Effect.gen(function* () {
      const path = yield* temporaryDirectory
      const { lock } = yield* DataDirectoryFs.make(path)
      yield* lock
      assert.isFalse(yield* isFree(path))
      assert.isFalse(yield* isFree(path))
      const other = yield* holder(path)
      assert.match(yield* other.line, new RegExp(`process ${process.pid} `))
    })
  )

  it.live("leaves the files of its successor alone when its own were deleted", () =>
    Effect.gen(function* () {
      const path = yield* temporaryDirectory
      const first = yield* holder(path)
      assert.strictEqual(yield* first.line, "locked")
      Fs.rmSync(join(path, "node.lock"))
      const second = yield* holder(path)
      assert.strictEqual(yield* second.line, "locked")
      yield* first.end("SIGTERM")
      assert.isTrue(Fs.existsSync(join(path, "node.lock")))
      assert.strictEqual(JSON.parse(Fs.readFileSync(join(path, "node.pid"), "utf8")).pid, second.pid)
      assert.isFalse(yield* isFree(path))
    })
  )

  it.live("is a clear error when something else has the name of the lock", () =>
    Effect.gen(function* () {
      const path = yield* temporaryDirectory
      Fs.writeFileSync(join(path, "node.lock"), "not empty and not a database".repeat(100))
      const { lock } = yield* DataDirectoryFs.make(path)
      const error = yield* Effect.flip(Effect.scoped(lock))
      assert.strictEqual(error._tag === "DataDirectoryError" && error.reason, "lockFailed")
    })
  )

  it.live("is never given to two, however often it is taken, released and removed", () =>
    Effect.gen(function* () {
      const lock = join(yield* temporaryDirectory, "node.lock")
      const contenders = yield* Effect.forEach([1, 2, 3], () => start("dataDirectoryContender.ts", [lock, "300"]))
      const reports = yield* Effect.forEach(contenders, ({ line }) => line, { concurrency: "unbounded" })
      assert.deepStrictEqual(reports, ["0 violations", "0 violations", "0 violations"])
      assert.isFalse(Fs.existsSync(lock))
    })
  )
})
