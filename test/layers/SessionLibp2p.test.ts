import { it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Scope } from "effect"
import { createSocket } from "node:dgram"
import { createServer, type Server } from "node:net"
import * as IdentityMemory from "../../src/layers/IdentityMemory.ts"
import * as PeerBookMemory from "../../src/layers/PeerBookMemory.ts"
import * as SessionLibp2p from "../../src/layers/SessionLibp2p.ts"
import { PeerBook } from "../../src/services/PeerBook.ts"
import { SessionManager } from "../../src/services/SessionManager.ts"
import {
  sessionContract,
  type SessionFixture,
  type TestNode,
  type TestNodeOptions
} from "../contract/SessionManager.ts"
import { sessionNetworkContract } from "../contract/SessionManagerNetwork.ts"

const node = (transports: ReadonlyArray<"quic" | "tcp">, host: string) =>
  Effect.fnUntraced(function* ({ at, seed, ...options }: TestNodeOptions = {}) {
    const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
    const identity = IdentityMemory.layer(seed === undefined ? undefined : new Uint8Array(32).fill(seed))
    const listen = [{ host, port: at?.address.port ?? 0 }]
    const context = yield* Layer.buildWithScope(
      SessionLibp2p.layer({ transports, listen, ...options }).pipe(
        Layer.provideMerge(PeerBookMemory.layer),
        Layer.provideMerge(identity)
      ),
      scope
    )
    const manager = Context.get(context, SessionManager)
    const [address] = yield* manager.listening
    if (address === undefined) return yield* Effect.die(new Error("it does not listen"))
    const made: TestNode = {
      manager,
      book: Context.get(context, PeerBook),
      did: manager.did,
      uri: { did: manager.did, address },
      stop: Scope.close(scope, Exit.void)
    }
    return made
  })

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
