/**
 * A `Wire` over the network in memory: handshakes that prove the other end, connections, and their streams.
 */
import { Deferred, Effect } from "effect"
import type { Did } from "../../../domain/did.ts"
import type { Dialler } from "../../../domain/sessionSettle.ts"
import { format } from "../../../domain/transportAddress.ts"
import { SessionListenFailed } from "../../../services/SessionManager.ts"
import {
  type Wire,
  type WireAttempt,
  type WireConnection,
  WireDialFailed,
  type WireHandlers,
  WireStreamFailed
} from "../Wire.ts"
import type { MemoryNetwork, NetworkLink, NetworkNode } from "./Network.ts"
import { MemoryStream } from "./Streams.ts"

/** Where a node is in the network. */
export interface MemoryPlace {
  readonly host: string
  readonly port: number
}

/** One end of a connection. */
class End implements WireConnection {
  readonly did: Did
  readonly dialler: Dialler
  readonly transport = "memory"
  readonly link = undefined
  readonly remote: MemoryPlace
  readonly node: NetworkNode
  readonly #connection: Connection
  readonly #gone = Deferred.makeUnsafe<void>()
  /** Completes once it is open or closed. */
  readonly #decided = Deferred.makeUnsafe<void>()
  #state: "new" | "open" | "closed" = "new"

  constructor(connection: Connection, node: NetworkNode, peer: NetworkNode, dialler: Dialler) {
    this.#connection = connection
    this.node = node
    this.did = peer.did
    this.remote = { host: peer.host, port: peer.port }
    this.dialler = dialler
  }

  get closed(): Effect.Effect<void> {
    return Deferred.await(this.#gone)
  }
  get decided(): Effect.Effect<void> {
    return Deferred.await(this.#decided)
  }
  get isClosed(): boolean {
    return this.#state === "closed"
  }
  readonly openStream = (protocol: string): Effect.Effect<MemoryStream, WireStreamFailed> =>
    this.#connection.openStream(this, protocol)
  readonly close = (reason: string): void => this.#connection.close(this, reason)

  /** The end becomes a connection of its node, unless it is closed already. */
  open(): void {
    if (this.#state !== "new") return
    this.#state = "open"
    this.node.handlers.opened(this)
    Deferred.doneUnsafe(this.#decided, Effect.void)
  }

  end(reason: string): void {
    if (this.#state === "closed") return
    const wasOpen = this.#state === "open"
    this.#state = "closed"
    Deferred.doneUnsafe(this.#gone, Effect.void)
    Deferred.doneUnsafe(this.#decided, Effect.void)
    if (wasOpen) this.node.handlers.closed(this, reason)
  }
}

const closedFailure = () => new WireStreamFailed({ reason: "closed", detail: "the connection is closed" })

class Connection implements NetworkLink {
  readonly hosts: readonly [string, string]
  readonly near: End
  readonly far: End
  readonly #network: MemoryNetwork
  /** Open streams, the near end's half first. */
  readonly #streams = new Set<readonly [MemoryStream, MemoryStream]>()

  constructor(network: MemoryNetwork, dialler: NetworkNode, listener: NetworkNode) {
    this.#network = network
    this.hosts = [dialler.host, listener.host]
    this.near = new End(this, dialler, listener, "self")
    this.far = new End(this, listener, dialler, "peer")
    network.attach(this)
  }

  #other(end: End): End {
    return end === this.near ? this.far : this.near
  }

  readonly openStream = Effect.fnUntraced(function* (this: Connection, end: End, protocol: string) {
    const other = this.#other(end)
    if (end.isClosed) return yield* closedFailure()
    // The question which protocol it is, and its answer.
    yield* this.#network.travel(end.node.host, other.node.host)
    yield* other.decided
    yield* this.#network.travel(other.node.host, end.node.host)
    if (end.isClosed || other.isClosed) return yield* closedFailure()
    if (!other.node.served.has(protocol)) {
      return yield* new WireStreamFailed({ reason: "unsupported", detail: `${protocol} is not served` })
    }
    for (const pair of this.#streams) if (pair.every(({ isClosed }) => isClosed)) this.#streams.delete(pair)
    const [own, theirs] = MemoryStream.pair(this.#network, end.node.host, other.node.host)
    this.#streams.add(end === this.near ? [own, theirs] : [theirs, own])
    other.node.handlers.stream(other, protocol, theirs)
    return own
  })

  /** One end closes: it knows at once, the other one when the word arrives. */
  close(end: End, reason: string): void {
    if (end.isClosed) return
    const other = this.#other(end)
    this.#endOne(end, reason)
    this.#network.run(
      Effect.andThen(
        this.#network.travel(end.node.host, other.node.host),
        Effect.sync(() => this.#endOne(other, "the other side closed it"))
      )
    )
  }

  leave(node: NetworkNode): void {
    for (const end of [this.near, this.far]) if (end.node === node) this.close(end, "the node stopped")
  }

  lose(reason: string): void {
    this.#endOne(this.near, reason)
    this.#endOne(this.far, reason)
  }

  #endOne(end: End, reason: string): void {
    if (end.isClosed) return
    for (const [a, b] of this.#streams) (end === this.near ? a : b).lose("lost")
    end.end(reason)
    if (this.near.isClosed && this.far.isClosed) {
      this.#streams.clear()
      this.#network.detach(this)
    }
  }
}

/** Asks one end's node whether the connection may stay, and makes it one. */
const settleEnd = Effect.fnUntraced(function* (end: End) {
  const attempt: WireAttempt = { did: end.did, dialler: end.dialler, remote: end.remote, link: undefined }
  const admitted = yield* end.node.handlers
    .admit(attempt)
    .pipe(Effect.onInterrupt(() => Effect.sync(() => end.node.handlers.abandoned(attempt))))
  if (!admitted) {
    end.close("it was refused")
    return false
  }
  if (end.isClosed) {
    end.node.handlers.abandoned(attempt)
    return false
  }
  end.open()
  return true
})

const dial = Effect.fnUntraced(function* (network: MemoryNetwork, node: NetworkNode, did: Did, to: MemoryPlace) {
  yield* network.travel(node.host, to.host)
  const listener = network.at(to.host, to.port)
  yield* network.travel(to.host, node.host)
  // It may have stopped in the meantime.
  if (listener === undefined || network.at(to.host, to.port) !== listener)
    return yield* new WireDialFailed({ reason: "failed", detail: "connection refused" })
  if (!listener.handlers.admitSource(node.host)) {
    return yield* new WireDialFailed({ reason: "failed", detail: "the other side has too many connections from here" })
  }
  if (listener.did.text !== did.text) {
    return yield* new WireDialFailed({ reason: "wrongPeer", detail: listener.did.text })
  }
  const connection = new Connection(network, node, listener)
  // The listener decides when the end of the handshake has reached it.
  network.run(
    Effect.andThen(
      network.travel(node.host, to.host),
      Effect.suspend(() => (connection.far.isClosed ? Effect.void : Effect.asVoid(settleEnd(connection.far))))
    )
  )
  const stays = yield* settleEnd(connection.near).pipe(
    Effect.onInterrupt(() => Effect.sync(() => connection.near.close("the dial was given up")))
  )
  if (!stays) return yield* new WireDialFailed({ reason: "refused", detail: "another connection has precedence" })
})

/** The wire of one node at one place. */
export const make = (network: MemoryNetwork, did: Did, place: MemoryPlace): Wire => {
  const served = new Set<string>()
  let node: NetworkNode | undefined
  return {
    start: (handlers: WireHandlers) =>
      Effect.asVoid(
        Effect.acquireRelease(
          Effect.suspend(() => {
            const added: NetworkNode = { did, ...place, handlers, served }
            if (!network.add(added)) {
              return Effect.fail(new SessionListenFailed({ address: format(place), detail: "the address is in use" }))
            }
            node = added
            return Effect.succeed(added)
          }),
          (added) => Effect.sync(() => network.remove(added))
        )
      ),
    targets: ({ port }, host) => [{ host, port, transport: "memory" }],
    resolve: (host) => Effect.succeed([host]),
    dial: (wanted, { host, port }) =>
      Effect.suspend(() =>
        node === undefined
          ? Effect.fail(new WireDialFailed({ reason: "failed", detail: "the node has not started" }))
          : dial(network, node, wanted, { host, port })
      ),
    listening: () => [{ ...place, transport: "any" }],
    links: undefined,
    serve: (protocol) =>
      Effect.asVoid(
        Effect.acquireRelease(
          Effect.sync(() => served.add(protocol)),
          () => Effect.sync(() => served.delete(protocol))
        )
      )
  }
}
