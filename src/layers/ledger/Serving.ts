/**
 * The cooperative that is served at present: its open books and what goes on around them for as long as they are open.
 * At most one is open at a time. One takes the place of another only while nobody writes, so that nothing that was
 * answered is lost with the books that go.
 */
import { Clock, Effect, Exit, Latch, Scope, Semaphore, Stream } from "effect"
import type { AccountId, EntryId } from "../../domain/ledgerEntry.ts"
import type { Identity } from "../../services/Identity.ts"
import {
  CooperativeInUse,
  type CooperativeInfo,
  type Founding,
  LedgerError,
  LedgerStorageFailed,
  NoCooperative
} from "../../services/Ledger.ts"
import { report } from "../../services/Metrics.ts"
import { countEntries } from "./counting.ts"
import type { CommitUnknown, LedgerEngine, LedgerShelf } from "./Engine.ts"
import {
  accountOf,
  defaultCurrencies,
  foundGenesis,
  type Genesis,
  implicitName,
  infoOf,
  readGenesis
} from "./founding.ts"
import type { StoredEntry } from "./Journal.ts"
import { Prover } from "./Prover.ts"
import { Wakes } from "./Wakes.ts"

/** Open books and what is known around them. */
export interface Served {
  readonly engine: LedgerEngine
  readonly info: CooperativeInfo
  readonly scope: Scope.Closeable
  readonly wakes: Wakes
  readonly prover: Prover
  /** Open when the last of the windows that came has been judged. */
  readonly windows: { judged: Latch.Latch }
  /** Open once the other members have been asked for this member's chain. */
  readonly ownChainChecked: Latch.Latch
  /** The highest position of this member's chain that others have shown, and that is certainly here. */
  readonly ownSeq: { seen: number; here: number }
}

/** Writers at a time; whoever replaces the books takes all places. */
const placesMax = 1_000_000

/** The store failed while it committed, and for this call it is all the same whether it did. */
export const storageFailed = (coop: EntryId, { detail }: CommitUnknown): LedgerError =>
  new LedgerError({ reason: new LedgerStorageFailed({ path: coop, reason: "other", detail }) })

const noCooperative = (): LedgerError => new LedgerError({ reason: new NoCooperative() })

export class Serving {
  /** The member whose node this is. */
  readonly account: AccountId
  readonly #identity: Identity["Service"]
  readonly #shelf: LedgerShelf
  readonly #scope: Scope.Scope
  readonly #awaitOwnChain: boolean
  readonly #places = Semaphore.makeUnsafe(placesMax)
  #served: Served | undefined

  constructor(identity: Identity["Service"], shelf: LedgerShelf, scope: Scope.Scope, awaitOwnChain: boolean) {
    this.account = accountOf(identity.did)
    this.#identity = identity
    this.#shelf = shelf
    this.#scope = scope
    this.#awaitOwnChain = awaitOwnChain
  }

  /** Opens what was served last. */
  readonly start: Effect.Effect<void, LedgerError> = Effect.gen({ self: this }, function* () {
    const coop = yield* this.#shelf.serving
    if (coop !== undefined) this.#served = yield* this.#open(coop, undefined)
  }).pipe(Effect.uninterruptible)

  get present(): Served | undefined {
    return this.#served
  }

  /** Somebody shows this member's chain up to here. */
  seenOwn(seq: number): void {
    const own = this.#served?.ownSeq
    if (own !== undefined) own.seen = Math.max(own.seen, seq)
  }

  readonly served: Effect.Effect<Served, LedgerError> = Effect.suspend(() =>
    this.#served === undefined ? Effect.fail(noCooperative()) : Effect.succeed(this.#served)
  )

  /** Runs something that writes; the books stay open and in their place meanwhile. */
  readonly writing = <A, E>(body: (served: Served) => Effect.Effect<A, E>): Effect.Effect<A, E | LedgerError> =>
    this.#places.withPermits(1)(Effect.flatMap(this.served, body))

  /** The one that is served, or a new one of this member alone. */
  readonly ensure: Effect.Effect<Served, LedgerError> = Effect.suspend(() => {
    if (this.#served !== undefined) return Effect.succeed(this.#served)
    return this.#replacing(
      Effect.suspend(() => {
        const founding = { name: implicitName(this.#identity.did), currencies: defaultCurrencies }
        return this.#served === undefined ? this.#found(founding) : Effect.succeed(this.#served)
      })
    )
  })

  readonly found = (founding: Founding): Effect.Effect<Served, LedgerError> => this.#replacing(this.#found(founding))

  readonly serve = (genesis: Genesis): Effect.Effect<Served, LedgerError> =>
    this.#replacing(Effect.suspend(() => this.#replace(genesis)))

  #replacing<A>(body: Effect.Effect<A, LedgerError>): Effect.Effect<A, LedgerError> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(restore(this.#places.take(placesMax)), () =>
        Effect.ensuring(body, this.#places.release(placesMax))
      )
    )
  }

  #found(founding: Founding): Effect.Effect<Served, LedgerError> {
    return Effect.gen({ self: this }, function* () {
      const served = yield* this.#replace(yield* foundGenesis(this.#identity, founding))
      // Nobody else can have any of a chain that begins here.
      yield* served.ownChainChecked.open
      return served
    })
  }

  /** Puts the books of a genesis in the place of those that are open, if these are not in use. */
  #replace(genesis: Genesis): Effect.Effect<Served, LedgerError> {
    return Effect.gen({ self: this }, function* () {
      const before = this.#served
      if (before?.info.id === genesis.id) return before
      if (before !== undefined) {
        const entries = yield* before.engine.read("version")
        const reason = new CooperativeInUse({ coop: before.info.id, entries })
        if (entries > 1) return yield* new LedgerError({ reason })
      }
      const served = yield* this.#open(genesis.id, genesis)
      yield* Effect.onError(this.#shelf.serve(genesis.id, genesis), (cause) =>
        Scope.close(served.scope, Exit.failCause(cause))
      )
      this.#served = served
      if (before !== undefined) {
        yield* Scope.close(before.scope, Exit.void)
        // Whoever waits to write into them goes on to the new ones.
        yield* before.ownChainChecked.open
        // They are served no more, whether they can be removed or not.
        yield* Effect.catchCause(this.#shelf.remove(before.info.id), (cause) => report("ledger_storage", cause))
      }
      return served
    })
  }

  #open(coop: EntryId, genesis: Genesis | undefined): Effect.Effect<Served, LedgerError> {
    return Effect.gen({ self: this }, function* () {
      const scope = yield* Scope.fork(this.#scope)
      const opened = this.#openIn(coop, genesis, scope)
      return yield* Effect.onError(opened, (cause) => Scope.close(scope, Exit.failCause(cause)))
    })
  }

  /** Writes the genesis into empty books: a given one, or that of books that were lost. */
  #begin(engine: LedgerEngine, given: Genesis | undefined): Effect.Effect<StoredEntry | undefined, LedgerError> {
    return Effect.gen({ self: this }, function* () {
      const genesis = given ?? (yield* this.#shelf.genesis(engine.coop))
      if (genesis === undefined) return undefined
      const { body, signature } = yield* Effect.fromResult(readGenesis(genesis))
      const at = Math.round(yield* Clock.currentTimeMillis)
      yield* Effect.catchTag(
        engine.write("receive", [{ body, signature, proof: "signed" }], at),
        "CommitUnknown",
        (unknown) => Effect.fail(storageFailed(engine.coop, unknown))
      )
      return yield* engine.read("entry", engine.coop)
    })
  }

  #openIn(coop: EntryId, genesis: Genesis | undefined, scope: Scope.Closeable): Effect.Effect<Served, LedgerError> {
    return Effect.gen({ self: this }, function* () {
      const engine = yield* Scope.provide(this.#shelf.open(coop), scope)
      const there = yield* engine.read("entry", coop)
      const first = there ?? (yield* this.#begin(engine, genesis))
      if (first?.entry.kind !== "genesis") {
        const detail = "the first entry of the cooperative is not in it"
        return yield* new LedgerError({ reason: new LedgerStorageFailed({ path: coop, reason: "corrupt", detail }) })
      }
      const wakes = new Wakes()
      yield* Scope.addFinalizer(
        scope,
        Effect.sync(() => wakes.close())
      )
      const served: Served = {
        engine,
        info: infoOf(coop, first.entry, first.sealed, this.#identity.did),
        scope,
        wakes,
        prover: yield* Prover.make(engine),
        windows: { judged: Latch.makeUnsafe(true) },
        ownChainChecked: Latch.makeUnsafe(!this.#awaitOwnChain),
        ownSeq: { seen: -1, here: -1 }
      }
      yield* Effect.forkIn(
        Stream.runForEach(engine.versions, () => Effect.sync(() => wakes.wake())),
        scope
      )
      yield* Effect.forkIn(served.prover.run, scope)
      // Those that were there when the node started were counted before.
      const counted = there === undefined ? 0 : yield* engine.read("version")
      const counting = Scope.provide(countEntries(served, this.account, served.info.currencies, counted), scope)
      yield* Effect.forkIn(counting, scope)
      return served
    })
  }
}
