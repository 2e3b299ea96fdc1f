/**
 * `node peer.mjs listener|dialler RELAY HOST:PORT USER PASSWORD`: a peer that knows a circuit relay and a TURN server.
 * Both tell an address when they are connected to the relay; the dialler is then asked to dial the listener's and to
 * measure one stream, as bench/session does: large writes that are counted at the other end, and 64 bytes there and
 * back.
 */
import { circuitRelayTransport } from "@libp2p/circuit-relay-v2"
import { webRTC } from "@libp2p/webrtc"
import { multiaddr } from "@multiformats/multiaddr"
import { RTCPeerConnection } from "node-datachannel/polyfill"
import { createNode, serve, tell } from "./node.mjs"

const [role, relay, turn, username, credential] = process.argv.slice(2)

const writeBytes = 65_536
/** The listener answers with one byte for so many bytes. */
const batchBytes = 4_194_304
const echoBytes = 64
const closeMillisMax = 5000
const sinkProtocol = "/bench/sink/1"
const echoProtocol = "/bench/echo/1"

// Only this tells which way packets go; libp2p keeps it to itself.
let peerConnection
const setRemoteDescription = Reflect.get(RTCPeerConnection.prototype, "setRemoteDescription")
RTCPeerConnection.prototype.setRemoteDescription = function (description) {
  peerConnection = this
  return setRemoteDescription.call(this, description)
}

/** Kinds of the two candidates in use, `relay` where packets go over the TURN server. */
const path = () => {
  const pair = peerConnection?.selectedCandidatePair()
  return pair ? [pair.local.type, pair.remote.type] : []
}

const node = await createNode({
  listen: role === "listener" ? [`${relay}/p2p-circuit`, "/webrtc"] : [],
  transports: [
    circuitRelayTransport(),
    webRTC({
      rtcConfiguration: { iceServers: [{ urls: [`stun:${turn}`] }, { urls: [`turn:${turn}`], username, credential }] }
    })
  ]
})

/** A wait that ends with its stream, too. */
const waiter = (stream) => {
  let settle
  stream.addEventListener("close", ({ error }) => settle?.reject(error ?? new Error("the stream closed")))
  return {
    wake: () => settle?.resolve(),
    wait: () => {
      settle = Promise.withResolvers()
      return settle.promise
    }
  }
}

/** Counts what arrives, for one who waits for the next so many bytes. */
const counter = (stream) => {
  const { wait, wake } = waiter(stream)
  let missing = 0
  stream.addEventListener("message", ({ data }) => {
    missing -= data.byteLength
    if (missing <= 0) wake()
  })
  return (bytes) => {
    missing += bytes
    return missing <= 0 ? undefined : wait()
  }
}

/** Writes, and waits for room where there is none. */
const writer = (stream) => {
  const { wait, wake } = waiter(stream)
  stream.addEventListener("drain", wake)
  return (bytes) => (stream.send(bytes) ? undefined : wait())
}

const serveSink = (stream) => {
  let received = 0
  stream.addEventListener("message", ({ data }) => {
    received += data.byteLength
    for (; received >= batchBytes; received -= batchBytes) stream.send(new Uint8Array(1))
  })
}

const serveEcho = (stream) => stream.addEventListener("message", ({ data }) => void stream.send(data.subarray()))

const listen = async () => {
  await node.handle(sinkProtocol, serveSink)
  await node.handle(echoProtocol, serveEcho)
  const reachable = () =>
    node
      .getMultiaddrs()
      .map(String)
      .find((address) => address.includes("/webrtc/"))
  while (reachable() === undefined) {
    await new Promise((resolve) => node.addEventListener("self:peer:update", resolve, { once: true }))
  }
  tell({ address: reachable() })
}

let connection
let streams

/** Dials anew: nothing of an earlier connection is left, also not the one by way of the relay. */
const dial = async ({ address }) => {
  if (connection !== undefined)
    await node.hangUp(connection.remotePeer, { signal: AbortSignal.timeout(closeMillisMax) })
  streams = undefined
  const began = performance.now()
  connection = await node.dial(multiaddr(address))
  return { millis: performance.now() - began, path: path() }
}

const open = async () => {
  const [sink, echo] = [await connection.newStream(sinkProtocol), await connection.newStream(echoProtocol)]
  return { write: writer(sink), acknowledged: counter(sink), echo, echoed: counter(echo) }
}

/** Whole batches, at least so many bytes; until the listener has counted all of them. */
const flow = async ({ bytes }) => {
  const { acknowledged, write } = (streams ??= await open())
  const batches = Math.ceil(bytes / batchBytes)
  const large = new Uint8Array(writeBytes)
  const began = performance.now()
  for (let count = 0; count < (batches * batchBytes) / writeBytes; count++) await write(large)
  await acknowledged(batches)
  return { bytes: batches * batchBytes, millis: performance.now() - began, path: path() }
}

const roundTrips = async ({ seconds }) => {
  const { echo, echoed } = (streams ??= await open())
  const small = new Uint8Array(echoBytes)
  const millis = []
  const began = performance.now()
  let now = began
  while (now - began < seconds * 1000) {
    const sent = now
    echo.send(small)
    await echoed(echoBytes)
    now = performance.now()
    millis.push(now - sent)
  }
  const p50Micros = 1000 * millis.toSorted((left, right) => left - right)[Math.ceil(millis.length / 2) - 1]
  return { perSecond: (1000 * millis.length) / (now - began), p50Micros, path: path() }
}

if (role === "listener") await listen()
else tell({ address: String((await node.dial(multiaddr(relay))).remoteAddr) })
await serve({ dial, flow, roundTrips })
