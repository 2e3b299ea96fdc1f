/**
 * A measured process: `peer.ts RIVAL listener|dialler` or `peer.ts gossip NUMBER`, started by the benchmark with a
 * channel between them. Only what is asked for is loaded, so that its memory and processor time are its own.
 */
import { Schema } from "effect"
import { performer } from "./measure.ts"
import { Request, type Response, type RivalName, rivalNames } from "./messages.ts"

type Perform = (request: Request) => Promise<Response>

const load: Record<RivalName | "gossip", () => Promise<Perform>> = {
  quic: async () => performer((await import("./peers/quic.ts")).quicPeer()),
  "native-quic": async () => performer((await import("./peers/nativeQuic.ts")).nativeQuicPeer()),
  tcp: async () => performer((await import("./peers/tcp.ts")).tcpPeer()),
  "session-quic": async () => performer((await import("./peers/sessions.ts")).sessionPeer("quic")),
  "session-tcp": async () => performer((await import("./peers/sessions.ts")).sessionPeer("tcp")),
  gossip: async () => (await import("./peers/gossip.ts")).perform
}

const decodeName = Schema.decodeUnknownSync(Schema.Literals([...rivalNames, "gossip"]))
const perform = load[decodeName(process.argv[2])]()

const failed = (cause: unknown): Response => ({
  _tag: "Failed",
  message: cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause)
})

process.on("message", (message) => {
  const request = Schema.decodeUnknownSync(Request)(message)
  void perform
    .then((perform) => perform(request))
    .catch(failed)
    .then((response) => process.send?.(response))
})
// The benchmark is done, or dead.
process.on("disconnect", () => process.exit())
