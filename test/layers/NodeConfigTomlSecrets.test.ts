import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { inspect } from "node:util"
import * as NodeConfigToml from "../../src/layers/NodeConfigToml.ts"
import { makeWorkspace, problemsOf, withFiles } from "../fixtures/nodeConfig/workspace.ts"

describe("secrets", () => {
  it.effect("are read from the one line of their file, which is their origin", () =>
    Effect.gen(function* () {
      const { directory, load, write } = yield* makeWorkspace
      yield* write("icn.toml", '[network]\nturn_username = "alice"\nturn_password_file = "secrets/turn"')
      yield* write("secrets/turn", " pässword with spaces \r\n")
      const { origins, values, warnings } = yield* load()
      assert.strictEqual(
        values.network.turnPassword && Redacted.value(values.network.turnPassword),
        " pässword with spaces "
      )
      assert.strictEqual(values.network.turnPasswordFile, `${directory}/secrets/turn`)
      assert.deepStrictEqual(origins["network.turn_password"], {
        _tag: "File",
        file: `${directory}/secrets/turn`,
        line: undefined
      })
      assert.deepStrictEqual(warnings, [])
    }).pipe(withFiles)
  )

  it.effect(
    "in a file that is missing, too large, empty or of several lines are a problem of the key that names it",
    () =>
      Effect.gen(function* () {
        const { load, write } = yield* makeWorkspace
        yield* write("empty", "\n")
        yield* write("lines", "a\nb\n")
        yield* write("large", "a".repeat(4097))
        yield* write("binary", Uint8Array.of(0xff, 0xff))
        const why = (file: string) =>
          problemsOf(load({ env: { ICN_NETWORK_TURN_USERNAME: "alice", ICN_NETWORK_TURN_PASSWORD_FILE: file } }))
        for (const [file, problem] of [
          ["missing", "does not exist"],
          ["empty", "the file is empty"],
          ["lines", "the file holds more than one line"],
          ["large", "is larger than 4096 bytes"],
          ["binary", "is not UTF-8 text"],
          [".", "is a directory, not a file"]
        ] as const) {
          const problems = yield* why(file)
          assert.lengthOf(problems, 1)
          assert.match(problems[0] ?? "", /^network\.turn_password_file \(ICN_NETWORK_TURN_PASSWORD_FILE\) = "/)
          assert.isTrue(problems[0]?.endsWith(`: ${problem}`), problems[0])
        }
        assert.lengthOf(yield* why(""), 1)
      }).pipe(withFiles)
  )

  it.effect("can be given in one place only", () =>
    Effect.gen(function* () {
      const { load, write } = yield* makeWorkspace
      yield* write("icn.toml", '[identity]\nkeystore_passphrase_file = "passphrase"')
      const env = { ICN_KEYSTORE_PASSPHRASE: "hunter2hunter2" }
      assert.deepStrictEqual(yield* problemsOf(load({ env })), [
        "identity.keystore_passphrase_file (icn.toml:2): identity.keystore_passphrase is set as well " +
          "(ICN_KEYSTORE_PASSPHRASE); keep one of the two"
      ])
    }).pipe(withFiles)
  )

  it.effect("warn when others can read them", () =>
    Effect.gen(function* () {
      const { load, write } = yield* makeWorkspace
      const warnings = Effect.map(load(), ({ warnings }) => warnings.map(({ problem }) => problem).join())
      const inFile = '[network]\nturn_username = "alice"\nturn_password = "correct horse battery"'
      yield* write("icn.toml", inFile, 0o644)
      assert.match(yield* warnings, /holds a secret and is readable by everybody/)
      yield* write("icn.toml", inFile, 0o640)
      assert.strictEqual(yield* warnings, "")
      yield* write("icn.toml", '[network]\nturn_username = "alice"\nturn_password_file = "turn"', 0o644)
      yield* write("turn", "correct horse battery", 0o640)
      assert.match(yield* warnings, /readable by group/)
      yield* write("turn", "correct horse battery", 0o604)
      assert.match(yield* warnings, /readable by everybody/)
      yield* write("turn", "correct horse battery", 0o600)
      assert.strictEqual(yield* warnings, "")
    }).pipe(withFiles)
  )

  it.effect("show up nowhere: not in errors, warnings, values as text, or the values in effect", () =>
    Effect.gen(function* () {
      const { load, options, write } = yield* makeWorkspace
      yield* write("icn.toml", '[network]\nturn_username = "alice"\nturn_password = "hunter2"\n', 0o644)
      const good = yield* NodeConfigToml.load(options)
      assert.notInclude(JSON.stringify(good) + inspect(good, { depth: 10 }), "hunter2")
      for (const line of [
        "turn_password = hunter2",
        "turn_password = ['hunter2']",
        "turn_password = {x = 'hunter2'}",
        "turn_password = 'hunter2\u0001'",
        "turn_pasword = 'hunter2'",
        "turn_password.x = 'hunter2'",
        "turn_server = 'alice:hunter2@turn.example.org'",
        "turn_server = 'turn:alice:hunter2@turn.example.org'",
        "bootstrap_peers = ['icn://alice:hunter2@seed.example.org:1']",
        "bootstrap_peers = 'alice:hunter2@seed.example.org'",
        "listen_addr = ['alice:hunter2@0.0.0.0:1', 'http://0.0.0.0?token=hunter2']",
        "turn_password = 'x'\nturn_password = 'hunter2'",
        `turn_password = "${"hunter2".repeat(1000)}"`
      ]) {
        yield* write("icn.toml", `[network]\n${line}\n`)
        const error = yield* Effect.flip(load())
        assert.notInclude(`${error.message}${JSON.stringify(error)}${String(error)}`, "hunter2", line)
      }
    }).pipe(withFiles)
  )
})
