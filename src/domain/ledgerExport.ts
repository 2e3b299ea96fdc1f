/**
 * A ledger as text to take elsewhere: for accounting (hledger), for spreadsheets (CSV), or complete with everything
 * that proves it (JSON lines, which protocol/ledgerVerify.ts checks without a node). Each format is written piece by
 * piece, whoever reads the entries and wherever the text goes; nothing is kept per entry.
 *
 * All pieces have to be of one version: the entries up to it in order, as they are booked at it, and its balances.
 */
import { csvExport } from "./ledgerExportCsv.ts"
import { hledgerExport } from "./ledgerExportHledger.ts"
import type { ExportedCooperative, Exporter } from "./ledgerExporter.ts"
import { jsonLinesExport } from "./ledgerExportJson.ts"

export const exportFormats = ["hledger", "csv", "jsonl"] as const
export type ExportFormat = (typeof exportFormats)[number]

const exporters = { hledger: hledgerExport, csv: csvExport, jsonl: jsonLinesExport } as const

export const makeExporter = (format: ExportFormat, cooperative: ExportedCooperative): Exporter =>
  exporters[format](cooperative)
