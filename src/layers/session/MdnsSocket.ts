/**
 * One multicast socket on one interface: joined to the group of multicast DNS there, sending there, hearing what this
 * machine sends as well, so that two nodes of one machine find each other. The kernel may hand it the packets of other
 * interfaces too (Linux does, by IP_MULTICAST_ALL), so whoever receives has to look at the sender.
 */
import { Effect, Schema, type Scope } from "effect"
import * as Dgram from "node:dgram"
import type { ChosenInterface } from "../../domain/mdnsInterfaces.ts"
import { systemErrorCode } from "../../domain/systemError.ts"

/** RFC 6762 section 3. */
const groups = { 4: "224.0.0.251", 6: "ff02::fb" } as const
/** RFC 6762 section 11: a packet that crossed a router would arrive with less. */
const multicastTtl = 255
/** The kernel takes a datagram or refuses it at once; beyond this it is as good as lost. */
const sendMillisMax = 500

/** A socket on an interface could not be opened, or could not send. */
export class MdnsFailed extends Schema.TaggedError<MdnsFailed>()("MdnsFailed", {
  operation: Schema.Literals(["listen", "send"]),
  interface: Schema.String,
  family: Schema.Literals([4, 6]),
  /** The system's error code, such as `ENETUNREACH`. */
  code: Schema.String
}) {
  override get message() {
    return `mDNS cannot ${this.operation} on ${this.interface} (IPv${this.family}): ${this.code}`
  }
}

/** `bytes` belongs to the callee. Must not throw. */
export type OnPacket = (bytes: Uint8Array, from: { readonly address: string; readonly port: number }) => void

export interface MdnsSocket {
  /** Sends a packet to everybody on the link. */
  readonly send: (packet: Uint8Array) => Effect.Effect<void, MdnsFailed>
}

const join = (socket: Dgram.Socket, { address, family, name }: ChosenInterface): void => {
  const own = family === 4 ? address : `::%${name}`
  socket.setMulticastInterface(own)
  socket.addMembership(groups[family], own)
  socket.setMulticastTTL(multicastTtl)
  socket.setMulticastLoopback(true)
}

const bound = (
  chosen: ChosenInterface,
  port: number,
  failed: (operation: "listen" | "send", cause: unknown) => MdnsFailed
): Effect.Effect<Dgram.Socket, MdnsFailed, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Dgram.Socket, MdnsFailed>((resume) => {
      const { family } = chosen
      const socket = Dgram.createSocket({
        type: family === 4 ? "udp4" : "udp6",
        // Other programs of the machine use multicast DNS as well.
        reuseAddr: true,
        ipv6Only: family === 6,
        // The group is a literal, so that dgram need not look it up.
        lookup: (address, _options, done) => done(null, address, family)
      })
      const fail = (cause: unknown) => socket.close(() => resume(Effect.fail(failed("listen", cause))))
      socket.once("error", fail)
      socket.bind(port, () => {
        socket.removeListener("error", fail)
        try {
          join(socket, chosen)
          resume(Effect.succeed(socket))
        } catch (cause) {
          fail(cause)
        }
      })
    }),
    (socket) => Effect.callback<void>((resume) => void socket.close(() => resume(Effect.void)))
  )

/** Opens a socket on an interface; the scope closes it. */
export const open = Effect.fnUntraced(function* (chosen: ChosenInterface, port: number, onPacket: OnPacket) {
  const { family, name } = chosen
  const failed = (operation: "listen" | "send", cause: unknown) =>
    new MdnsFailed({ operation, interface: name, family, code: systemErrorCode(cause) })
  const socket = yield* bound(chosen, port, failed)
  // An error of receiving concerns one packet of somebody's; without a listener it would end the process.
  socket.on("error", () => {})
  socket.on("message", onPacket)
  const opened: MdnsSocket = {
    send: (packet) =>
      Effect.callback<void, MdnsFailed>((resume) => {
        socket.send(packet, port, groups[family], (cause) =>
          resume(cause === null ? Effect.void : Effect.fail(failed("send", cause)))
        )
      }).pipe(
        Effect.timeoutOrElse({
          duration: sendMillisMax,
          orElse: () => Effect.fail(failed("send", Object.assign(new Error("no answer"), { code: "ETIMEDOUT" })))
        })
      )
  }
  return opened
})
