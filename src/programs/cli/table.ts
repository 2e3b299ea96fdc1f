/**
 * Tables for people: columns as wide as their widest cell, numbers to the right.
 */

export interface Column {
  readonly title: string
  readonly align: "left" | "right"
}

const padded = (cell: string, width: number, { align }: Column): string =>
  align === "right" ? cell.padStart(width) : cell.padEnd(width)

/** A line of titles and one per row. */
export const table = (columns: ReadonlyArray<Column>, rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = columns.map(({ title }, index) =>
    rows.reduce((widest, row) => Math.max(widest, (row[index] ?? "").length), title.length)
  )
  const line = (cells: ReadonlyArray<string>): string =>
    columns
      .map((column, index) => padded(cells[index] ?? "", widths[index] ?? 0, column))
      .join("  ")
      .trimEnd()
  return [line(columns.map(({ title }) => title)), ...rows.map(line)].join("\n")
}
