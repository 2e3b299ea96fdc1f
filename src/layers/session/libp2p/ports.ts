/**
 * A free port for QUIC and TCP together: port 0 gives each of them another one, so one is looked for that both can
 * have.
 */
import { Effect } from "effect"
import { createSocket } from "node:dgram"
import { createServer } from "node:net"
import { family } from "../../../domain/transportAddress.ts"

/** A TCP port that the kernel says is free; 0 when it has none. */
const freeTcpPort = (host: string): Effect.Effect<number> =>
  Effect.callback((resume) => {
    const server = createServer()
    server.once("error", () => resume(Effect.succeed(0)))
    server.listen({ port: 0, host, exclusive: true }, () => {
      const address = server.address()
      server.close(() => resume(Effect.succeed(typeof address === "object" ? (address?.port ?? 0) : 0)))
    })
  })

const udpIsFree = (host: string, port: number): Effect.Effect<boolean> =>
  Effect.callback((resume) => {
    const socket = createSocket(family(host) === 6 ? "udp6" : "udp4")
    socket.once("error", () => {
      socket.close()
      resume(Effect.succeed(false))
    })
    socket.bind({ port, address: host, exclusive: true }, () => socket.close(() => resume(Effect.succeed(true))))
  })

/** Ports that are free for one and taken for the other are rare, so a few tries are plenty. */
const triesMax = 16

/** A port that was free for both a moment ago; 0 when there is none, which then fails where it is used. */
export const freePort = Effect.fnUntraced(function* (host: string) {
  for (let tries = 0; tries < triesMax; tries++) {
    const port = yield* freeTcpPort(host)
    if (port !== 0 && (yield* udpIsFree(host, port))) return port
  }
  return 0
})
