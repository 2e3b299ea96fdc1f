/**
 * Checks an export in JSON lines (domain/ledgerExportJson.ts) from nothing but itself: that each entry has the id of
 * its bytes and the signature of its author, that it is valid given those before it, that what is booked is marked so,
 * and that the balances follow. It trusts neither the node that wrote the export nor its books, and needs no node
 * (ledgerVerify.ts at the top makes a program of it).
 *
 * What it cannot know is whether entries are missing at the end, or whether somebody signed another history as well;
 * the other members do. All entries are kept in memory, at some 3 kB each.
 */
import { Result, Schema } from "effect"
import { VerificationKey } from "../domain/ed25519.ts"
import { admit } from "../domain/ledgerAdmit.ts"
import { LedgerBooks } from "../domain/ledgerBooks.ts"
import type { AccountId, EntryId, GenesisEntry } from "../domain/ledgerEntry.ts"
import type { ExportedBalance } from "../domain/ledgerExporter.ts"
import { jsonLinesFormat } from "../domain/ledgerExportJson.ts"
import { LedgerHistory } from "../domain/ledgerHistory.ts"
import { recomputeBalances } from "../domain/ledgerRecompute.ts"
import { decodeEntry, entryId, isSignedBy } from "./entry.ts"

/** Characters of a line that is looked at: an entry has at most 25,000, the trailer 250 for each account. */
export const lineLengthMax = 64 * 1024 * 1024

const Header = Schema.Struct({
  type: Schema.Literal("header"),
  format: Schema.Literal(jsonLinesFormat),
  coop: Schema.String,
  name: Schema.String,
  currencies: Schema.Array(Schema.Struct({ symbol: Schema.String, decimals: Schema.Int, startingLimit: Schema.Int }))
})
const EntryLine = Schema.Struct({
  type: Schema.Literal("entry"),
  version: Schema.Int,
  id: Schema.String,
  booked: Schema.Boolean,
  body: Schema.String,
  signature: Schema.String
})
const Trailer = Schema.Struct({
  type: Schema.Literal("trailer"),
  version: Schema.Int,
  entries: Schema.Int,
  balances: Schema.Array(
    Schema.Struct({
      account: Schema.String,
      currency: Schema.Int,
      posted: Schema.Int,
      held: Schema.Int,
      unacked: Schema.Int
    })
  )
})
const decodeLine = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.Union([Header, EntryLine, Trailer])), {
  onExcessProperty: "error"
})

type HeaderLine = typeof Header.Type
type EntryLine = typeof EntryLine.Type
type TrailerLine = typeof Trailer.Type

export type ExportVerdict =
  | {
      readonly _tag: "Sound"
      readonly coop: EntryId
      readonly name: string
      readonly version: number
      readonly balances: ReadonlyArray<ExportedBalance>
      /** Authors who wrote two chains. */
      readonly forked: ReadonlyArray<AccountId>
    }
  | {
      readonly _tag: "Unsound"
      /** From 1; where the export ends too early, the one that is missing. */
      readonly line: number
      readonly problem: string
    }

/** Bytes of base64 in its one spelling. */
const bytesIn = (text: string): Uint8Array | undefined => {
  const bytes = Buffer.from(text, "base64")
  return bytes.toString("base64") === text ? bytes : undefined
}

const sameBalance = (a: ExportedBalance | undefined, b: ExportedBalance | undefined): boolean =>
  a !== undefined &&
  b !== undefined &&
  a.account === b.account &&
  a.currency === b.currency &&
  a.posted === b.posted &&
  a.held === b.held &&
  a.unacked === b.unacked

/** Takes an export line by line. */
export class ExportVerifier {
  #header: HeaderLine | undefined
  #trailer: TrailerLine | undefined
  #history = new LedgerHistory("")
  #books = new LedgerBooks(this.#history)
  readonly #marks: Array<boolean> = []
  readonly #keys = new Map<AccountId, VerificationKey>()
  #lines = 0

  /** The first problem that shows in this line, if there is one. */
  line(text: string): string | undefined {
    this.#lines++
    if (this.#trailer !== undefined) return "something follows the trailer"
    if (text.length > lineLengthMax) return "the line is too long"
    const read = decodeLine(text)
    if (Result.isFailure(read)) return "the line is no header, entry or trailer of this format"
    const line = read.success
    if (line.type === "header") return this.#begin(line)
    if (this.#header === undefined) return "the export does not begin with a header"
    return line.type === "entry" ? this.#entry(line) : this.#end(line)
  }

  verdict(): ExportVerdict {
    const header = this.#header
    const trailer = this.#trailer
    if (header === undefined || trailer === undefined) {
      return { _tag: "Unsound", line: this.#lines + 1, problem: "the export ends before its trailer" }
    }
    const forked = [...this.#history.authors()].filter(({ lowestFork }) => lowestFork !== undefined)
    const { balances, version } = trailer
    const { coop, name } = header
    return { _tag: "Sound", coop, name, version, balances, forked: forked.map(({ account }) => account) }
  }

  #begin(header: HeaderLine): string | undefined {
    if (this.#header !== undefined) return "there is a second header"
    if (!/^[0-9a-f]{64}$/.test(header.coop)) return "the cooperative's id is none"
    this.#header = header
    this.#history = new LedgerHistory(header.coop)
    this.#books = new LedgerBooks(this.#history)
    return undefined
  }

  #keyOf(author: AccountId): VerificationKey | undefined {
    const known = this.#keys.get(author)
    if (known !== undefined) return known
    const key = Result.getOrUndefined(VerificationKey.fromBytes(Buffer.from(author, "hex")))
    if (key !== undefined) this.#keys.set(author, key)
    return key
  }

  #entry({ body: bodyText, booked, id, signature: signatureText, version }: EntryLine): string | undefined {
    const expected = this.#history.size + 1
    if (version !== expected) return `the entry has version ${version} where ${expected} has to come`
    const body = bytesIn(bodyText)
    const signature = bytesIn(signatureText)
    if (body === undefined || signature === undefined) return "body or signature is no base64"
    if (entryId(body) !== id) return "the id is not that of the body"
    const decoded = decodeEntry(body)
    if (Result.isFailure(decoded)) return `the body is no entry: ${decoded.failure}`
    const entry = decoded.success
    const key = this.#keyOf(entry.author)
    if (key === undefined || !isSignedBy(key, id, signature)) return "the signature is not the author's"
    const admission = admit({ id, entry }, this.#history)
    if (admission._tag === "Pending") return `the entry relies on ${admission.missing[0] ?? ""}, which is not before it`
    if (admission._tag === "Rejected") return `the entry is invalid: ${admission.reason}`
    const added = this.#history.add(admission.entry)
    // Only one entry has the version; the same one again would be returned by `add` and not counted.
    if (this.#history.size !== expected) return "the entry was there before"
    this.#books.added(added)
    this.#marks.push(booked)
    return entry.kind === "genesis" ? this.#genesis(entry) : undefined
  }

  #genesis({ currencies, name }: GenesisEntry): string | undefined {
    const said = JSON.stringify(this.#header?.currencies)
    const signed = currencies.map(({ decimals, startingLimit, symbol }) => ({ symbol, decimals, startingLimit }))
    if (this.#header?.name !== name) return "the header has another name than the cooperative"
    return said === JSON.stringify(signed) ? undefined : "the header has other currencies than the cooperative"
  }

  #end(trailer: TrailerLine): string | undefined {
    const { size } = this.#history
    if (trailer.entries !== size) return `the trailer counts ${trailer.entries} entries, and there are ${size}`
    if (trailer.version !== size) return `the trailer is of version ${trailer.version}, and the entries of ${size}`
    let index = 0
    for (const entry of this.#history.entries()) {
      const isBooked = this.#books.isBooked(entry)
      if (isBooked === this.#marks[index++]) continue
      return `entry ${entry.id} ${isBooked ? "is booked, and is not marked so" : "is marked as booked, and is not"}`
    }
    // By other code than the books of a node (domain/ledgerRecompute.ts).
    const balances = recomputeBalances(this.#history)
    const rows = Math.max(balances.length, trailer.balances.length)
    for (let row = 0; row < rows; row++) {
      const [said, worked] = [trailer.balances[row], balances[row]]
      if (!sameBalance(said, worked)) {
        return `the balance of ${said?.account ?? worked?.account ?? ""} does not follow from the entries`
      }
    }
    this.#trailer = trailer
    return undefined
  }
}

/** Checks an export; `lines` are without their ends. */
export const verifyExport = (lines: Iterable<string>): ExportVerdict => {
  const verifier = new ExportVerifier()
  let number = 0
  for (const text of lines) {
    number++
    const problem = verifier.line(text)
    if (problem !== undefined) return { _tag: "Unsound", line: number, problem }
  }
  return verifier.verdict()
}
