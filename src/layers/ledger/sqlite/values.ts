/** Between the columns of SQLite and what the ledger works with: ids and accounts are hex here and blobs there. */
import type { SQLInputValue, SQLOutputValue, StatementSync } from "node:sqlite"
import type { EntryKind } from "../../../domain/ledgerEntry.ts"
import { DamagedValue } from "./storageError.ts"

/**
 * Runs a statement that answers nothing. `run` would make an object that says what it did, which takes as long as the
 * smaller ones of these statements.
 */
export const execute = (statement: StatementSync, ...values: ReadonlyArray<SQLInputValue>): void => {
  statement.get(...values)
}

export type Row = Record<string, SQLOutputValue>

const wrong = (column: string): never => {
  throw new DamagedValue(`the column ${column} has a value of another type`)
}

export const integerOf = (row: Row, column: string): number => {
  const value = row[column]
  return typeof value === "number" ? value : wrong(column)
}

/** An integer, or `undefined` for NULL. */
export const optionalOf = (row: Row, column: string): number | undefined =>
  row[column] === null ? undefined : integerOf(row, column)

export const textOf = (row: Row, column: string): string => {
  const value = row[column]
  return typeof value === "string" ? value : wrong(column)
}

export const bytesOf = (row: Row, column: string): Uint8Array => {
  const value = row[column]
  return value instanceof Uint8Array ? value : wrong(column)
}

export const toHex = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex")

export const hexOf = (row: Row, column: string): string => toHex(bytesOf(row, column))

export const fromHex = (hex: string): Uint8Array => Buffer.from(hex, "hex")

/** Kinds by their number in the bytes of an entry (docs/ledger.md). */
export const kindNumbers: Readonly<Record<EntryKind, number>> = {
  genesis: 0,
  member: 1,
  grant: 2,
  transfer: 3,
  hold: 4,
  post: 5,
  void: 6,
  reverse: 7,
  ack: 8
}

/** What a row of `reference` says, by number (schema.ts). */
export const roles = { ack: 0, resolve: 1, reverse: 2, dep: 3, genesis: 4 } as const
