/**
 * A UDP peer that sends everything back, as a process of its own: for machines without coturn's `turnutils_peer`, which
 * costs less. `echoPeer.ts PORT`, on loopback.
 */
import * as Dgram from "node:dgram"

const socket = Dgram.createSocket({ type: "udp4", lookup: (address, _options, done) => done(null, address, 4) })
socket.on("message", (datagram, { address, port }) => socket.send(datagram, port, address))
socket.bind(Number(process.argv[2]), "127.0.0.1")
process.on("disconnect", () => process.exit())
