import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import { join } from "node:path"
import { vi } from "vitest"
import { keptPeersMax } from "../../src/domain/knownPeers.ts"
import { supervisorErrors } from "../../src/domain/metrics.ts"
import { decode, peerBookFileBytesMax } from "../../src/domain/peerBookFile.ts"
import * as DataDirectoryFs from "../../src/layers/DataDirectoryFs.ts"
import * as IdentityMemory from "../../src/layers/IdentityMemory.ts"
import * as MetricsMemory from "../../src/layers/MetricsMemory.ts"
import { saveIntervalMillis } from "../../src/layers/peerBook/Saver.ts"
import * as PeerBookFile from "../../src/layers/PeerBookFile.ts"
import { Metrics } from "../../src/services/Metrics.ts"
import { PeerBook } from "../../src/services/PeerBook.ts"
import { peerBookContract } from "../contract/PeerBook.ts"
import { candidateOf, quicAt } from "../fixtures/connectionCandidates.ts"
import { didNumber } from "../fixtures/dids.ts"
import { temporaryDirectory } from "../fixtures/temporaryDirectory.ts"

// The seed of member 0.
const identity = IdentityMemory.layer(new Uint8Array(32))

peerBookContract(
  "PeerBookFile",
  PeerBookFile.layer.pipe(
    Layer.provide(identity),
    Layer.provide(Layer.unwrap(Effect.map(temporaryDirectory, DataDirectoryFs.layer)))
  )
)

const fileOf = (directory: string): string => join(directory, "peers.json")
const textOf = (directory: string): string => Fs.readFileSync(fileOf(directory), "utf8")

/** Runs with a book of its own in the directory, which is closed at the end. */
const withBook = <A, E, R>(directory: string, use: (book: PeerBook["Service"]) => Effect.Effect<A, E, R>) =>
  Effect.flatMap(PeerBook, use).pipe(
    Effect.provide(PeerBookFile.layer.pipe(Layer.provide(identity), Layer.provide(DataDirectoryFs.layer(directory))))
  )

const alice = didNumber(1)
const address = quicAt("192.0.2.1")

describe("PeerBookFile", () => {
  it.effect("knows at the next start whom it met and where", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      yield* TestClock.adjust(5000)
      yield* withBook(directory, (book) =>
        Effect.gen(function* () {
          yield* book.learn(alice, [quicAt("192.0.2.2")], "exchange")
          yield* book.learn(alice, [quicAt("node.example")], "config")
          yield* book.succeeded(alice, address)
          yield* book.learn(didNumber(2), [address], "config")
          yield* book.storeCandidate(candidateOf(3, 5000, "192.0.2.3"), "public")
        })
      )
      yield* TestClock.adjust(5000)
      yield* withBook(directory, (book) =>
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* book.addresses(alice), [address, quicAt("192.0.2.2")])
          const peers = yield* book.peers
          assert.deepStrictEqual(
            peers.map(({ did, hadSession, lastSeenMillis }) => [did.text, hadSession, lastSeenMillis]),
            [[alice.text, true, 5000]]
          )
          assert.deepStrictEqual(yield* book.candidates(10), [])
        })
      )
    })
  )

  it.effect("writes for this user alone, and leaves nothing else behind", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      yield* withBook(directory, (book) =>
        Effect.gen(function* () {
          yield* book.succeeded(alice, address)
          yield* TestClock.adjust(1)
          yield* Effect.promise(() =>
            vi.waitFor(() => assert.deepStrictEqual(Fs.readdirSync(directory), ["peers.json"]))
          )
          assert.include(textOf(directory), alice.text)
          assert.strictEqual(Fs.statSync(fileOf(directory)).mode & 0o777, 0o600)
        })
      )
      assert.deepStrictEqual(Fs.readdirSync(directory), ["peers.json"])
    })
  )

  it.effect("keeps members that came here, though their candidates told the same before", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      yield* withBook(directory, (book) =>
        Effect.gen(function* () {
          yield* book.learn(alice, [address], "exchange")
          yield* book.learn(alice, [address], "session")
          yield* TestClock.adjust(saveIntervalMillis)
          yield* Effect.promise(() => vi.waitFor(() => assert.include(textOf(directory), alice.text)))
        })
      )
      yield* withBook(directory, (book) =>
        Effect.map(book.addresses(alice), (addresses) => assert.deepStrictEqual(addresses, [address]))
      )
    })
  )

  it.effect("makes no file for members that were never met, and does not write when nothing changed", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      yield* withBook(directory, (book) => book.learn(alice, [address], "exchange"))
      assert.deepStrictEqual(Fs.readdirSync(directory), [])
      yield* withBook(directory, (book) => book.succeeded(alice, address))
      const before = Fs.statSync(fileOf(directory))
      yield* withBook(directory, (book) => book.learn(didNumber(2), [address], "exchange"))
      assert.strictEqual(Fs.statSync(fileOf(directory)).ino, before.ino)
      yield* withBook(directory, (book) => book.remove(alice))
      assert.notInclude(textOf(directory), alice.text)
    })
  )

  it.effect("keeps those that were seen last when there are too many", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      yield* withBook(directory, (book) =>
        Effect.gen(function* () {
          for (let number = 1; number <= keptPeersMax + 5; number++) {
            yield* book.succeeded(didNumber(number), address)
            yield* TestClock.adjust(1)
          }
        })
      )
      const decoded = decode(textOf(directory))
      assert.strictEqual(decoded._tag === "Success" ? decoded.success.length : 0, keptPeersMax)
      yield* withBook(directory, (book) =>
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* book.addresses(didNumber(5)), [])
          assert.deepStrictEqual(yield* book.addresses(didNumber(6)), [address])
        })
      )
    })
  )

  it.effect("does not believe a file that lists this node itself", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      yield* withBook(directory, (book) => book.succeeded(alice, address))
      Fs.writeFileSync(fileOf(directory), textOf(directory).replace(alice.text, didNumber(0).text))
      yield* withBook(directory, (book) => Effect.map(book.peers, (peers) => assert.deepStrictEqual(peers, [])))
    })
  )

  it.effect("replaces what a crash left half written", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      Fs.writeFileSync(`${fileOf(directory)}.tmp`, "half", { mode: 0o644 })
      yield* withBook(directory, (book) => book.succeeded(alice, address))
      assert.deepStrictEqual(Fs.readdirSync(directory), ["peers.json"])
      assert.strictEqual(Fs.statSync(fileOf(directory)).mode & 0o777, 0o600)
    })
  )
})

/** What a start with a file that can't be used logs and counts. */
const startWith = Effect.fnUntraced(function* (directory: string) {
  const lines: Array<string> = []
  const logger = Logger.make(({ message }) => {
    lines.push(String(message))
  })
  const errors = yield* Effect.gen(function* () {
    const metrics = yield* Metrics
    yield* withBook(directory, (book) => Effect.map(book.peers, (peers) => assert.deepStrictEqual(peers, [])))
    return yield* metrics.value(supervisorErrors, { operation: "peer_book" })
  }).pipe(Effect.provide(Layer.merge(MetricsMemory.layer, Logger.layer([logger]))))
  return { errors, lines: lines.join("\n") }
})

describe("a file that can't be used", () => {
  it.effect.each([
    { name: "is damaged", text: '{"version":1,"peers":[{"did":', log: /peers\.json: / },
    { name: "is of another version", text: '{"version":2,"peers":[]}', log: /version/ },
    { name: "is too large", text: " ".repeat(peerBookFileBytesMax + 1), log: /larger than 1048576 bytes/ }
  ])("is told of, set aside and done without when it $name", ({ log, text }) =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      Fs.writeFileSync(fileOf(directory), text)
      const { errors, lines } = yield* startWith(directory)
      assert.match(lines, log)
      assert.include(lines, "peers.json.damaged")
      assert.isBelow(lines.length, 1000)
      assert.strictEqual(errors, 1)
      assert.deepStrictEqual(Fs.readdirSync(directory), ["peers.json.damaged"])
      assert.strictEqual(Fs.readFileSync(`${fileOf(directory)}.damaged`, "utf8"), text)
    })
  )

  it.effect("does not hold up the start when it is no file", () =>
    Effect.gen(function* () {
      const [pipes, folders] = [yield* temporaryDirectory, yield* temporaryDirectory]
      execFileSync("mkfifo", [fileOf(pipes)])
      Fs.mkdirSync(fileOf(folders))
      for (const directory of [pipes, folders]) {
        const { errors, lines } = yield* startWith(directory)
        assert.match(lines, /it is not a file|illegal operation on a directory/i)
        assert.strictEqual(errors, 1)
        yield* withBook(directory, (book) => book.succeeded(alice, address))
        assert.include(textOf(directory), alice.text)
      }
    })
  )

  it.effect("is written over when it can't even be set aside", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      Fs.writeFileSync(fileOf(directory), "damaged")
      Fs.mkdirSync(`${fileOf(directory)}.damaged`)
      const { errors } = yield* startWith(directory)
      assert.strictEqual(errors, 2)
      yield* withBook(directory, (book) => book.succeeded(alice, address))
      assert.include(textOf(directory), alice.text)
    })
  )

  it.effect("costs what was met, and no more, when it can't be written", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const errors = yield* Effect.gen(function* () {
        const metrics = yield* Metrics
        yield* withBook(directory, (book) =>
          Effect.gen(function* () {
            yield* book.succeeded(alice, address)
            Fs.rmSync(directory, { recursive: true })
          })
        )
        return yield* metrics.value(supervisorErrors, { operation: "peer_book" })
      }).pipe(Effect.provide(MetricsMemory.layer))
      assert.strictEqual(errors, 1)
    })
  )
})
