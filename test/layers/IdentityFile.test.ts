import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, Option, Redacted } from "effect"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import { join } from "node:path"
import { Did } from "../../src/domain/did.ts"
import * as DataDirectoryFs from "../../src/layers/DataDirectoryFs.ts"
import * as IdentityFile from "../../src/layers/IdentityFile.ts"
import { identityContract } from "../contract/Identity.ts"
import { start } from "../fixtures/nodeProcess.ts"
import { temporaryDirectory } from "../fixtures/temporaryDirectory.ts"

identityContract(
  "IdentityFile",
  IdentityFile.layer().pipe(Layer.provide(Layer.unwrap(Effect.map(temporaryDirectory, DataDirectoryFs.layer))))
)

const identityIn = (directory: string, passphrase = IdentityFile.noPassphrase) =>
  IdentityFile.make(passphrase).pipe(Effect.provide(DataDirectoryFs.layer(directory)))

const configured = (text: string): IdentityFile.PassphraseSource => ({
  configured: Option.some(Redacted.make(text)),
  ask: Effect.die(new Error("asked although a passphrase is configured"))
})

const asked = (text: string): IdentityFile.PassphraseSource => ({
  configured: Option.none(),
  ask: Effect.succeedSome(Redacted.make(text))
})

const neverAsked: IdentityFile.PassphraseSource = {
  configured: Option.none(),
  ask: Effect.die(new Error("asked although nothing is encrypted"))
}

const keyFileOf = (directory: string): string => join(directory, "identity.key")
const textOf = (directory: string): string => Fs.readFileSync(keyFileOf(directory), "utf8")
const writeKeyFile = (directory: string, text: string) => Fs.writeFileSync(keyFileOf(directory), text, { mode: 0o600 })

/** The reason for which a key file is refused, after a look that the refusal changed nothing. */
const refusal = Effect.fnUntraced(function* (directory: string, passphrase = neverAsked) {
  const before = { names: Fs.readdirSync(directory), text: textOf(directory) }
  const error = yield* Effect.flip(identityIn(directory, passphrase))
  assert.deepStrictEqual({ names: Fs.readdirSync(directory), text: textOf(directory) }, before)
  assert.include(error.message, keyFileOf(directory))
  return error
})

describe("a new identity", () => {
  it.effect("is one file that only its owner can access", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const identity = yield* identityIn(directory, neverAsked)
      assert.strictEqual(identity.keyFile, keyFileOf(directory))
      assert.deepStrictEqual(Fs.readdirSync(directory), ["identity.key"])
      assert.strictEqual(Fs.statSync(keyFileOf(directory)).mode & 0o777, 0o600)
      assert.include(textOf(directory), identity.did.text)
    })
  )

  it.effect("is the same at the next start", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const first = yield* identityIn(directory)
      const text = textOf(directory)
      assert.isTrue(Did.equals((yield* identityIn(directory)).did, first.did))
      assert.strictEqual(textOf(directory), text)
    })
  )

  it.effect("is another one in another directory", () =>
    Effect.gen(function* () {
      const first = yield* identityIn(yield* temporaryDirectory)
      const second = yield* identityIn(yield* temporaryDirectory)
      assert.isFalse(Did.equals(first.did, second.did))
    })
  )

  it.effect("does not mind what a crash left", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      Fs.writeFileSync(`${keyFileOf(directory)}.0123456789ab.tmp`, `{"format":"icn-node iden`)
      const first = yield* identityIn(directory)
      assert.isTrue(Did.equals((yield* identityIn(directory)).did, first.did))
    })
  )

  it.effect("fails with the reason when it can't be written", () =>
    Effect.gen(function* () {
      const directory = join(yield* temporaryDirectory, "data")
      const layer = DataDirectoryFs.layer(directory)
      const vanished = Effect.andThen(
        Effect.sync(() => Fs.rmdirSync(directory)),
        IdentityFile.make(neverAsked)
      )
      const error = yield* Effect.flip(Effect.provide(vanished, layer))
      assert.strictEqual(error.reason, "unwritable")
      assert.include(error.message, "ENOENT")
    })
  )

  it.live("is one identity when several processes make it at once", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const makers = yield* Effect.forEach([1, 2, 3, 4], () => start("identityMaker.ts", [keyFileOf(directory)]))
      yield* Effect.forEach(makers, ({ line }) => line)
      yield* Effect.forEach(makers, ({ write }) => write("go"))
      const dids = yield* Effect.forEach(makers, ({ line }) => line)
      assert.strictEqual(new Set(dids).size, 1)
      assert.include(textOf(directory), dids[0] ?? "nothing")
      assert.deepStrictEqual(Fs.readdirSync(directory), ["identity.key"])
    })
  )
})

describe("an encrypted identity", () => {
  it.live("opens with the configured passphrase, or one that is asked for, and with no other", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const { did } = yield* identityIn(directory, configured("correct horse"))
      assert.include(textOf(directory), `"kind": "encrypted"`)
      assert.strictEqual(Fs.statSync(keyFileOf(directory)).mode & 0o777, 0o600)
      assert.isTrue(Did.equals((yield* identityIn(directory, configured("correct horse"))).did, did))
      assert.isTrue(Did.equals((yield* identityIn(directory, asked("correct horse"))).did, did))
      assert.strictEqual((yield* refusal(directory, configured("wrong"))).reason, "wrongPassphrase")
      assert.strictEqual((yield* refusal(directory, asked("wrong"))).reason, "wrongPassphrase")
      const needed = yield* refusal(directory, IdentityFile.noPassphrase)
      assert.strictEqual(needed.reason, "passphraseNeeded")
      assert.include(needed.message, "ICN_KEYSTORE_PASSPHRASE")
    })
  )

  it.live("is refused when its DID was exchanged", () =>
    Effect.gen(function* () {
      const [directory, elsewhere] = [yield* temporaryDirectory, yield* temporaryDirectory]
      const { did } = yield* identityIn(directory, configured("correct horse"))
      const other = yield* identityIn(elsewhere)
      writeKeyFile(directory, textOf(directory).replace(did.text, other.did.text))
      assert.strictEqual((yield* refusal(directory, configured("correct horse"))).reason, "wrongPassphrase")
    })
  )
})

describe("an identity that is there", () => {
  it.effect("stays as it is when a passphrase is set later, with a warning", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      yield* identityIn(directory)
      const text = textOf(directory)
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => void lines.push(String(message)))
      yield* identityIn(directory, configured("later")).pipe(Effect.provide(Logger.layer([logger])))
      assert.strictEqual(textOf(directory), text)
      assert.strictEqual(lines.length, 1)
      assert.include(lines[0], "icn-node id passphrase")
    })
  )

  it.effect("is refused while others can access the file, with the command that helps", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      yield* identityIn(directory)
      for (const mode of [0o640, 0o604, 0o620, 0o602, 0o666]) {
        Fs.chmodSync(keyFileOf(directory), mode)
        const error = yield* refusal(directory)
        assert.strictEqual(error.reason, "exposed")
        assert.include(error.message, `chmod 600 ${keyFileOf(directory)}`)
      }
      Fs.chmodSync(keyFileOf(directory), 0o400)
      yield* identityIn(directory)
    })
  )

  it.effect("is refused when the file is cut off, foreign, newer, too large, or of another key", () =>
    Effect.gen(function* () {
      const [directory, elsewhere] = [yield* temporaryDirectory, yield* temporaryDirectory]
      const { did } = yield* identityIn(directory)
      const other = yield* identityIn(elsewhere)
      const good = textOf(directory)
      const reasonFor = Effect.fnUntraced(function* (text: string) {
        writeKeyFile(directory, text)
        return (yield* refusal(directory)).reason
      })
      assert.strictEqual(yield* reasonFor(""), "malformed")
      assert.strictEqual(yield* reasonFor(good.slice(0, -10)), "malformed")
      assert.strictEqual(yield* reasonFor("-----BEGIN PRIVATE KEY-----"), "malformed")
      assert.strictEqual(yield* reasonFor(good.replace(`"version": 1`, `"version": 2`)), "unsupported")
      assert.strictEqual(yield* reasonFor(good + " ".repeat(4096)), "malformed")
      assert.strictEqual(yield* reasonFor(good.replace(did.text, other.did.text)), "malformed")
    })
  )

  it.effect("is refused, without waiting, when something else than a file has its name", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      execFileSync("mkfifo", ["-m", "600", keyFileOf(directory)])
      assert.strictEqual((yield* Effect.flip(identityIn(directory))).reason, "malformed")
      Fs.rmSync(keyFileOf(directory))
      Fs.mkdirSync(keyFileOf(directory))
      assert.strictEqual((yield* Effect.flip(identityIn(directory))).reason, "malformed")
    })
  )

  it.effect("is refused when it is a link that leads nowhere", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      Fs.symlinkSync("/nonexistent/identity.key", keyFileOf(directory))
      assert.strictEqual((yield* Effect.flip(identityIn(directory))).reason, "unreadable")
      assert.deepStrictEqual(Fs.readdirSync(directory), ["identity.key"])
    })
  )

  it.effect("says nothing of the key in any refusal", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      yield* identityIn(directory)
      const seed = /"seed": "([^"]+)"/.exec(textOf(directory))?.[1] ?? ""
      assert.strictEqual(seed.length, 43)
      for (const text of [textOf(directory).replace("}", ""), textOf(directory).replace(seed, `${seed}A`)]) {
        writeKeyFile(directory, text)
        assert.notInclude(JSON.stringify(yield* refusal(directory)), seed)
      }
    })
  )
})
