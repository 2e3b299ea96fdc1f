/** The thread that works the books out anew, on a connection of its own; it tells how far it is. */
import { workerData } from "node:worker_threads"
import { Auditor } from "../sqlite/Auditor.ts"
import { openJournal } from "../sqlite/SqliteJournal.ts"
import type { ReaderData } from "./readerThread.ts"
import { caller, oneByOne, serve } from "./serve.ts"

const { coop, path }: ReaderData = workerData

serve((tell) => {
  const journal = openJournal(path, { coop, readOnly: true })
  const auditor = new Auditor(journal.database)
  return { run: oneByOne(caller({ audit: () => auditor.audit(tell) })), close: () => journal.close() }
})
