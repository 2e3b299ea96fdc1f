import { it } from "@effect/vitest"
import { Effect } from "effect"
import { createSocket } from "node:dgram"
import { createServer, type Server } from "node:net"
import * as SessionLibp2p from "../../src/layers/SessionLibp2p.ts"
import { sessionContract, type SessionFixture } from "../contract/SessionManager.ts"
import { sessionNetworkContract } from "../contract/SessionManagerNetwork.ts"
import { sessionTestNode } from "../fixtures/sessionTestNode.ts"

const node = (transports: ReadonlyArray<"quic" | "tcp">, host: string) =>
  sessionTestNode((at, options) =>
    SessionLibp2p.layer({ transports, listen: [{ host, port: at?.address.port ?? 0 }], ...options })
  )

/** A UDP socket that never answers. */
const silentUdp = Effect.acquireRelease(
  Effect.callback<ReturnType<typeof createSocket>>((resume) => {
    const socket = createSocket("udp4")
    socket.bind(0, "127.0.0.1", () => resume(Effect.succeed(socket)))
  }),
  (socket) => Effect.callback<void>((resume) => void socket.close(() => resume(Effect.void)))
).pipe(Effect.map((socket) => ({ host: "127.0.0.1", port: socket.address().port, transport: "quic" as const })))

/** A TCP server that accepts and says nothing. */
const silentTcp = Effect.acquireRelease(
  Effect.callback<Server>((resume) => {
    const server = createServer((socket) => void socket.on("error", () => {}))
    server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
  }),
  (server) => Effect.sync(() => void server.close())
).pipe(
  Effect.map((server) => {
    const address = server.address()
    return {
      host: "127.0.0.1",
      port: typeof address === "object" ? (address?.port ?? 0) : 0,
      transport: "tcp" as const
    }
  })
)

const fixture = (transports: ReadonlyArray<"quic" | "tcp">, host: string): SessionFixture => ({
  node: node(transports, host),
  silent: transports.includes("quic") ? silentUdp : silentTcp,
  test: (name, body) => it.live(name, () => Effect.scoped(body))
})

for (const transport of ["quic", "tcp"] as const) {
  sessionContract(`SessionLibp2p over ${transport}`, fixture([transport], "127.0.0.1"))
  sessionNetworkContract(`SessionLibp2p over ${transport}`, fixture([transport], "127.0.0.1"))
}
