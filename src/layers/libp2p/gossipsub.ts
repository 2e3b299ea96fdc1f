/**
 * Gossipsub as this node runs it: bounded, signed, and forgiving to members that restart or are slow. Its own
 * defaults suit a public network of strangers behind distinct addresses; where ours differ, the reason is given.
 *
 * Its order of things is: signature, cache of seen messages, validator of the topic, then store and pass on. Messages
 * of topics without a validator are stored unseen, and one that a validator ignores counts as seen when an honest
 * neighbour brings it later. So a gate in front decides first: by topic, and by what the bearer may send. It stands
 * in `handleReceivedRpc`, which the library calls for each packet and offers for the purpose, though its type does
 * not.
 */
import { gossipsub, type GossipSub, type GossipSubComponents, StrictSign } from "@libp2p/gossipsub"
import type { RPC } from "@libp2p/gossipsub/message"
import type { PeerScoreParams, TopicScoreParams } from "@libp2p/gossipsub/score"
import type { Connection, PeerId } from "@libp2p/interface"
import { messageAgeMaxMillis, messageFutureMaxMillis } from "../../domain/gossipReplay.ts"

/** The longest packet, in bytes. Longer ones end the stream. */
const packetBytesMax = 4_194_304
/** Messages sent at once to who asks for lost ones: sixty of the longest fit into a packet. */
const answeredMessagesMax = 60
/** Bytes that wait for a slow neighbour. When there are more its stream is given up, and opened anew later. */
const outboundBytesMax = 4_194_304
/** Memory for the topics of one neighbour: the library counts about 1 KiB for each, and a node has 256 at most. */
const topicBytesPerPeerMax = 524_288
/** Streams per neighbour in each direction: one is used, one may be going, one coming. */
const streamsMax = 3

export interface GossipsubOptions {
  /** How often the mesh is mended and lost messages are offered, in milliseconds; 1000 unless given. */
  readonly heartbeatMillis?: number
}

export interface GossipGate {
  /** Whether a message may be looked at: asked before its signature is checked. */
  readonly admits: (bearer: PeerId, topic: string, bytes: number) => boolean
  /**
   * Lets everything else on this node have its turn, after each packet. Without it the library goes on with what has
   * arrived, however much, and nothing else runs until a flood is through.
   */
  readonly nextTurn: () => Promise<void>
}

/** What of the library's class the node needs beyond its published interface. */
interface Router {
  handleReceivedRpc: (from: PeerId, rpc: RPC) => Promise<void>
  readonly score: { readonly params: PeerScoreParams }
  readonly streamsOutbound: ReadonlyMap<string, unknown>
  readonly streamsInbound: ReadonlyMap<string, unknown>
  readonly onPeerConnected: (peer: PeerId, connection: Connection) => void
}

const isRouter = (service: object): service is Router =>
  "handleReceivedRpc" in service &&
  typeof service.handleReceivedRpc === "function" &&
  "onPeerConnected" in service &&
  typeof service.onPeerConnected === "function" &&
  "streamsOutbound" in service &&
  service.streamsOutbound instanceof Map &&
  "streamsInbound" in service &&
  service.streamsInbound instanceof Map &&
  "score" in service

const routerOf = (service: GossipSub): Router => {
  // The version is pinned; another one may look different inside and must not run without the gate.
  if (!isRouter(service)) throw new Error("this version of @libp2p/gossipsub is not the one that was read")
  return service
}

/**
 * Only what a bearer could have seen to be wrong lowers its score, by the square of how often lately: nine times within
 * seconds, and nothing is taken from it until that has faded (by a tenth each second). There is no credit to be gained,
 * and no penalty for being quiet, since most topics are.
 */
const topicScore: TopicScoreParams = {
  topicWeight: 1,
  timeInMeshWeight: 0,
  timeInMeshQuantum: 1000,
  timeInMeshCap: 1,
  firstMessageDeliveriesWeight: 0,
  firstMessageDeliveriesDecay: 0.5,
  firstMessageDeliveriesCap: 1,
  meshMessageDeliveriesWeight: 0,
  meshMessageDeliveriesDecay: 0.5,
  meshMessageDeliveriesCap: 1,
  meshMessageDeliveriesThreshold: 1,
  meshMessageDeliveriesWindow: 10,
  meshMessageDeliveriesActivation: 1000,
  meshFailurePenaltyWeight: 0,
  meshFailurePenaltyDecay: 0.5,
  invalidMessageDeliveriesWeight: -1,
  invalidMessageDeliveriesDecay: 0.9
}

const trimmed = (control: RPC.ControlMessage): RPC.ControlMessage => {
  let left = answeredMessagesMax
  const iwant = control.iwant.map(({ messageIDs }) => {
    const part = messageIDs.slice(0, left)
    left -= part.length
    return { messageIDs: part }
  })
  return { ...control, iwant }
}

/** The gate of each service; without one nothing passes, as nobody is subscribed. */
const gates = new WeakMap<GossipSub, GossipGate>()

const installGate = (service: GossipSub): void => {
  const router = routerOf(service)
  const handle = router.handleReceivedRpc.bind(service)
  router.handleReceivedRpc = async (from, rpc) => {
    const gate = gates.get(service)
    const messages = rpc.messages.filter(({ data, topic }) => gate?.admits(from, topic, data?.length ?? 0) ?? false)
    const control = rpc.control === undefined ? {} : { control: trimmed(rpc.control) }
    const resume = messages.length < rpc.messages.length ? holdBack(router, from) : undefined
    try {
      await handle(from, { ...rpc, ...control, messages })
      await gate?.nextTurn()
    } finally {
      resume?.()
    }
  }
}

interface Pausable {
  readonly readStatus: string
  readonly pause: () => void
  readonly resume: () => void
}

const isPausable = (stream: unknown): stream is Pausable =>
  typeof stream === "object" &&
  stream !== null &&
  "readStatus" in stream &&
  "pause" in stream &&
  typeof stream.pause === "function" &&
  "resume" in stream &&
  typeof stream.resume === "function"

/**
 * Stops reading from a neighbour that sends more than it may, until the returned function is called. The library reads
 * ahead without a bound; what comes while it is held back stays with the sender, or ends the stream after 4 MiB.
 */
const holdBack = ({ streamsInbound }: Router, from: PeerId): (() => void) | undefined => {
  const inbound = streamsInbound.get(from.toString())
  const stream =
    typeof inbound === "object" && inbound !== null && "rawStream" in inbound ? inbound.rawStream : undefined
  if (!isPausable(stream) || stream.readStatus !== "readable") return undefined
  stream.pause()
  return () => {
    if (stream.readStatus === "paused") stream.resume()
  }
}

/** The service to be given to libp2p. Nothing is received before `openGate`. */
export const gossipsubFactory = (options: GossipsubOptions = {}): ((components: GossipSubComponents) => GossipSub) => {
  const make = gossipsub({
    globalSignaturePolicy: StrictSign,
    emitSelf: false,
    allowPublishToZeroTopicPeers: true,
    // Own messages go to every neighbour that wants them: they are small and rare, and a mesh takes time to form.
    floodPublish: true,
    fallbackToFloodsub: false,
    // Where members are, they tell by signed candidates only.
    doPX: false,
    // Which sessions stay is decided by the session table.
    tagMeshPeers: false,
    runOnLimitedConnection: false,
    // One packet after the other for each neighbour, so that a flood does not pile up in front of others.
    awaitRpcHandler: true,
    awaitRpcMessageHandler: true,
    heartbeatInterval: options.heartbeatMillis ?? 1000,
    // As long as a message passes by its age, so that the replay guard behind is asked about few.
    seenTTL: messageAgeMaxMillis + messageFutureMaxMillis,
    // A node that restarts joins the mesh again at once. One that leaves a topic and comes back is offered messages
    // with each heartbeat, until the library has cleared its list of who left (after fifteen).
    unsubcribeBackoff: 1000,
    maxInboundStreams: streamsMax,
    maxOutboundStreams: streamsMax,
    maxInboundDataLength: packetBytesMax,
    maxOutboundBufferSize: outboundBytesMax,
    maxTopicBytesPerPeer: topicBytesPerPeerMax,
    decodeRpcLimits: {
      maxSubscriptions: 512,
      maxMessages: 128,
      maxIhaveMessageIDs: 5000,
      maxIwantMessageIDs: 5000,
      maxControlMessages: 512,
      maxIdontwantMessageIDs: 512,
      maxPeerInfos: 16
    },
    scoreParams: {
      topics: {},
      topicScoreCap: 0,
      appSpecificWeight: 0,
      // Members share the address of their NAT, and over a link all of them seem to be on the loopback.
      IPColocationFactorWeight: 0,
      // A restart, and offered messages that the gate drops, break one promise per heartbeat at most, which never adds
      // up to the threshold. Who joins the mesh again and again against the rules does pass it.
      behaviourPenaltyWeight: -1,
      behaviourPenaltyThreshold: 6,
      behaviourPenaltyDecay: 0.8
    },
    scoreThresholds: { gossipThreshold: -10, publishThreshold: -50, graylistThreshold: -80 }
  })
  return (components) => {
    const service = make(components)
    installGate(service)
    return service
  }
}

/** Lets messages in that the gate allows, until `closeGate`. */
export const openGate = (service: GossipSub, gate: GossipGate): void => void gates.set(service, gate)
export const closeGate = (service: GossipSub): void => void gates.delete(service)

/**
 * Makes wrong messages on a topic count against their bearer. That cannot be taken back: the library keeps figures of
 * scored topics and looks the parameters up as long as a neighbour stays. They are the same object for all.
 */
export const scoreTopic = (service: GossipSub, topic: string): void => {
  routerOf(service).score.params.topics[topic] = topicScore
}

/** Whether both streams of a neighbour are there. */
export const hasStreams = (service: GossipSub, peer: PeerId): boolean => {
  const { streamsInbound, streamsOutbound } = routerOf(service)
  const name = peer.toString()
  return streamsOutbound.has(name) && streamsInbound.has(name)
}

/** Opens the stream to a neighbour anew; the library does so only for new connections. */
export const reopenStream = (service: GossipSub, peer: PeerId, connection: Connection): void =>
  routerOf(service).onPeerConnected(peer, connection)
