import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Option } from "effect"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import { join } from "node:path"
import * as CooperativeFile from "../../src/layers/CooperativeFile.ts"
import * as DataDirectoryMemory from "../../src/layers/DataDirectoryMemory.ts"
import * as SessionMemory from "../../src/layers/SessionMemory.ts"
import { coopFileBytesMax, decodeCoopFile } from "../../src/protocol/coopFile.ts"
import { CooperativeError } from "../../src/services/Cooperative.ts"
import { cooperativeContract } from "../contract/Cooperative.ts"
import { exclusionContract } from "../contract/CooperativeExclusion.ts"
import { type CoopFixture, type CoopNode, keyOfNode, makeCoopNode, until, whyNot } from "../fixtures/coopNodes.ts"
import { temporaryDirectory } from "../fixtures/temporaryDirectory.ts"

const layerIn = (directory: string) => CooperativeFile.layer().pipe(Layer.provide(DataDirectoryMemory.layer(directory)))

const network = SessionMemory.makeNetwork()

// In real time, since files take theirs.
const test: CoopFixture["test"] = (name, body) =>
  it.live(name, () =>
    Effect.scoped(
      Effect.gen(function* () {
        const shared = yield* network
        yield* body((member) =>
          Effect.flatMap(temporaryDirectory, (directory) => makeCoopNode(shared, member, layerIn(directory)))
        )
      })
    )
  )

cooperativeContract("CooperativeFile", { test })
exclusionContract("CooperativeFile", { test })

const fileOf = (directory: string): string => join(directory, "cooperative.json")
const textOf = (directory: string): string => Fs.readFileSync(fileOf(directory), "utf8")

/** A node that is stopped and started on the same directory and the same books. */
const inDirectory = Effect.fnUntraced(function* (shared: SessionMemory.MemoryNetwork, name: string, directory: string) {
  return yield* makeCoopNode(shared, name, layerIn(directory))
})

const serveAgain = Effect.fnUntraced(function* (node: CoopNode, genesis: Parameters<CoopNode["ledger"]["serve"]>[0]) {
  yield* node.ledger.serve(genesis)
  return node
})

describe("cooperative.json", () => {
  it.live("keeps keys and invitations over a restart, for this user alone, and without the secret", () =>
    Effect.gen(function* () {
      const shared = yield* network
      const directory = yield* temporaryDirectory
      const a = yield* inDirectory(shared, "a", directory)
      const { text } = yield* a.coop.invite({ uses: 2 })
      const b = yield* inDirectory(shared, "b", yield* temporaryDirectory)
      yield* b.coop.join(text)
      yield* a.coop.exclude(b.did)
      const key = yield* keyOfNode(a)
      const { genesis } = Option.getOrThrow(yield* a.coop.info)
      yield* a.stop
      assert.strictEqual(Fs.statSync(fileOf(directory)).mode & 0o777, 0o600)
      assert.deepStrictEqual(Fs.readdirSync(directory), ["cooperative.json"])
      const secret = Buffer.from(text.slice("icn-coop:".length), "base64url").subarray(67, 99)
      for (const encoding of ["hex", "base64url", "base64"] as const) {
        assert.notInclude(textOf(directory), secret.toString(encoding))
      }
      const again = yield* serveAgain(yield* inDirectory(shared, "a", directory), genesis)
      assert.deepStrictEqual(yield* keyOfNode(again), key)
      assert.strictEqual(key?.epoch, 2)
      // The invitation has one use left, and b is still shut out.
      const c = yield* inDirectory(shared, "c", yield* temporaryDirectory)
      yield* c.book.learn(again.did, yield* again.manager.listening, "config")
      yield* c.coop.join(text)
      assert.deepStrictEqual(yield* keyOfNode(c), key)
      yield* b.book.learn(again.did, yield* again.manager.listening, "config")
      assert.strictEqual(yield* whyNot(b.coop.join(text)), "JoinRefused excluded")
    })
  )

  it.live("forgets the cooperative that another one took the place of", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const a = yield* inDirectory(yield* network, "a", directory)
      yield* a.coop.invite()
      const { id } = yield* a.coop.create({ name: "Second" })
      const states = decodeCoopFile(textOf(directory))
      assert.deepStrictEqual(states._tag === "Success" ? states.success.map(({ coop }) => coop) : [], [id])
    })
  )

  it.live("changes nothing in memory when it can't be written", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const shared = yield* network
      const [a, b] = [
        yield* inDirectory(shared, "a", directory),
        yield* inDirectory(shared, "b", yield* temporaryDirectory)
      ]
      const { text } = yield* a.coop.invite()
      const before = yield* keyOfNode(a)
      // A directory in the place of the file that is written first.
      Fs.mkdirSync(join(directory, "cooperative.json.tmp", "inside"), { recursive: true })
      assert.strictEqual(yield* whyNot(a.coop.invite()), "CooperativeFileFailed")
      assert.strictEqual(yield* whyNot(b.coop.join(text)), "JoinRefused cannotWrite")
      assert.isFalse(yield* a.coop.isAdmitted(b.did))
      assert.deepStrictEqual(yield* keyOfNode(a), before)
      Fs.rmSync(join(directory, "cooperative.json.tmp"), { recursive: true })
      yield* b.coop.join(text)
      yield* until(a.coop.isAdmitted(b.did))
    })
  )
})

/** Why no node starts on a directory. */
const startProblem = Effect.fnUntraced(function* (directory: string) {
  const exit = yield* Effect.exit(Effect.scoped(inDirectory(yield* network, "a", directory)))
  const error = Option.getOrUndefined(Exit.findErrorOption(exit))
  if (!(error instanceof CooperativeError) || error.reason._tag !== "CooperativeFileFailed") return undefined
  assert.include(error.message, fileOf(directory))
  return error.reason.reason
})

describe("a file that can't be used", () => {
  it.live.each([
    { name: "is damaged", text: '{"version":1,"cooperatives":[{"coop":' },
    { name: "is empty", text: "" },
    { name: "is of another version", text: '{"version":2,"cooperatives":[]}' },
    { name: "is too large", text: " ".repeat(coopFileBytesMax + 1) }
  ])("stops the start, is named, and is left as it is when it $name", ({ text }) =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      Fs.writeFileSync(fileOf(directory), text, { mode: 0o600 })
      assert.strictEqual(yield* startProblem(directory), "damaged")
      assert.deepStrictEqual(Fs.readdirSync(directory), ["cooperative.json"])
      assert.strictEqual(textOf(directory), text)
    })
  )

  it.live("stops the start when others may read it, or when it is no file", () =>
    Effect.gen(function* () {
      const [open, pipes, folders] = [yield* temporaryDirectory, yield* temporaryDirectory, yield* temporaryDirectory]
      Fs.writeFileSync(fileOf(open), '{"version":1,"cooperatives":[]}', { mode: 0o644 })
      assert.strictEqual(yield* startProblem(open), "exposed")
      Fs.chmodSync(fileOf(open), 0o600)
      assert.isUndefined(yield* startProblem(open))
      execFileSync("mkfifo", ["-m", "600", fileOf(pipes)])
      assert.strictEqual(yield* startProblem(pipes), "damaged")
      Fs.mkdirSync(fileOf(folders))
      assert.include(["damaged", "unreadable"], yield* startProblem(folders))
    })
  )

  it.live("is no hindrance where it is what a crash left half written", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      Fs.writeFileSync(`${fileOf(directory)}.tmp`, "half", { mode: 0o644 })
      const a = yield* inDirectory(yield* network, "a", directory)
      yield* a.coop.invite()
      assert.deepStrictEqual(Fs.readdirSync(directory), ["cooperative.json"])
    })
  )
})
