/**
 * What the benchmark asks of a measured process and what it hears back, as the messages on their channel. A process
 * does one thing at a time.
 */
import { Schema } from "effect"

/** What two processes talk over: plain libp2p on one transport, or this node's sessions on it. */
export const rivalNames = ["quic", "native-quic", "tcp", "session-quic", "session-tcp"] as const
export type RivalName = (typeof rivalNames)[number]

/** Begin to listen on loopback. */
const Listen = Schema.TaggedStruct("Listen", {})
/** Connect to where another process of the same kind listens, and open what is needed. */
const Connect = Schema.TaggedStruct("Connect", { address: Schema.String })
/** Write on one stream for so long, and wait until all has arrived. */
const Flow = Schema.TaggedStruct("Flow", { seconds: Schema.Finite })
/** Send small messages, each when the last one has come back. */
const RoundTrips = Schema.TaggedStruct("RoundTrips", { seconds: Schema.Finite })
/** Processor time so far. */
const Cpu = Schema.TaggedStruct("Cpu", {})
/** Dial, echo on a new stream, close, so many times in a row. */
const Cycle = Schema.TaggedStruct("Cycle", { count: Schema.Int })
/** Collect garbage and tell what is held. */
const Memory = Schema.TaggedStruct("Memory", {})
/** How many neighbours are known to want the topic of the benchmark. */
const Neighbours = Schema.TaggedStruct("Neighbours", {})
/** Publish messages whose text has so many bytes, spread evenly. */
const Publish = Schema.TaggedStruct("Publish", { bytes: Schema.Int, count: Schema.Int, everyMillis: Schema.Finite })
/** Tell, and forget, how long the messages of others were on their way. */
const Deliveries = Schema.TaggedStruct("Deliveries", {})

export const Request = Schema.Union([
  Listen,
  Connect,
  Flow,
  RoundTrips,
  Cpu,
  Cycle,
  Memory,
  Neighbours,
  Publish,
  Deliveries
])
export type Request = typeof Request.Type

/** Where the process listens, as `Connect` takes it. */
const Listening = Schema.TaggedStruct("Listening", { address: Schema.String })
const Done = Schema.TaggedStruct("Done", {})
const Flowed = Schema.TaggedStruct("Flowed", { bytes: Schema.Finite, millis: Schema.Finite })
const RoundTripped = Schema.TaggedStruct("RoundTripped", {
  perSecond: Schema.Finite,
  p50Micros: Schema.Finite,
  p99Micros: Schema.Finite
})
const CpuUsed = Schema.TaggedStruct("CpuUsed", { micros: Schema.Finite })
const Cycled = Schema.TaggedStruct("Cycled", { millis: Schema.Finite, failures: Schema.Array(Schema.String) })
const MemoryHeld = Schema.TaggedStruct("MemoryHeld", {
  /** After a full collection. */
  heapBytes: Schema.Finite,
  /** Outside V8's heap but owned by its objects. */
  externalBytes: Schema.Finite,
  rssBytes: Schema.Finite,
  /** What would keep the process alive: timers, sockets and the like. */
  handles: Schema.Int,
  /** Open file descriptors; -1 where the system does not tell. */
  files: Schema.Int
})
export type MemoryHeld = typeof MemoryHeld.Type
const Counted = Schema.TaggedStruct("Counted", { count: Schema.Int })
const Delivered = Schema.TaggedStruct("Delivered", { millis: Schema.Array(Schema.Finite) })
const Failed = Schema.TaggedStruct("Failed", { message: Schema.String })

export const Response = Schema.Union([
  Listening,
  Done,
  Flowed,
  RoundTripped,
  CpuUsed,
  Cycled,
  MemoryHeld,
  Counted,
  Delivered,
  Failed
])
export type Response = typeof Response.Type
