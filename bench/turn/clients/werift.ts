/**
 * The TURN client of werift, the WebRTC implementation in TypeScript, through the classes that it exports. It does not
 * release allocations, so each run has a server of its own.
 */
import { createTurnClient } from "werift"
import { type Client, password, username } from "./Client.ts"

export const client: Client = {
  allocate: async (server) => {
    const turn = await createTurnClient({ address: [server.host, server.port], username, password })
    return {
      relayTo: async (peer, payload, onEcho) => {
        const address = [peer.host, peer.port] as const
        const data = Buffer.from(payload)
        await turn.getChannel(address)
        turn.onData.subscribe((received) => onEcho(received.length))
        // Its way to send is a promise per datagram, which nobody waits for: UDP promises nothing either.
        return () => void turn.sendData(data, address)
      },
      close: () => turn.close()
    }
  }
}
