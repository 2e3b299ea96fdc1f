import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { execFileSync } from "node:child_process"
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as SmallFile from "../../src/layers/smallFile.ts"
import { temporaryDirectory } from "../fixtures/temporaryDirectory.ts"

const bytesMax = 16
const read = (path: string) => Effect.promise(() => SmallFile.read(path, bytesMax))

describe("smallFile", () => {
  it.live("reads what is there, with its mode, and nothing where nothing is", () =>
    Effect.gen(function* () {
      const path = join(yield* temporaryDirectory, "file")
      assert.deepStrictEqual(yield* read(path), Result.succeed(undefined))
      writeFileSync(path, "x".repeat(bytesMax))
      chmodSync(path, 0o640)
      assert.deepStrictEqual(yield* read(path), Result.succeed({ text: "x".repeat(bytesMax), mode: 0o640 }))
    })
  )

  it.live("reads no more than it may, and nothing but files", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const path = join(directory, "file")
      writeFileSync(path, "x".repeat(bytesMax + 1))
      assert.deepStrictEqual(yield* read(path), Result.fail("it is larger than 16 bytes"))
      assert.deepStrictEqual(yield* read(directory), Result.fail("it is not a file"))
      // A pipe without a writer would hold whoever opens it in the usual way.
      const pipe = join(directory, "pipe")
      execFileSync("mkfifo", [pipe])
      assert.deepStrictEqual(yield* read(pipe), Result.fail("it is not a file"))
    })
  )

  it.live("replaces a file in one step, for its user alone, over what a crash left", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const path = join(directory, "file")
      writeFileSync(`${path}.tmp`, "half of it")
      yield* Effect.promise(() => SmallFile.replace(path, "one"))
      yield* Effect.promise(() => SmallFile.replace(path, "two"))
      assert.strictEqual(readFileSync(path, "utf8"), "two")
      assert.strictEqual(statSync(path).mode & 0o777, 0o600)
      assert.deepStrictEqual(readdirSync(directory), ["file"])
    })
  )

  it.live("leaves nothing beside a place that cannot be written to", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const path = join(directory, "file")
      mkdirSync(path)
      const failed = yield* Effect.promise(() =>
        SmallFile.replace(path, "one").then(
          () => false,
          () => true
        )
      )
      assert.isTrue(failed)
      assert.deepStrictEqual(readdirSync(directory), ["file"])
    })
  )
})
