/**
 * The limit for appends: the rows that a payment of an own chain leaves in the tables (sqlite/schema.ts), written in a
 * plain loop on `node:sqlite` with one signature each. What can be prepared is: ids, keys and bytes are there before it
 * begins, and sums and the end of the chain are written once per commit.
 */
import { randomBytes } from "node:crypto"
import { DatabaseSync, type StatementSync } from "node:sqlite"
import { frame, SigningKey } from "../../src/domain/ed25519.ts"
import { schema } from "../../src/layers/ledger/sqlite/schema.ts"
import { entryTag } from "../../src/protocol/entry.ts"
import { ownSeed } from "./people.ts"

/** What the body of an own payment with a memo of a word has. */
const bodyBytes = 270
/** As the ledger has them (sqlite/connection.ts). */
const pragmas = `PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -32768;
PRAGMA wal_autocheckpoint = 4000`
const preparedRows = 8192

export class BareRows {
  readonly #database: DatabaseSync
  readonly #key = SigningKey.fromSeed(ownSeed)
  readonly #entry: StatementSync
  readonly #leg: StatementSync
  readonly #idempotency: StatementSync
  readonly #balance: StatementSync
  readonly #author: StatementSync
  readonly #body = randomBytes(bodyBytes)
  #random = randomBytes(0)
  #version = 0

  constructor(path: string) {
    const database = new DatabaseSync(path, { enableForeignKeyConstraints: false })
    database.exec(pragmas)
    database.exec(schema)
    database.exec("INSERT INTO account VALUES (1, x'01'), (2, x'02'); INSERT INTO branch VALUES (1, 1, NULL, 1)")
    this.#database = database
    this.#entry = database.prepare("INSERT INTO entry VALUES (?, ?, 1, ?, ?, ?, 3, 1, 1, 1, ?, ?, ?)")
    this.#leg = database.prepare("INSERT INTO leg VALUES (?, 0, ?, ?, 1, 1, ?)")
    this.#idempotency = database.prepare("INSERT INTO idempotency VALUES (1, ?, ?)")
    this.#balance = database.prepare(
      `INSERT INTO balance (account, currency, posted, held, unacked) VALUES (?, 0, ?, 0, ?)
       ON CONFLICT DO UPDATE SET posted = excluded.posted, unacked = excluded.unacked`
    )
    this.#author = database.prepare(
      `INSERT INTO author (account, tip, tip_seq) VALUES (1, ?, ?)
       ON CONFLICT DO UPDATE SET tip = excluded.tip, tip_seq = excluded.tip_seq`
    )
    this.prepare()
  }

  /** Makes the random bytes of the next entries, which is not what is measured. */
  prepare(): void {
    this.#random = randomBytes(preparedRows * 48)
  }

  /** One commit. */
  commit(rows: number): void {
    this.#database.exec("BEGIN IMMEDIATE")
    for (let row = 0; row < rows; row++) this.#insert()
    this.#balance.run(1, -this.#version, 0)
    this.#balance.run(2, this.#version, this.#version)
    this.#author.run(this.#version, this.#version - 1)
    this.#database.exec("COMMIT")
  }

  close(): void {
    this.#database.close()
  }

  #insert(): void {
    const version = ++this.#version
    const at = (version % preparedRows) * 48
    const id = this.#random.subarray(at, at + 32)
    // The rows have to have ids of their own also when the random bytes come again.
    id.writeUInt32LE(version)
    const key = this.#random.subarray(at + 32, at + 48)
    const signature = this.#key.sign(frame(entryTag, id))
    const prev = version === 1 ? null : version - 1
    this.#entry.run(version, id, version - 1, prev, version, `[1,[${version},0,10000]]`, this.#body, signature)
    this.#leg.run(1, version, -1, 0)
    this.#leg.run(2, version, 1, 1)
    this.#idempotency.run(key, version)
  }
}
