/**
 * Plain libp2p: a node with one transport and nothing of this project above it. What is measured through sessions goes
 * through such a node too, so that the difference is what sessions cost.
 */
import type { Connection, Libp2p, Stream } from "@libp2p/interface"
import { multiaddr } from "@multiformats/multiaddr"
import { createLibp2p, type Libp2pOptions } from "libp2p"
import {
  batchBytes,
  echoBytes,
  echoProtocol,
  type Link,
  type Peer,
  sinkProtocol,
  writeBytes,
  writesPerBatch
} from "./Peer.ts"

/** Writes, and waits for room where there is none. */
const writer = (stream: Stream): ((bytes: Uint8Array) => Promise<void> | undefined) => {
  let wake: (() => void) | undefined
  stream.addEventListener("drain", () => wake?.())
  return (bytes) => {
    if (stream.send(bytes)) return undefined
    return new Promise((resolve) => {
      wake = resolve
    })
  }
}

/** Counts what arrives, for one who waits for the next so many bytes. */
const counter = (stream: Stream): ((bytes: number) => Promise<void>) => {
  let missing = 0
  let wake: (() => void) | undefined
  stream.addEventListener("message", ({ data }) => {
    missing -= data.byteLength
    if (missing <= 0) wake?.()
  })
  return (bytes) => {
    missing += bytes
    return missing <= 0
      ? Promise.resolve()
      : new Promise((resolve) => {
          wake = resolve
        })
  }
}

const serveSink = (stream: Stream): void => {
  let received = 0
  stream.addEventListener("message", ({ data }) => {
    received += data.byteLength
    for (; received >= batchBytes; received -= batchBytes) stream.send(new Uint8Array(1))
  })
}

const serveEcho = (stream: Stream): void => {
  stream.addEventListener("message", ({ data }) => void stream.send(data.subarray()))
  stream.addEventListener("remoteCloseWrite", () => void stream.close())
}

const link = async (connection: Connection): Promise<Link> => {
  const [sink, echo] = [await connection.newStream(sinkProtocol), await connection.newStream(echoProtocol)]
  const [write, acknowledged, echoed] = [writer(sink), counter(sink), counter(echo)]
  const [large, small] = [new Uint8Array(writeBytes), new Uint8Array(echoBytes)]
  return {
    flow: async (more) => {
      let batches = 0
      for (; more(); batches++) {
        for (let count = 0; count < writesPerBatch; count++) await write(large)
      }
      await acknowledged(batches)
      return batches
    },
    roundTrips: async (more) => {
      while (more()) {
        echo.send(small)
        await echoed(echoBytes)
      }
    }
  }
}

/** A peer on a libp2p node of these parts. */
export const plainPeer = (listen: string, parts: Libp2pOptions): Peer => {
  let node: Promise<Libp2p> | undefined
  const started = (): Promise<Libp2p> =>
    (node ??= createLibp2p({
      ...parts,
      addresses: { listen: [listen] },
      // A soak comes back faster than strangers should.
      connectionManager: { inboundConnectionThreshold: Number.MAX_SAFE_INTEGER },
      connectionMonitor: { enabled: false }
    }))
  const dial = async (address: string): Promise<Connection> => (await started()).dial(multiaddr(address))
  return {
    listen: async () => {
      const listening = await started()
      await listening.handle(sinkProtocol, serveSink)
      await listening.handle(echoProtocol, serveEcho)
      return String(listening.getMultiaddrs()[0])
    },
    connect: async (address) => link(await dial(address)),
    cycle: async (address) => {
      const connection = await dial(address)
      const stream = await connection.newStream(echoProtocol)
      const echoed = counter(stream)
      stream.send(new Uint8Array(echoBytes))
      await echoed(echoBytes)
      await stream.close()
      await connection.close()
    }
  }
}
