/**
 * What the benchmark asks of a client's process and what it hears back, as the messages on their channel. A process
 * measures one thing at a time.
 */
import { Schema } from "effect"

export const clientNames = ["raw", "icn-node", "werift"] as const
export type ClientName = (typeof clientNames)[number]

const Address = Schema.Struct({ host: Schema.String, port: Schema.Int })

/** Allocate, bind a channel to an echoing peer, and send until the code is warm. */
const Open = Schema.TaggedStruct("Open", { server: Address, peer: Address, payloadBytes: Schema.Int })
export type Open = typeof Open.Type

/** Send datagrams to the peer of the open relay, `window` of them on their way at any time. */
const Exchange = Schema.TaggedStruct("Exchange", { window: Schema.Int, seconds: Schema.Finite })
export type Exchange = typeof Exchange.Type

/** Give the open relay up. */
const Close = Schema.TaggedStruct("Close", {})

/** Allocate on fresh sockets, one after the other; releasing them is not timed. */
const Allocate = Schema.TaggedStruct("Allocate", { server: Address, count: Schema.Int })
export type Allocate = typeof Allocate.Type

export const Request = Schema.Union([Open, Exchange, Close, Allocate])
export type Request = typeof Request.Type

const Percentiles = Schema.Struct({ p50: Schema.Finite, p99: Schema.Finite })

const Echoed = Schema.TaggedStruct("Echoed", {
  echoesPerSecond: Schema.Finite,
  /** Processor time of the whole client process, user and system. */
  cpuMicrosPerEcho: Schema.Finite,
  /** Only of a window of one. */
  roundTripMicros: Schema.optionalKey(Percentiles),
  /** Datagrams that never came back. */
  lost: Schema.Int
})
export type Echoed = typeof Echoed.Type

const Allocated = Schema.TaggedStruct("Allocated", {
  millis: Percentiles,
  /** Refused attempts, which were repeated: a port that the server still holds for an earlier allocation (437). */
  repeated: Schema.Int
})
export type Allocated = typeof Allocated.Type

/** Open or Close is done. */
const Done = Schema.TaggedStruct("Done", {})

const Failed = Schema.TaggedStruct("Failed", { message: Schema.String })

export const Response = Schema.Union([Done, Echoed, Allocated, Failed])
export type Response = typeof Response.Type
