/**
 * What the relay and the peers share: a libp2p node that is reached over TCP, and questions and answers as lines of
 * JSON, by standard input and output. A process ends with its input, so also when whoever asked is killed.
 */
import { identify } from "@libp2p/identify"
import { noise } from "@libp2p/noise"
import { tcp } from "@libp2p/tcp"
import { yamux } from "@libp2p/yamux"
import { createLibp2p } from "libp2p"
import { createInterface } from "node:readline"

export const createNode = ({ listen, services = {}, transports = [] }) =>
  createLibp2p({
    addresses: { listen },
    transports: [tcp(), ...transports],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), ...services },
    connectionManager: { inboundConnectionThreshold: Number.MAX_SAFE_INTEGER },
    connectionMonitor: { enabled: false }
  })

export const tell = (answer) => void process.stdout.write(`${JSON.stringify(answer)}\n`)

/** A connection that has died without a word keeps nobody waiting longer. */
const answerMillisMax = 45_000

const timeout = () => {
  const { promise, reject } = Promise.withResolvers()
  const timer = setTimeout(() => reject(new Error(`not within ${answerMillisMax} ms`)), answerMillisMax)
  return { promise, clear: () => clearTimeout(timer) }
}

/** Answers each question `{ ask, ...arguments }` by the function of that name, one after the other. */
export const serve = async (functions) => {
  for await (const line of createInterface({ input: process.stdin })) {
    const { ask, ...rest } = JSON.parse(line)
    const late = timeout()
    try {
      tell(await Promise.race([functions[ask](rest), late.promise]))
    } catch (error) {
      tell({ failed: String(error) })
    } finally {
      late.clear()
    }
  }
  process.exit()
}
