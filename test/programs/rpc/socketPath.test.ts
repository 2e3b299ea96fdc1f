import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { chmodSync, mkdirSync, readdirSync, statSync, symlinkSync } from "node:fs"
import { userInfo } from "node:os"
import { join } from "node:path"
import { prepareSocketPath, socketPath } from "../../../src/programs/rpc/socketPath.ts"
import { temporaryDirectory } from "../../fixtures/temporaryDirectory.ts"

const userId = userInfo().uid
const deep = `/data/${"x".repeat(120)}`

describe("socketPath", () => {
  it("is rpc.sock in the data directory while that fits", () => {
    assert.strictEqual(socketPath("/var/lib/icn-node", userId), "/var/lib/icn-node/rpc.sock")
  })

  it("is a short name for a long directory, always the same and different for each", () => {
    const path = socketPath(deep, userId)
    assert.strictEqual(path, socketPath(deep, userId))
    assert.notStrictEqual(path, socketPath(`${deep}y`, userId))
    assert.isBelow(Buffer.byteLength(path), 104)
  })

  it("counts bytes, not characters", () => {
    assert.match(socketPath(`/${"ä".repeat(50)}`, userId), /^\/tmp\//)
  })

  it.effect("finds the same socket through a link to the directory", () =>
    Effect.gen(function* () {
      const home = yield* temporaryDirectory
      const real = join(home, "r".repeat(110))
      const link = join(home, "l".repeat(110))
      mkdirSync(real)
      symlinkSync(real, link)
      assert.strictEqual(socketPath(link, userId), socketPath(real, userId))
    })
  )

  it.effect("makes its private directory, and refuses one that others can enter or own", () =>
    Effect.gen(function* () {
      const root = yield* temporaryDirectory
      assert.strictEqual(yield* prepareSocketPath(deep, userId, root), socketPath(deep, userId, root))
      const directory = join(root, `icn-node-${userId}`)
      assert.strictEqual(statSync(directory).mode & 0o777, 0o700)
      chmodSync(directory, 0o755)
      assert.include((yield* Effect.flip(prepareSocketPath(deep, userId, root))).message, "mode 0700")
      // Made by this process, so it is not that user's.
      assert.include((yield* Effect.flip(prepareSocketPath(deep, userId + 1, root))).message, "mode 0700")
    })
  )

  it.effect("makes no directory for a path that fits", () =>
    Effect.gen(function* () {
      const root = yield* temporaryDirectory
      assert.strictEqual(yield* prepareSocketPath("/data", userId, root), "/data/rpc.sock")
      assert.deepStrictEqual(readdirSync(root), [])
    })
  )
})
