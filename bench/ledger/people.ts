/**
 * A cooperative whose members pay one another in turns, entry by entry without end, written by hand: each entry is the
 * next of its author's chain, gives one credit to somebody and acks the credits that its author got since his last one.
 * Nothing is kept per entry.
 */
import { createHash } from "node:crypto"
import { frame, SigningKey } from "../../src/domain/ed25519.ts"
import { type AccountId, compareLegs, type Entry, type EntryAct, type EntryId } from "../../src/domain/ledgerEntry.ts"
import { amountMax } from "../../src/domain/ledgerLimits.ts"
import { encodeEntry, entryId, sealEntry, type SealedEntry } from "../../src/protocol/entry.ts"

/** The steward's seed: whose node the ledgers here are. */
export const ownSeed = createHash("sha256").update("bench steward").digest()
/** Credits that wait for an ack of one member; the oldest are never acked, as in life. */
const waitingMax = 8
/** 2026-01-01; entries come one millisecond after the other. */
const beginsAt = 1_767_225_600_000

interface Credit {
  readonly id: EntryId
  readonly lamport: number
}

interface Person {
  readonly account: AccountId
  readonly key: SigningKey
  prev: EntryId | null
  seq: number
  lamport: number
  /** The membership, until the chain has named it. */
  member: Credit | undefined
  waiting: Array<Credit>
}

const personOf = (key: SigningKey): Person => ({
  account: Buffer.from(key.publicKey).toString("hex"),
  key,
  prev: null,
  seq: 0,
  lamport: 0,
  member: undefined,
  waiting: []
})

const madeUp = (id: EntryId): Uint8Array => Buffer.from(id + id, "hex")

export interface PeopleOptions {
  readonly members: number
  /** Without, signatures are made up: for journals, which do not look at them. */
  readonly signed: boolean
}

export class People {
  readonly coop: EntryId
  /** The genesis and the memberships. */
  readonly founding: ReadonlyArray<SealedEntry>
  #signed: boolean
  readonly #steward = personOf(SigningKey.fromSeed(ownSeed))
  readonly #members: ReadonlyArray<Person>
  #turn = 0

  constructor({ members, signed }: PeopleOptions) {
    this.#signed = signed
    this.#members = Array.from({ length: members }, (_, number) =>
      personOf(SigningKey.fromSeed(createHash("sha256").update(`bench member ${number}`).digest()))
    )
    const genesis = this.#write(this.#steward, null, {
      kind: "genesis",
      name: "Bench",
      currencies: [{ symbol: "hours", decimals: 2, startingLimit: amountMax }],
      stewards: [this.#steward.account],
      threshold: 1
    })
    this.coop = genesis.id
    const memberships = this.#members.map((person) => {
      const sealed = this.#write(this.#steward, genesis.id, { kind: "member", account: person.account })
      person.member = { id: sealed.id, lamport: sealed.entry.lamport }
      return sealed
    })
    this.founding = [genesis, ...memberships]
  }

  /** The account of the steward. */
  get own(): AccountId {
    return this.#steward.account
  }

  /** Somebody to pay. */
  get payee(): AccountId {
    return this.#members[0]?.account ?? ""
  }

  /** The next payment. */
  next(): SealedEntry {
    const turn = this.#turn++
    const { length } = this.#members
    const payer = this.#members[turn % length]
    const payee = this.#members[(turn + 1 + (turn % (length - 1))) % length]
    if (payer === undefined || payee === undefined) throw new Error("nobody is there to pay")
    const sealed = this.#write(payer, this.coop, { kind: "transfer" }, payee.account)
    payee.waiting.push({ id: sealed.id, lamport: sealed.entry.lamport })
    if (payee.waiting.length > waitingMax) payee.waiting.shift()
    return sealed
  }

  /** Goes on behind so many payments, of which the signatures are nobody's concern, and signs from there on. */
  skip(count: number): void {
    for (let skipped = 0; skipped < count; skipped++) this.next()
    this.#signed = true
  }

  take(count: number): ReadonlyArray<SealedEntry> {
    return Array.from({ length: count }, () => this.next())
  }

  #write(author: Person, coop: EntryId | null, act: EntryAct, payee?: AccountId): SealedEntry {
    const { member, waiting } = author
    const relied = [...waiting, ...(member === undefined ? [] : [member])]
    const lamport = coop === null ? 0 : 1 + Math.max(author.lamport, ...relied.map((credit) => credit.lamport))
    const legs = payee === undefined ? [] : this.#legs(author.account, payee)
    const entry: Entry = {
      coop,
      author: author.account,
      seq: author.seq,
      prev: author.prev,
      lamport,
      at: beginsAt + this.#turn,
      legs,
      acks: waiting.map(({ id }) => id).toSorted(),
      deps: member === undefined ? [] : [member.id],
      idempotencyKey: payee === undefined ? "" : this.#turn.toString(16).padStart(32, "0"),
      memo: payee === undefined ? "" : "bread",
      ...act
    }
    const sealed = this.#seal(entry, author.key)
    Object.assign(author, { prev: sealed.id, seq: author.seq + 1, lamport, member: undefined, waiting: [] })
    return sealed
  }

  #legs(payer: AccountId, payee: AccountId): Entry["legs"] {
    const amount = 1 + (this.#turn % 500)
    return [
      { account: payer, currency: 0, amount: -amount },
      { account: payee, currency: 0, amount }
    ].toSorted(compareLegs)
  }

  #seal(entry: Entry, key: SigningKey): SealedEntry {
    // The genesis is read by its signature wherever it comes from.
    if (this.#signed || entry.kind === "genesis") {
      return sealEntry(entry, (tag, message) => key.sign(frame(tag, message)))
    }
    const body = encodeEntry(entry)
    const id = entryId(body)
    return { id, entry, body, signature: madeUp(id) }
  }
}
