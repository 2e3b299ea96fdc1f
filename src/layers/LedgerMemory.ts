/**
 * `Ledger` that lives as long as the program: for tests and simulations, where it runs under TestClock, and for
 * embedders that keep nothing on disk. Everything is done on the spot.
 */
import { Effect, Layer, PubSub, Redacted, type Scope, Stream } from "effect"
import type { Balance } from "../domain/ledgerBooks.ts"
import { frame, SigningKey } from "../domain/ed25519.ts"
import type { EntryId } from "../domain/ledgerEntry.ts"
import { recomputeBalances } from "../domain/ledgerRecompute.ts"
import type { Sums } from "../domain/ledgerSums.ts"
import { Identity } from "../services/Identity.ts"
import { type BooksReport, Ledger } from "../services/Ledger.ts"
import { Bookkeeper, type BookkeeperOptions } from "./ledger/Bookkeeper.ts"
import type { BookkeeperCalls, Call, LedgerEngine, LedgerShelf, ReaderCalls } from "./ledger/Engine.ts"
import { accountOf } from "./ledger/founding.ts"
import type { QuarantineBounds } from "./ledger/Intake.ts"
import type { SumCorrection } from "./ledger/Journal.ts"
import { MemoryJournal } from "./ledger/MemoryJournal.ts"
import { Reader } from "./ledger/Reader.ts"
import * as Service from "./ledger/service.ts"
import { SignatureVerifier } from "./ledger/signatures.ts"

export interface LedgerMemoryOptions extends Service.LedgerServiceOptions {
  readonly quarantine?: QuarantineBounds
}

/** Calls of an object by name, made on the spot. */
const callsOf = <Calls extends BookkeeperCalls | ReaderCalls>(target: Calls): Call<Calls, never> => {
  const call = (name: keyof Calls, ...args: ReadonlyArray<unknown>) =>
    Effect.sync((): unknown => {
      const method: unknown = target[name]
      if (typeof method !== "function") throw new TypeError(`no call ${String(name)}`)
      return Reflect.apply(method, target, args)
    })
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is the method of that name
  return call as Call<Calls, never>
}

const differs = (one: Balance, other: Balance): boolean =>
  one.posted !== other.posted || one.held !== other.held || one.unacked !== other.unacked

const keyOf = ({ account, currency }: Balance): string => `${account} ${currency}`

const nothing = { posted: 0, held: 0, unacked: 0 }

/** Compares the books that are kept with those that follow from the entries. */
const compare = (journal: MemoryJournal): BooksReport => {
  const stored = new Map(journal.balances(undefined, Infinity).map((row) => [keyOf(row), row]))
  const recomputed = new Map(recomputeBalances(journal.graph).map((row) => [keyOf(row), row]))
  const sums: Array<number> = []
  for (const { currency, posted } of recomputed.values()) sums[currency] = (sums[currency] ?? 0) + posted
  const genesis = journal.find(journal.coop)?.entry
  const currencies = genesis?.kind === "genesis" ? genesis.currencies : []
  const mismatches = [...new Map([...stored, ...recomputed]).entries()].flatMap(([key, row]) => {
    const { account, currency } = row
    const is = stored.get(key) ?? { ...row, ...nothing }
    const shouldBe = recomputed.get(key) ?? { ...row, ...nothing }
    return differs(is, shouldBe) ? [{ account, currency, stored: sumsOf(is), recomputed: sumsOf(shouldBe) }] : []
  })
  const entries = journal.version()
  return { journalVersion: entries, entries, sums: currencies.map((_, currency) => sums[currency] ?? 0), mismatches }
}

const sumsOf = ({ held, posted, unacked }: Sums): Sums => ({ posted, held, unacked })

const correctionsOf = ({ mismatches }: BooksReport): ReadonlyArray<SumCorrection> =>
  mismatches.map(({ account, currency, recomputed, stored }) => ({
    account,
    currency,
    posted: recomputed.posted - stored.posted,
    held: recomputed.held - stored.held,
    unacked: recomputed.unacked - stored.unacked
  }))

/** Open books in memory. */
const engineOf = Effect.fnUntraced(function* (journal: MemoryJournal, options: BookkeeperOptions) {
  const versions = yield* Effect.acquireRelease(PubSub.sliding<number>(1), PubSub.shutdown)
  const verifier = new SignatureVerifier()
  const write = callsOf<BookkeeperCalls>(new Bookkeeper(journal, options))
  const engine: LedgerEngine = {
    coop: journal.coop,
    write: (name, ...args) =>
      Effect.suspend(() => {
        const before = journal.version()
        const announce = Effect.suspend(() =>
          journal.version() > before ? PubSub.publish(versions, journal.version()) : Effect.void
        )
        return Effect.tap(write(name, ...args), announce)
      }),
    read: callsOf<ReaderCalls>(new Reader(journal)),
    verifySignatures: (entries, verify) => Effect.sync(() => verifier.verify(entries, verify)),
    compareBooks: Effect.sync(() => compare(journal)),
    // Nothing can come between the snapshot and its use.
    recomputeBooks: () =>
      Effect.sync(() => {
        const report = compare(journal)
        journal.correct(correctionsOf(report))
        return { ...report, retries: 0 }
      }),
    progress: Stream.empty,
    versions: Stream.fromPubSub(versions)
  }
  return engine
})

/** The books of one member, for `Service.make`; a simulation of a store that fails can put something around it. */
export const shelfOf = (identity: Identity["Service"], { quarantine }: LedgerMemoryOptions = {}): LedgerShelf => {
  const key = SigningKey.fromSeed(Redacted.value(identity.handshakeSeed))
  const options: BookkeeperOptions = {
    account: accountOf(identity.did),
    sign: (tag, message) => key.sign(frame(tag, message)),
    ...(quarantine === undefined ? {} : { quarantine })
  }
  const journals = new Map<EntryId, MemoryJournal>()
  let serving: EntryId | undefined
  return {
    serving: Effect.sync(() => serving),
    serve: (coop) =>
      Effect.sync(() => {
        serving = coop
      }),
    // Books in memory are not lost by themselves.
    genesis: () => Effect.undefined,
    open: (coop) =>
      Effect.suspend(() => {
        const journal = journals.get(coop) ?? new MemoryJournal(coop)
        journals.set(coop, journal)
        return engineOf(journal, options)
      }),
    remove: (coop) => Effect.sync(() => void journals.delete(coop))
  }
}

export const make = Effect.fnUntraced(function* (
  options: LedgerMemoryOptions = {}
): Effect.fn.Return<Ledger["Service"], never, Identity | Scope.Scope> {
  // Memory does not fail.
  return yield* Effect.orDie(Service.make(shelfOf(yield* Identity, options), options))
})

export const layer = (options: LedgerMemoryOptions = {}): Layer.Layer<Ledger, never, Identity> =>
  Layer.effect(Ledger, make(options))
