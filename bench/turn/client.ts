/**
 * The process of one client: `client.ts raw|icn-node|werift`, started by the benchmark with a channel between them.
 * One process per client, so that its processor time is that client's and nothing else's.
 */
import { Schema } from "effect"
import type { Client } from "./clients/Client.ts"
import { exchange, measureAllocations, open, type Relay } from "./measure.ts"
import { type ClientName, clientNames, Request, type Response } from "./messages.ts"

/** Only the client that is asked for is loaded. */
const load: Record<ClientName, () => Promise<{ readonly client: Client }>> = {
  raw: () => import("./clients/raw.ts"),
  "icn-node": () => import("./clients/icnNode.ts"),
  werift: () => import("./clients/werift.ts")
}

const decodeName = Schema.decodeUnknownSync(Schema.Literals(clientNames))
const { client } = await load[decodeName(process.argv[2])]()

let relay: Relay | undefined

const perform = async (request: Request): Promise<Response> => {
  switch (request._tag) {
    case "Open":
      relay = await open(client, request)
      return { _tag: "Done" }
    case "Exchange":
      if (relay === undefined) throw new Error("no relay is open")
      return exchange(relay, request)
    case "Close":
      await relay?.allocation.close()
      relay = undefined
      return { _tag: "Done" }
    case "Allocate":
      return measureAllocations(client, request)
  }
}

const failed = (cause: unknown): Response => ({
  _tag: "Failed",
  message: cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause)
})

process.on("message", (message) => {
  const request = Schema.decodeUnknownSync(Request)(message)
  void perform(request)
    .catch(failed)
    .then((response) => process.send?.(response))
})
// The benchmark is done, or dead.
process.on("disconnect", () => process.exit())
