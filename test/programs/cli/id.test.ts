import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { type Cause, Effect, Option, Queue, Result, Schema, Terminal } from "effect"
import { Command } from "effect/cli"
import { TestConsole } from "effect/testing"
import * as Fs from "node:fs"
import { join } from "node:path"
import { vi } from "vitest"
import * as DataDirectoryFs from "../../../src/layers/DataDirectoryFs.ts"
import { ProcessEnvironment } from "../../../src/programs/cli/environment.ts"
import { id } from "../../../src/programs/cli/id.ts"
import { CommandFailed } from "../../../src/programs/cli/output.ts"
import { Interactive } from "../../../src/programs/cli/passphrase.ts"
import { temporaryDirectory } from "../../fixtures/temporaryDirectory.ts"

const key = (name: string, input: Option.Option<string>): Terminal.UserInput => ({
  input,
  key: { name, ctrl: false, meta: false, shift: false }
})

/** A person who answers one question after the other. */
const person = (answers: ReadonlyArray<string>) => {
  const left = [...answers]
  return Terminal.make({
    columns: Effect.succeed(80),
    rows: Effect.succeed(24),
    size: Effect.die(new Error("unused")),
    readLine: Effect.die(new Error("unused")),
    display: () => Effect.die(new Error("a question on standard output")),
    readInput: Effect.gen(function* () {
      const queue = yield* Queue.unbounded<Terminal.UserInput, Cause.Done>()
      for (const character of left.shift() ?? "") yield* Queue.offer(queue, key(character, Option.some(character)))
      yield* Queue.offer(queue, key("return", Option.none()))
      return queue
    })
  })
}

interface Surroundings {
  readonly variables?: Readonly<Record<string, string>>
  /** What a person at the terminal answers; without it there is no terminal. */
  readonly answers?: ReadonlyArray<string>
}

/** The lines that a command printed, or how it failed. */
const run = (args: ReadonlyArray<string>, { answers, variables = {} }: Surroundings = {}) =>
  Effect.gen(function* () {
    const printed = (yield* TestConsole.logLines).length
    const result = yield* Effect.result(Command.runWith(id, { version: "0" })(args))
    if (Result.isFailure(result)) {
      assert.instanceOf(result.failure, CommandFailed)
      return yield* result.failure
    }
    return (yield* TestConsole.logLines).slice(printed).map(String)
  }).pipe(
    Effect.provideService(Terminal.Terminal, person(answers ?? [])),
    Effect.provideService(Interactive, answers !== undefined),
    Effect.provideService(ProcessEnvironment, {
      variables,
      homeDirectory: "/nonexistent",
      workingDirectory: "/nonexistent",
      platform: "linux"
    }),
    Effect.provide(NodeServices.layer)
  )

const Document = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown))

const runJson = Effect.fnUntraced(function* (args: ReadonlyArray<string>, surroundings?: Surroundings) {
  const lines = yield* run([...args, "--json"], surroundings)
  assert.strictEqual(lines.length, 1)
  return yield* Schema.decodeUnknownEffect(Document)(lines[0])
})

const failure = (args: ReadonlyArray<string>, surroundings?: Surroundings) =>
  Effect.flip(run(args, surroundings)).pipe(
    Effect.map((error) => (error instanceof CommandFailed ? error : assert.fail(String(error))))
  )

const horse = { variables: { ICN_KEYSTORE_PASSPHRASE: "correct horse" } }
const kindIn = (path: string): unknown => Schema.decodeSync(Document)(Fs.readFileSync(path, "utf8"))["kind"]

/** Two data directories and a place for backups. */
const places = Effect.map(temporaryDirectory, (root) => ({
  first: join(root, "first"),
  second: join(root, "second"),
  backup: join(root, "backup.key")
}))
const keyFileOf = (directory: string) => join(directory, "identity.key")

describe("icn-node id", () => {
  it.effect("makes the identity once and prints exactly its DID and key file", () =>
    Effect.gen(function* () {
      const { first } = yield* places
      const made = yield* runJson(["--data-dir", first])
      assert.deepStrictEqual(Object.keys(made), ["did", "keyFile"])
      assert.match(String(made["did"]), /^did:key:z6Mk/)
      assert.strictEqual(made["keyFile"], keyFileOf(first))
      assert.deepStrictEqual(yield* runJson(["--data-dir", first]), made)
      assert.include((yield* run(["--data-dir", first])).join("\n"), String(made["did"]))
    })
  )

  it.effect("encrypts a new identity with the configured passphrase and tells its DID without", () =>
    Effect.gen(function* () {
      const { first } = yield* places
      const made = yield* runJson(["--data-dir", first], horse)
      assert.strictEqual(kindIn(keyFileOf(first)), "encrypted")
      assert.deepStrictEqual(yield* runJson(["--data-dir", first]), made)
    })
  )

  it.effect("works beside a running node", () =>
    Effect.gen(function* () {
      const { first } = yield* places
      const made = yield* runJson(["--data-dir", first])
      const { lock } = yield* DataDirectoryFs.make(first)
      yield* lock
      assert.deepStrictEqual(yield* runJson(["--data-dir", first]), made)
    })
  )

  it.effect("fails with what the key file or the directory has, and code 1", () =>
    Effect.gen(function* () {
      const { first } = yield* places
      yield* run(["--data-dir", first])
      Fs.chmodSync(keyFileOf(first), 0o644)
      const error = yield* failure(["--data-dir", first])
      assert.strictEqual(error.exitCode, 1)
      assert.include(error.message, `chmod 600 ${keyFileOf(first)}`)
      const file = { variables: { ICN_DATA_DIR: keyFileOf(first) } }
      assert.include((yield* failure([], file)).message, "it is not a directory")
    })
  )

  it.effect("fails with code 78 when the configuration is wrong", () =>
    Effect.gen(function* () {
      const { backup, first } = yield* places
      Fs.writeFileSync(backup, "nonsense = 1\n")
      assert.strictEqual((yield* failure(["--data-dir", first, "--config", backup])).exitCode, 78)
      assert.isFalse(Fs.existsSync(first))
    })
  )
})

describe("icn-node id export and import", () => {
  it.effect("carry an identity over, encrypted with the passphrase that is set", () =>
    Effect.gen(function* () {
      const { backup, first, second } = yield* places
      const { did } = yield* runJson(["--data-dir", first])
      const written = yield* runJson(["export", "--data-dir", first, "--out", backup], horse)
      assert.deepStrictEqual(written, { did, file: backup, encrypted: true })
      assert.strictEqual(Fs.statSync(backup).mode & 0o777, 0o600)
      assert.strictEqual(kindIn(backup), "encrypted")
      const without = yield* failure(["import", backup, "--data-dir", second])
      assert.include(without.message, "ICN_KEYSTORE_PASSPHRASE")
      const wrong = { variables: { ICN_KEYSTORE_PASSPHRASE: "wrong" } }
      assert.include((yield* failure(["import", backup, "--data-dir", second], wrong)).message, "the passphrase is not")
      assert.isFalse(Fs.existsSync(second))
      const restored = yield* runJson(["import", backup, "--data-dir", second], horse)
      assert.deepStrictEqual(restored, { did, keyFile: keyFileOf(second), previous: null })
      assert.deepStrictEqual(Fs.readFileSync(keyFileOf(second)), Fs.readFileSync(backup))
    })
  )

  it.effect("ask for the passphrase of the backup twice, on standard error", () =>
    Effect.gen(function* () {
      const { backup, first, second } = yield* places
      const written = vi.spyOn(process.stderr, "write").mockReturnValue(true)
      yield* Effect.addFinalizer(() => Effect.sync(() => written.mockRestore()))
      const { did } = yield* runJson(["--data-dir", first], { answers: [] })
      const command = ["export", "--data-dir", first, "--out", backup]
      assert.include((yield* failure(command, { answers: ["correct horse", "other"] })).message, "not the same")
      assert.isFalse(Fs.existsSync(backup))
      yield* run(command, { answers: ["correct horse", "correct horse"] })
      assert.include(written.mock.calls.join(""), "New passphrase")
      assert.notInclude(written.mock.calls.join(""), "correct horse")
      const restored = yield* runJson(["import", backup, "--data-dir", second], { answers: ["correct horse"] })
      assert.strictEqual(restored["did"], did)
    })
  )

  it.effect("need a passphrase or --plain", () =>
    Effect.gen(function* () {
      const { backup, first } = yield* places
      yield* run(["--data-dir", first])
      const error = yield* failure(["export", "--data-dir", first, "--out", backup])
      assert.include(error.message, "ICN_KEYSTORE_PASSPHRASE")
      assert.isFalse(Fs.existsSync(backup))
      const plain = yield* runJson(["export", "--plain", "--data-dir", first, "--out", backup])
      assert.strictEqual(plain["encrypted"], false)
      assert.strictEqual(kindIn(backup), "plain")
    })
  )

  it.effect("never overwrite a file, and never make an identity just to back it up", () =>
    Effect.gen(function* () {
      const { backup, first, second } = yield* places
      yield* run(["--data-dir", first])
      Fs.writeFileSync(backup, "precious")
      const error = yield* failure(["export", "--plain", "--data-dir", first, "--out", backup])
      assert.include(error.message, `${backup} exists`)
      assert.strictEqual(Fs.readFileSync(backup, "utf8"), "precious")
      const none = yield* failure(["export", "--plain", "--data-dir", second, "--out", `${backup}.2`])
      assert.include(none.message, "there is no identity")
      assert.isFalse(Fs.existsSync(second))
    })
  )

  it.effect("keep the identity that was there, and replace it only by force", () =>
    Effect.gen(function* () {
      const { backup, first, second } = yield* places
      const { did } = yield* runJson(["--data-dir", first])
      const before = yield* runJson(["--data-dir", second])
      yield* run(["export", "--plain", "--data-dir", first, "--out", backup])
      const error = yield* failure(["import", backup, "--data-dir", second])
      assert.include(error.message, "--force")
      assert.deepStrictEqual(yield* runJson(["--data-dir", second]), before)
      const kept = Fs.readFileSync(keyFileOf(second))
      const forced = yield* runJson(["import", backup, "--data-dir", second, "--force"])
      assert.strictEqual(forced["did"], did)
      assert.strictEqual(forced["previous"], `${keyFileOf(second)}.1970-01-01T00-00-00.000Z.old`)
      assert.deepStrictEqual(Fs.readFileSync(String(forced["previous"])), kept)
      assert.strictEqual((yield* runJson(["--data-dir", second]))["did"], did)
      assert.strictEqual(Fs.statSync(keyFileOf(second)).mode & 0o777, 0o600)
    })
  )

  it.effect("change nothing while a node runs on the directory", () =>
    Effect.gen(function* () {
      const { backup, first } = yield* places
      yield* run(["--data-dir", first])
      yield* run(["export", "--plain", "--data-dir", first, "--out", backup])
      const text = Fs.readFileSync(keyFileOf(first), "utf8")
      const { lock } = yield* DataDirectoryFs.make(first)
      yield* lock
      assert.include((yield* failure(["import", backup, "--data-dir", first, "--force"])).message, "is in use by")
      assert.include((yield* failure(["passphrase", "--remove", "--data-dir", first])).message, "is in use by")
      assert.strictEqual(Fs.readFileSync(keyFileOf(first), "utf8"), text)
    })
  )

  it.effect("refuse a file that is no backup", () =>
    Effect.gen(function* () {
      const { backup, first } = yield* places
      assert.include((yield* failure(["import", backup, "--data-dir", first])).message, "there is no identity in")
      Fs.writeFileSync(backup, "{}")
      assert.include((yield* failure(["import", backup, "--data-dir", first])).message, "no key file of this program")
    })
  )
})

const newPassphraseIn = (path: string, text: string): ReadonlyArray<string> => {
  Fs.writeFileSync(path, text)
  return ["--new-passphrase-file", path]
}

describe("icn-node id passphrase", () => {
  it.effect("encrypts the key file, changes its passphrase and takes it away, for the same DID", () =>
    Effect.gen(function* () {
      const { backup: file, first } = yield* places
      const at = ["--data-dir", first]
      const { did, keyFile } = yield* runJson(at)
      assert.deepStrictEqual(yield* runJson(["passphrase", ...at], horse), { did, keyFile, encrypted: true })
      assert.strictEqual(kindIn(keyFileOf(first)), "encrypted")
      yield* run(["passphrase", ...at, ...newPassphraseIn(file, "battery staple\n")], horse)
      assert.include((yield* failure(["passphrase", "--remove", ...at], horse)).message, "the passphrase is not")
      const staple = { variables: { ICN_KEYSTORE_PASSPHRASE: "battery staple" } }
      const plain = yield* runJson(["passphrase", "--remove", ...at], staple)
      assert.deepStrictEqual(plain, { did, keyFile, encrypted: false })
      assert.deepStrictEqual(Fs.readdirSync(first), ["identity.key"])
    })
  )

  it.effect("changes nothing without a usable new passphrase", () =>
    Effect.gen(function* () {
      const { backup: file, first } = yield* places
      const at = ["--data-dir", first]
      yield* run(at)
      assert.include((yield* failure(["passphrase", ...at])).message, "a passphrase is needed")
      const both = yield* failure(["passphrase", "--remove", ...at, ...newPassphraseIn(file, "x")])
      assert.include(both.message, "exclude each other")
      assert.strictEqual(kindIn(keyFileOf(first)), "plain")
    })
  )

  it.effect("needs an identity", () =>
    Effect.gen(function* () {
      const { first } = yield* places
      assert.include((yield* failure(["passphrase", "--remove", "--data-dir", first])).message, "there is no identity")
    })
  )
})
