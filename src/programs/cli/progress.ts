/**
 * What a command tells while it works, on standard error: one line that is painted over at a terminal, and notes that
 * stay. Elsewhere there are only notes.
 */
import { Clock, Context, Effect } from "effect"
import { type Progress, progressLine } from "../../domain/fileTransferProgress.ts"
import { terminal } from "./terminal.ts"

/** Where it goes, and how wide that is; columns of a terminal that does not say are taken for these. */
export interface ProgressOutput {
  readonly isTerminal: boolean
  readonly columns: () => number
  readonly write: (text: string) => void
}
const columnsDefault = 80

/** Standard error unless a test says otherwise. */
export const ProgressOutput = Context.Reference<ProgressOutput | undefined>("icn-node/programs/cli/ProgressOutput", {
  defaultValue: () => undefined
})

const standardError = Effect.map(terminal, ({ isTerminal }): ProgressOutput => ({
  isTerminal,
  // Some terminals say 0, such as one without a window.
  columns: () => process.stderr.columns || columnsDefault,
  write: (text) => void process.stderr.write(text)
}))

export interface ProgressPainter {
  /** Paints how far it is. */
  readonly paint: (progress: Progress) => Effect.Effect<void>
  /** Paints a text, shortened to the terminal's width. */
  readonly line: (text: string) => Effect.Effect<void>
  /** A line that stays. */
  readonly note: (text: string) => Effect.Effect<void>
  /** Takes the painted line away, before something else is written. */
  readonly wipe: Effect.Effect<void>
}

/** Clears the line from its beginning (ECMA-48 EL). */
const clear = "\r\u001b[2K"
/** Painting faster is not seen. */
const paintMillis = 100

/** A painter whose line is gone when the scope closes, whatever ended the command. */
export const progressPainter = Effect.gen(function* () {
  const { columns, isTerminal, write } = (yield* ProgressOutput) ?? (yield* standardError)
  let painted = false
  let paintedAtMillis = 0
  const wipe = (): void => {
    if (painted) write(clear)
    painted = false
  }
  yield* Effect.addFinalizer(() => Effect.sync(wipe))
  const painter: ProgressPainter = {
    paint: Effect.fnUntraced(function* (progress) {
      const now = yield* Clock.currentTimeMillis
      progress.pace.observe(progress.bytes, now)
      if (!isTerminal || (painted && now - paintedAtMillis < paintMillis)) return
      painted = true
      paintedAtMillis = now
      // The last column makes some terminals begin a new line.
      write(clear + progressLine(progress, columns() - 1))
    }),
    line: (text) =>
      Effect.sync(() => {
        if (!isTerminal) return
        painted = true
        write(clear + text.slice(0, columns() - 1))
      }),
    note: (text) =>
      Effect.sync(() => {
        wipe()
        write(`${text}\n`)
      }),
    wipe: Effect.sync(wipe)
  }
  return painter
})
