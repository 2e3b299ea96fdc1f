/**
 * Reads and writes the bytes of an entry (entry.ts) in one pass, since every entry is read several times on its way
 * into the books. It knows the one encoding that each entry has and nothing else: for whatever is no entry it answers
 * `undefined`, and entry.ts finds out why. Pure.
 */
import {
  compareLegs,
  type Currency,
  type Entry,
  type EntryAct,
  type EntryKind,
  type Leg
} from "../domain/ledgerEntry.ts"
import {
  acksMax,
  amountMax,
  currenciesMax,
  decimalsMax,
  depsMax,
  entryBytesMax,
  idempotencyKeyBytes,
  legsMax,
  memoBytesMax,
  nameBytesMax,
  stewardsMax
} from "../domain/ledgerLimits.ts"

/** Kinds by their number in the bytes. */
export const kinds = [
  "genesis",
  "member",
  "grant",
  "transfer",
  "hold",
  "post",
  "void",
  "reverse",
  "ack"
] as const satisfies ReadonlyArray<EntryKind>

/** Whether this can be the symbol of a currency. */
export const isSymbol = (symbol: string): boolean => /^[A-Za-z][A-Za-z0-9-]{0,15}$/.test(symbol)
const symbolBytesMax = 16

const idBytes = 32
const partsOfEntry = 14
const partsOfLeg = 3
const two32 = 2 ** 32

// Major types (RFC 8949 section 3.1), in the upper three bits of the first byte.
const natural = 0
const negative = 1
const bytesOf = 2
const textOf = 3
const arrayOf = 4

/** What a reader answers where the bytes are something else. It is smaller than everything that is asked for. */
const wrong = -1

class Reader {
  readonly #bytes: Buffer
  #at = 0
  /** Something was not as it has to be; what is answered then means nothing. */
  #isWrong = false

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  entry(): Entry | undefined {
    if (this.#count(arrayOf) !== partsOfEntry || this.#natural() !== 1) return undefined
    const kind = kinds[this.#natural()]
    if (kind === undefined || this.#isWrong) return undefined
    const coop = this.#optionalId()
    const author = this.#id()
    const seq = this.#natural()
    const prev = this.#optionalId()
    const lamport = this.#natural()
    const at = this.#natural()
    const legs = this.#legs()
    const acks = this.#ids(acksMax)
    const deps = this.#ids(depsMax)
    const idempotencyKey = this.#idempotencyKey()
    const memo = this.#text(memoBytesMax)
    const act = this.#act(kind)
    if (this.#isWrong || act === undefined || this.#at !== this.#bytes.length) return undefined
    return { coop, author, seq, prev, lamport, at, legs, acks, deps, idempotencyKey, memo, ...act }
  }

  #act(kind: EntryKind): EntryAct | undefined {
    const length = this.#count(arrayOf)
    switch (kind) {
      case "genesis":
        return length === 4 ? this.#genesis() : undefined
      case "transfer":
      case "ack":
        return length === 0 ? { kind } : undefined
      case "member":
        return length === 1 ? { kind, account: this.#id() } : undefined
      case "hold":
        return length === 1 ? { kind, expiresAt: this.#natural() } : undefined
      case "post":
      case "void":
        return length === 1 ? { kind, hold: this.#id() } : undefined
      case "reverse":
        return length === 1 ? { kind, reversed: this.#id() } : undefined
      case "grant":
        return length === 3
          ? { kind, account: this.#id(), currency: this.#currency(), limit: this.#atMost(amountMax) }
          : undefined
    }
  }

  #genesis(): EntryAct | undefined {
    const name = this.#text(nameBytesMax)
    const currencies: Array<Currency> = []
    for (let left = this.#length(currenciesMax); left > 0 && !this.#isWrong; left--) {
      if (this.#count(arrayOf) !== 3) this.#fail()
      const symbol = this.#text(symbolBytesMax)
      currencies.push({ symbol, decimals: this.#atMost(decimalsMax), startingLimit: this.#atMost(amountMax) })
    }
    const stewards = this.#ids(stewardsMax)
    const threshold = this.#atMost(stewardsMax)
    const symbols = new Set(currencies.map(({ symbol }) => symbol))
    const isSound =
      name !== "" && stewards.length > 0 && threshold > 0 && symbols.size > 0 && symbols.size === currencies.length
    if (!isSound || !currencies.every(({ symbol }) => isSymbol(symbol))) return undefined
    return { kind: "genesis", name, currencies, stewards, threshold }
  }

  /** The number in a head of this major type, in its shortest form and exact. */
  #count(major: number): number {
    const bytes = this.#bytes
    const first = bytes[this.#at++] ?? 0xff
    if (first >> 5 !== major) return this.#fail()
    const info = first & 31
    if (info < 24) return info
    const from = this.#at
    if (info === 24) {
      this.#at += 1
      const number = bytes[from] ?? 0
      return number < 24 ? this.#fail() : number
    }
    const size = info === 25 ? 2 : info === 26 ? 4 : info === 27 ? 8 : Infinity
    this.#at += size
    if (this.#at > bytes.length) return this.#fail()
    if (size < 8) {
      const number = size === 2 ? bytes.readUInt16BE(from) : bytes.readUInt32BE(from)
      return number < (size === 2 ? 0x100 : 0x1_0000) ? this.#fail() : number
    }
    const upper = bytes.readUInt32BE(from)
    const number = upper * two32 + bytes.readUInt32BE(from + 4)
    return upper === 0 || number > Number.MAX_SAFE_INTEGER ? this.#fail() : number
  }

  #natural(): number {
    return this.#count(natural)
  }

  #id(): string {
    return this.#hex(this.#count(bytesOf), idBytes)
  }

  #optionalId(): string | null {
    const length = this.#count(bytesOf)
    return length === 0 ? null : this.#hex(length, idBytes)
  }

  #idempotencyKey(): string {
    const length = this.#count(bytesOf)
    return length === 0 ? "" : this.#hex(length, idempotencyKeyBytes)
  }

  #hex(length: number, wanted: number): string {
    const from = this.#at
    this.#at += length
    if (length === wanted && this.#at <= this.#bytes.length) return this.#bytes.toString("hex", from, this.#at)
    this.#fail()
    return ""
  }

  #ids(max: number): ReadonlyArray<string> {
    const length = this.#length(max)
    const ids: Array<string> = []
    for (let index = 0; index < length && !this.#isWrong; index++) {
      const id = this.#id()
      if (index > 0 && !((ids[index - 1] ?? "") < id)) this.#fail()
      ids.push(id)
    }
    return ids
  }

  #legs(): ReadonlyArray<Leg> {
    const length = this.#length(legsMax)
    const legs: Array<Leg> = []
    let before: Leg | undefined
    for (let index = 0; index < length && !this.#isWrong; index++) {
      if (this.#count(arrayOf) !== partsOfLeg) this.#fail()
      const leg = { account: this.#id(), currency: this.#currency(), amount: this.#amount() }
      if (before !== undefined && compareLegs(before, leg) >= 0) this.#fail()
      legs.push(leg)
      before = leg
    }
    return legs
  }

  #amount(): number {
    const isNegative = (this.#bytes[this.#at] ?? 0) >> 5 === negative
    const amount = isNegative ? -1 - this.#count(negative) : this.#natural()
    return amount === 0 || Math.abs(amount) > amountMax ? this.#fail() : amount
  }

  #currency(): number {
    return this.#atMost(currenciesMax - 1)
  }

  #atMost(max: number): number {
    const number = this.#natural()
    return number > max ? this.#fail() : number
  }

  #length(max: number): number {
    const length = this.#count(arrayOf)
    return length > max ? this.#fail() : length
  }

  /** Without controls, so that it can be shown on a terminal. */
  #text(bytesMax: number): string {
    const length = this.#count(textOf)
    const from = this.#at
    this.#at += length
    if (length > bytesMax || this.#at > this.#bytes.length) this.#fail()
    if (this.#isWrong || length === 0) return ""
    if (this.#isPlain(from)) return this.#bytes.toString("latin1", from, this.#at)
    const text = this.#bytes.toString("utf8", from, this.#at)
    // What is not UTF-8 is read as a character that is written differently.
    const isExact = Buffer.from(text, "utf8").equals(this.#bytes.subarray(from, this.#at))
    if (!isExact || /\p{Cc}/u.test(text)) this.#fail()
    return text
  }

  /** Whether there is nothing but the printable characters of ASCII from there to here. */
  #isPlain(from: number): boolean {
    for (let at = from; at < this.#at; at++) {
      const byte = this.#bytes[at] ?? 0
      if (byte < 0x20 || byte > 0x7e) return false
    }
    return true
  }

  #fail(): typeof wrong {
    this.#isWrong = true
    return wrong
  }
}

/** The entry with this body; `undefined` where there is none. */
export const readEntry = (body: Uint8Array): Entry | undefined => new Reader(body).entry()

/** An entry that cannot be written; entry.ts says what is wrong with it. */
class Unwritable extends Error {}

/** Where bodies are written before their length is known. Encoding is synchronous, so there is one at a time. */
const scratch = Buffer.alloc(entryBytesMax)

class Writer {
  #at = 0

  body(entry: Entry, number: number): Uint8Array {
    this.#head(arrayOf, partsOfEntry)
    this.#head(natural, 1)
    this.#head(natural, number)
    this.#bytes(entry.coop ?? "", idBytes)
    this.#bytes(entry.author, idBytes)
    this.#head(natural, entry.seq)
    this.#bytes(entry.prev ?? "", idBytes)
    this.#head(natural, entry.lamport)
    this.#head(natural, entry.at)
    this.#head(arrayOf, entry.legs.length)
    for (const { account, amount, currency } of entry.legs) {
      this.#head(arrayOf, partsOfLeg)
      this.#bytes(account, idBytes)
      this.#head(natural, currency)
      this.#head(amount < 0 ? negative : natural, amount < 0 ? -1 - amount : amount)
    }
    this.#ids(entry.acks)
    this.#ids(entry.deps)
    this.#bytes(entry.idempotencyKey, idempotencyKeyBytes)
    this.#text(entry.memo)
    this.#content(entry)
    return new Uint8Array(scratch.subarray(0, this.#at))
  }

  #content(entry: Entry): void {
    switch (entry.kind) {
      case "transfer":
      case "ack":
        return this.#head(arrayOf, 0)
      case "member":
        return this.#ids([entry.account])
      case "post":
      case "void":
        return this.#ids([entry.hold])
      case "reverse":
        return this.#ids([entry.reversed])
      case "hold":
        this.#head(arrayOf, 1)
        return this.#head(natural, entry.expiresAt)
      case "grant":
        this.#head(arrayOf, 3)
        this.#bytes(entry.account, idBytes)
        this.#head(natural, entry.currency)
        return this.#head(natural, entry.limit)
      case "genesis":
        throw new Unwritable()
    }
  }

  #ids(ids: ReadonlyArray<string>): void {
    this.#head(arrayOf, ids.length)
    for (const id of ids) this.#bytes(id, idBytes)
  }

  /** So many bytes in hex, or none. */
  #bytes(hex: string, length: number): void {
    if (hex === "") return this.#head(bytesOf, 0)
    this.#head(bytesOf, length)
    if (hex.length !== 2 * length || scratch.write(hex, this.#at, length, "hex") !== length) throw new Unwritable()
    this.#at += length
  }

  #text(text: string): void {
    const length = Buffer.byteLength(text, "utf8")
    if (length > memoBytesMax) throw new Unwritable()
    this.#head(textOf, length)
    this.#at += scratch.write(text, this.#at, "utf8")
  }

  #head(major: number, argument: number): void {
    if (!Number.isSafeInteger(argument) || argument < 0) throw new Unwritable()
    const type = major << 5
    if (argument < 24) scratch[this.#at++] = type | argument
    else if (argument < 0x100) {
      scratch[this.#at++] = type | 24
      scratch[this.#at++] = argument
    } else if (argument < 0x1_0000) {
      scratch[this.#at++] = type | 25
      this.#at = scratch.writeUInt16BE(argument, this.#at)
    } else if (argument < two32) {
      scratch[this.#at++] = type | 26
      this.#at = scratch.writeUInt32BE(argument, this.#at)
    } else {
      scratch[this.#at++] = type | 27
      this.#at = scratch.writeUInt32BE(Math.floor(argument / two32), this.#at)
      this.#at = scratch.writeUInt32BE(argument % two32, this.#at)
    }
  }
}

/** The body of an entry; `undefined` for a genesis, and for what is out of bounds, which is told apart by entry.ts. */
export const writeEntry = (entry: Entry): Uint8Array | undefined => {
  if (entry.kind === "genesis") return undefined
  if (entry.legs.length > legsMax || entry.acks.length > acksMax || entry.deps.length > depsMax) return undefined
  try {
    return new Writer().body(entry, kinds.indexOf(entry.kind))
  } catch (error) {
    if (error instanceof Unwritable) return undefined
    throw error
  }
}
