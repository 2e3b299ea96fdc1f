/**
 * Streams of bytes in memory: what one end writes arrives at the other in order, after the network's delay, as long as
 * the reader does not pause; a full direction makes the writer wait.
 */
import { Clock, Effect, Latch } from "effect"
import type { WireStream, WireStreamHandlers } from "../Wire.ts"
import type { MemoryNetwork } from "./Network.ts"

/** Bytes on their way in one direction, or held back by a reader, before the writer has to wait. */
const windowBytes = 262_144

type Item = { readonly _tag: "Bytes"; readonly bytes: Uint8Array } | { readonly _tag: "End" }

interface Travelling {
  readonly item: Item
  readonly arrivesAtMillis: number
}

/** One end of a stream. Both ends know each other, as in a real one their packets do. */
export class MemoryStream implements WireStream {
  readonly #network: MemoryNetwork
  readonly #host: string
  readonly #peerHost: string
  readonly #queue: Array<Travelling> = []
  readonly #flowing = Latch.makeUnsafe(true)
  #other: MemoryStream | undefined
  #handlers: WireStreamHandlers | undefined
  #early: Array<Item> = []
  #inFlight = 0
  #lastArrival = 0
  #pumping = false
  #endSent = false
  #endReceived = false
  #closed: "reset" | "lost" | "ended" | undefined

  private constructor(network: MemoryNetwork, host: string, peerHost: string) {
    this.#network = network
    this.#host = host
    this.#peerHost = peerHost
  }

  static pair(network: MemoryNetwork, a: string, b: string): readonly [MemoryStream, MemoryStream] {
    const first = new MemoryStream(network, a, b)
    const second = new MemoryStream(network, b, a)
    first.#other = second
    second.#other = first
    return [first, second]
  }

  get isClosed(): boolean {
    return this.#closed !== undefined
  }

  readonly write = (...parts: ReadonlyArray<Uint8Array>): void => {
    if (this.#closed !== undefined || this.#endSent) return
    this.#send({ _tag: "Bytes", bytes: parts.length === 1 ? (parts[0] ?? Uint8Array.of()) : Buffer.concat(parts) })
  }
  readonly hasRoom = (): boolean => this.#inFlight < windowBytes
  readonly endWrite = (): void => {
    if (this.#closed !== undefined || this.#endSent) return
    this.#endSent = true
    this.#send({ _tag: "End" })
  }
  readonly reset = (): void => {
    if (this.#closed !== undefined) return
    this.#close("reset", false)
    const other = this.#other
    this.#network.run(
      Effect.andThen(
        this.#network.travel(this.#host, this.#peerHost),
        Effect.sync(() => other?.lose("reset"))
      )
    )
  }
  // The reader's pause holds the writer's pump.
  readonly pause = (): void => this.#other?.hold(true)
  readonly resume = (): void => this.#other?.hold(false)
  readonly attach = (handlers: WireStreamHandlers): void => {
    this.#handlers = handlers
    const early = this.#early
    this.#early = []
    for (const item of early) this.#deliver(item)
    if (this.#closed !== undefined) handlers.closed(this.#closed)
  }

  /** The other end reads no more for now, or goes on. */
  hold(paused: boolean): void {
    if (paused) this.#flowing.closeUnsafe()
    else this.#flowing.openUnsafe()
  }

  /** The stream ends for this end: reset by the other one, or with its connection. */
  lose(how: "reset" | "lost"): void {
    this.#close(how, true)
  }

  #send(item: Item): void {
    this.#inFlight += item._tag === "Bytes" ? item.bytes.length : 0
    const enqueue = Effect.map(Clock.currentTimeMillis, (now) => {
      // Later bytes never overtake earlier ones of the same direction.
      this.#lastArrival = Math.max(this.#lastArrival, now + this.#network.delayMillis())
      this.#queue.push({ item, arrivesAtMillis: this.#lastArrival })
    })
    this.#network.run(
      Effect.andThen(
        enqueue,
        Effect.suspend(() => this.#pump)
      )
    )
  }

  get #pump(): Effect.Effect<void> {
    if (this.#pumping) return Effect.void
    this.#pumping = true
    return Effect.gen({ self: this }, function* () {
      while (this.#closed === undefined) {
        const next = this.#queue[0]
        if (next === undefined) break
        yield* Effect.sleep(Math.max(0, next.arrivesAtMillis - (yield* Clock.currentTimeMillis)))
        yield* this.#network.awaitReach(this.#host, this.#peerHost)
        yield* this.#flowing.await
        if (this.#closed !== undefined) break
        this.#queue.shift()
        this.#arrived(next.item)
      }
      this.#pumping = false
    })
  }

  #arrived(item: Item): void {
    const wasFull = !this.hasRoom()
    if (item._tag === "Bytes") this.#inFlight -= item.bytes.length
    this.#other?.receive(item)
    if (wasFull && this.hasRoom()) this.#handlers?.drained()
    if (item._tag === "End") this.#maybeEnded()
  }

  /** Something arrived from the other end. */
  receive(item: Item): void {
    if (this.#closed !== undefined) return
    if (this.#handlers === undefined) this.#early.push(item)
    else this.#deliver(item)
  }

  #deliver(item: Item): void {
    if (item._tag === "Bytes") return this.#handlers?.data(item.bytes)
    this.#endReceived = true
    this.#handlers?.finished()
    this.#maybeEnded()
  }

  #maybeEnded(): void {
    if (this.#endReceived && this.#endSent && this.#queue.length === 0) this.#close("ended", true)
  }

  #close(how: "reset" | "lost" | "ended", tell: boolean): void {
    if (this.#closed !== undefined) return
    this.#closed = how
    this.#queue.length = 0
    this.#flowing.openUnsafe()
    if (tell) this.#handlers?.closed(how)
  }
}
