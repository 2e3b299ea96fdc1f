/**
 * The limit for any client on node:dgram: a connected socket and ChannelData bytes that were made once. Requests are
 * written and read by the project's codec, but nothing retransmits, refreshes, or looks at what is received.
 */
import { Redacted, Result } from "effect"
import { randomBytes } from "node:crypto"
import * as Dgram from "node:dgram"
import { channelMin, encodeHeader, headerLength, isChannelData } from "../../../src/protocol/channelData.ts"
import { decode, transactionIdLength } from "../../../src/protocol/stun.ts"
import * as Turn from "../../../src/protocol/turn.ts"
import { firstAttempt, nextStep } from "../../../src/protocol/turnAuthentication.ts"
import { type Client, password, username } from "./Client.ts"

const lifetimeSeconds = 600
/** On loopback an answer that takes longer has been lost. */
const answerMillisMax = 2000
const credentials = { username, password: Redacted.make(password) }

const answerOf = (socket: Dgram.Socket, request: Uint8Array): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("the server did not answer")), answerMillisMax)
    const onMessage = (datagram: Buffer) => {
      if (isChannelData(datagram)) return
      clearTimeout(timer)
      socket.off("message", onMessage)
      resolve(datagram)
    }
    socket.on("message", onMessage)
    socket.send(request)
  })

/** One request at a time, to which the next message is the answer; keeps what the server accepted. */
const makeRequest = (socket: Dgram.Socket) => {
  let auth: Turn.TurnAuth | undefined
  return async (method: number, build: (options: Turn.RequestOptions) => Uint8Array): Promise<void> => {
    let attempt = firstAttempt(method, credentials, auth)
    while (true) {
      const answer = await answerOf(socket, build({ transactionId: randomBytes(transactionIdLength), auth }))
      const step = nextStep(attempt, Result.getOrThrow(decode(answer)))
      if (step._tag === "Success") return
      if (step._tag !== "Retry") throw new Error(step._tag === "Failure" ? `${step.code} ${step.detail}` : step.reason)
      attempt = step.attempt
      auth = attempt.auth
    }
  }
}

const frame = (payload: Uint8Array): Uint8Array => {
  const datagram = Buffer.alloc(headerLength + payload.length)
  encodeHeader(datagram, 0, channelMin, payload.length)
  datagram.set(payload, headerLength)
  return datagram
}

const buildAllocate = (options: Turn.RequestOptions) => Turn.allocateRequest({ ...options, lifetimeSeconds })
const buildRelease = (options: Turn.RequestOptions) => Turn.refreshRequest({ ...options, lifetimeSeconds: 0 })

export const client: Client = {
  allocate: async (server) => {
    const socket = Dgram.createSocket({
      type: "udp4",
      // Answered at once, as every fast client of dgram does; otherwise each datagram waits for a tick.
      lookup: (address, _options, done) => done(null, address, 4)
    })
    await new Promise<void>((resolve) => socket.connect(server.port, server.host, resolve))
    const close = () => new Promise<void>((resolve) => void socket.close(() => resolve()))
    const request = makeRequest(socket)
    await request(Turn.method.allocate, buildAllocate).catch(async (cause: unknown) => {
      await close()
      throw cause
    })
    return {
      relayTo: async (peer, payload, onEcho) => {
        await request(Turn.method.channelBind, (options) =>
          Turn.channelBindRequest({ ...options, channel: channelMin, peer })
        )
        socket.on("message", (datagram) => {
          if (isChannelData(datagram)) onEcho(datagram.length - headerLength)
        })
        const datagram = frame(payload)
        return () => socket.send(datagram)
      },
      close: async () => {
        socket.removeAllListeners("message")
        await request(Turn.method.refresh, buildRelease)
        await close()
      }
    }
  }
}
