/** The thread that helps to sign what a batch writes (SigningBoard.ts). It answers nobody, and is ended by force. */
import { parentPort, workerData } from "node:worker_threads"
import { frame, SigningKey } from "../../../domain/ed25519.ts"
import { entryTag } from "../../../protocol/entry.ts"
import type { FromThread } from "./messages.ts"
import { giveWay, niceness } from "./priority.ts"
import { help } from "./SigningBoard.ts"

export interface SignerData {
  readonly board: SharedArrayBuffer
  /** The seed of the account's key. The thread's copy is wiped. */
  readonly seed: Uint8Array
}

const { board, seed }: SignerData = workerData
giveWay(niceness.books)
const key = SigningKey.fromSeed(seed)
seed.fill(0)
const ready: FromThread = { _tag: "Ready" }
parentPort?.postMessage(ready, [])
help(board, (id) => key.sign(frame(entryTag, id)))
