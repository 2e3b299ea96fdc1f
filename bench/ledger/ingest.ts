/**
 * Entries of others through `Ledger.receive`, in windows as catch-up has them, into an empty ledger in each turn:
 *
 * - **strict**: every signature first (`each`), several windows on their way, as from several members;
 * - **catch-up**: by the ends of runs (`runs`), as many windows at a time as one exchange has; without and with the
 *   proofs of the rest, which follow in the background;
 * - **verify**: the same windows through the same threads, and nothing else;
 * - **store**: the same windows judged and written in this process, and no signature looked at.
 */
import { Effect } from "effect"
import { join } from "node:path"
import type { Comparison, Sample } from "../session/figures.ts"
import { BenchFailed } from "../turn/processes.ts"
import { frame, SigningKey } from "../../src/domain/ed25519.ts"
import { Bookkeeper } from "../../src/layers/ledger/Bookkeeper.ts"
import type { SealedBytes } from "../../src/layers/ledger/Journal.ts"
import * as SignatureThreads from "../../src/layers/ledger/sqlite/SignatureThreads.ts"
import { openJournal } from "../../src/layers/ledger/sqlite/SqliteJournal.ts"
import { windowsTaken } from "../../src/programs/ledgerSync/ask.ts"
import { windowBytesMax, windowEntriesMax } from "../../src/protocol/ledgerSync.ts"
import type { Ledger } from "../../src/services/Ledger.ts"
import { found, openLedger, temporaryDirectory } from "./ledgers.ts"
import { ownSeed, People } from "./people.ts"

const authors = 200
/** Windows that members send at the same time. */
const membersSending = 4
const rate = `entries/s of ${authors} authors`
const proven = `${rate}, until all are proven`
const provenLookMillis = 5

export const ingestComparisons: ReadonlyArray<Comparison> = [
  { figure: rate, of: "strict", to: "slower of both", atLeast: 0.9 },
  { figure: rate, of: "catch-up", to: "strict", atLeast: 4 },
  { figure: proven, of: "catch-up", to: "strict" }
]

type Window = ReadonlyArray<SealedBytes>

/** Entries as `missing` and `wanted` give them. */
export const windowsOf = (entries: ReadonlyArray<SealedBytes>): ReadonlyArray<Window> => {
  const windows: Array<Array<SealedBytes>> = []
  let bytes = 0
  let window: Array<SealedBytes> = []
  for (const { body, signature } of entries) {
    const size = body.length + signature.length
    if (window.length === 0 || window.length === windowEntriesMax || bytes + size > windowBytesMax) {
      windows.push((window = []))
      bytes = 0
    }
    window.push({ body, signature })
    bytes += size
  }
  return windows
}

export const receiveAll = Effect.fnUntraced(function* (
  ledger: Ledger["Service"],
  windows: ReadonlyArray<Window>,
  verify: "each" | "runs"
) {
  yield* Effect.forEach(
    windows,
    Effect.fnUntraced(function* (window) {
      const { missing, ...received } = yield* ledger.receive(window, verify)
      // What comes before something that it refers to waits, and comes in with it.
      const lost = received.rejected + received.malformed + received.badSignature + received.known
      if (lost > 0) return yield* new BenchFailed({ detail: JSON.stringify({ ...received, missing: missing.length }) })
    }),
    { concurrency: verify === "each" ? membersSending : windowsTaken, discard: true }
  )
})

const allProven = Effect.fnUntraced(function* (ledger: Ledger["Service"]) {
  while ((yield* ledger.status).vouched > 0) yield* Effect.sleep(provenLookMillis)
})

interface Turn {
  readonly people: People
  readonly windows: ReadonlyArray<Window>
  readonly entries: number
}

/** Takes everything into a new ledger; says how long it took until it was there, and until all of it was proven. */
const receiveTurn = Effect.fnUntraced(function* ({ entries, people, windows }: Turn, verify: "each" | "runs") {
  const ledger = yield* openLedger(yield* temporaryDirectory)
  yield* found(ledger, people)
  const before = performance.now()
  yield* receiveAll(ledger, windows, verify)
  const there = performance.now()
  yield* allProven(ledger)
  const done = performance.now()
  const version = yield* ledger.journalVersion
  const expected = entries + people.founding.length
  if (version !== expected) return yield* new BenchFailed({ detail: `${version} entries of ${expected} are there` })
  return { thereMillis: there - before, provenMillis: done - before }
}, Effect.scoped)

const verifyTurn = Effect.fnUntraced(function* ({ people, windows }: Turn) {
  const verify = yield* SignatureThreads.make
  // Starts the thread, and has the keys ready as the other one has.
  yield* verify(people.founding, "each")
  const before = performance.now()
  yield* Effect.forEach(windows, (window) => verify(window, "each"), { concurrency: membersSending, discard: true })
  return performance.now() - before
}, Effect.scoped)

const storeTurn = Effect.fnUntraced(function* ({ people, windows }: Turn) {
  const path = join(yield* temporaryDirectory, "ledger.sqlite")
  return yield* Effect.sync(() => {
    const journal = openJournal(path, { coop: people.coop })
    const key = SigningKey.fromSeed(ownSeed)
    const bookkeeper = new Bookkeeper(journal, {
      account: people.own,
      sign: (tag, message) => key.sign(frame(tag, message))
    })
    const take = (window: Window) =>
      journal.write(() =>
        bookkeeper.receive(
          window.map((one) => ({ ...one, proof: "signed" })),
          0
        )
      )
    take(people.founding)
    const before = performance.now()
    for (const window of windows) take(window)
    const millis = performance.now() - before
    journal.close()
    return millis
  })
}, Effect.scoped)

/** `rounds` turns with so many entries. */
export const measureIngest = Effect.fnUntraced(function* (rounds: number, entries: number) {
  const people = new People({ members: authors, signed: true })
  const turn: Turn = { people, windows: windowsOf(people.take(entries)), entries }
  const samples: Array<Sample> = []
  const perSecond = (millis: number) => (entries / millis) * 1000
  for (let round = 0; round < rounds; round++) {
    const say = (rival: string, millis: number, figure = rate) =>
      samples.push({ round, rival, figure, value: perSecond(millis) })
    const verify = yield* verifyTurn(turn)
    const store = yield* storeTurn(turn)
    const strict = yield* receiveTurn(turn, "each")
    const catchUp = yield* receiveTurn(turn, "runs")
    say("verify", verify)
    say("store", store)
    say("slower of both", Math.max(verify, store))
    say("strict", strict.thereMillis)
    say("strict", strict.provenMillis, proven)
    say("catch-up", catchUp.thereMillis)
    say("catch-up", catchUp.provenMillis, proven)
  }
  return samples
})
