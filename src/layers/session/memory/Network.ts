/**
 * A network in memory: who listens where, how long packets take, which are lost, and who can reach whom. Everything
 * takes its time on `Clock`, and chance comes from a seed, so that a test under TestClock runs the same way every time.
 */
import { Clock, Deferred, Effect, FiberSet, type Scope } from "effect"
import type { Did } from "../../../domain/did.ts"
import { format } from "../../../domain/transportAddress.ts"
import type { WireHandlers } from "../Wire.ts"

export interface NetworkConditions {
  /** One way, in milliseconds. */
  readonly latencyMillis: number
  /** Up to this much is added by chance, which also changes the order of what different streams carry. */
  readonly jitterMillis: number
  /** The share of packets that is lost; what sessions carry is sent again until it arrives. */
  readonly loss: number
  /** A connection whose ends cannot reach each other for this long is lost. */
  readonly idleTimeoutMillis: number
}

/** A quiet local network. */
export const defaultConditions: NetworkConditions = {
  latencyMillis: 1,
  jitterMillis: 0,
  loss: 0,
  idleTimeoutMillis: 30_000
}

/** A node's place in the network. */
export interface NetworkNode {
  readonly did: Did
  readonly host: string
  readonly port: number
  readonly handlers: WireHandlers
  readonly served: Set<string>
}

/** A connection as the network sees it. */
export interface NetworkLink {
  readonly hosts: readonly [string, string]
  /** The node at one of the ends is gone, and says so. */
  readonly leave: (node: NetworkNode) => void
  /** Both ends notice that the other one is gone. */
  readonly lose: (reason: string) => void
}

/** 32 bits of splitmix, which is random enough for losses and jitter and the same everywhere. */
const randomFrom = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x9e3779b9) >>> 0
    let mixed = state
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 0x1_0000_0000
  }
}

/** The first port of the dynamic range, for nodes that do not say which they want. */
const firstPort = 49_152

export class MemoryNetwork {
  readonly run: (effect: Effect.Effect<void>) => unknown
  readonly #nodes = new Map<string, NetworkNode>()
  readonly #links = new Set<NetworkLink>()
  readonly #random: () => number
  #conditions: NetworkConditions
  /** Completes when the next time somebody can reach others than before, and is replaced then. */
  #changed = Deferred.makeUnsafe<void>()
  /** The side of the split that each host is on; hosts that are not named are on side 0. */
  #sides = new Map<string, number>()
  #nextPort = firstPort
  #nextHost = 0

  constructor(conditions: NetworkConditions, seed: number, run: (effect: Effect.Effect<void>) => unknown) {
    this.#conditions = conditions
    this.#random = randomFrom(seed)
    this.run = run
  }

  get conditions(): NetworkConditions {
    return this.#conditions
  }

  /** Changes the conditions from now on. */
  setConditions(conditions: Partial<NetworkConditions>): void {
    this.#conditions = { ...this.#conditions, ...conditions }
  }

  /** An address of the documentation range that nobody has yet, for a node that does not care. */
  freeHost(): string {
    const index = this.#nextHost++
    return `198.51.${100 + (index >> 8)}.${index & 0xff}`
  }

  freePort(): number {
    return this.#nextPort++
  }

  add(node: NetworkNode): boolean {
    const key = format(node)
    if (this.#nodes.has(key)) return false
    this.#nodes.set(key, node)
    return true
  }

  remove(node: NetworkNode): void {
    if (this.#nodes.get(format(node)) === node) this.#nodes.delete(format(node))
    for (const link of this.#links) link.leave(node)
  }

  at(host: string, port: number): NetworkNode | undefined {
    return this.#nodes.get(format({ host, port }))
  }

  /** Splits the network: hosts of different groups cannot reach each other; all in no group are one more group. */
  partition(...groups: ReadonlyArray<ReadonlyArray<string>>): void {
    this.#sides = new Map(groups.flatMap((hosts, index) => hosts.map((host) => [host, index + 1] as const)))
    this.#announceChange()
    for (const link of this.#links) this.#loseLater(link)
  }

  /** Everybody reaches everybody again. */
  heal(): void {
    this.#sides = new Map()
    this.#announceChange()
  }

  #announceChange(): void {
    const changed = this.#changed
    this.#changed = Deferred.makeUnsafe()
    Deferred.doneUnsafe(changed, Effect.void)
  }

  reaches(from: string, to: string): boolean {
    return (this.#sides.get(from) ?? 0) === (this.#sides.get(to) ?? 0)
  }

  attach(link: NetworkLink): void {
    this.#links.add(link)
  }

  detach(link: NetworkLink): void {
    this.#links.delete(link)
  }

  /** Connections that one end at least still holds. */
  get links(): ReadonlyArray<NetworkLink> {
    return [...this.#links]
  }

  /** Whole milliseconds, with all that chance adds: jitter, and another round trip for each time a packet is lost. */
  delayMillis(): number {
    const { jitterMillis, latencyMillis, loss } = this.#conditions
    let delay = latencyMillis + Math.round(this.#random() * jitterMillis)
    // Sixteen losses in a row are as good as a partition.
    for (let tries = 0; tries < 16 && this.#random() < loss; tries++) delay += this.retransmitMillis()
    return delay
  }

  /** How long a sender waits before it sends again. */
  retransmitMillis(): number {
    return 2 * this.#conditions.latencyMillis + this.#conditions.jitterMillis + 10
  }

  /** Waits for a packet to get from one host to another, for as long as they cannot reach each other too. */
  readonly travel = (from: string, to: string): Effect.Effect<void> =>
    Effect.suspend(() => Effect.andThen(Effect.sleep(this.delayMillis()), this.awaitReach(from, to)))

  readonly awaitReach = (from: string, to: string): Effect.Effect<void> =>
    Effect.suspend(() =>
      this.reaches(from, to)
        ? Effect.void
        : // Sent again some time after the way has opened, since a sender does not see that.
          Effect.andThen(Deferred.await(this.#changed), Effect.sleep(this.retransmitMillis())).pipe(
            Effect.andThen(this.awaitReach(from, to))
          )
    )

  #loseLater(link: NetworkLink): void {
    const [a, b] = link.hosts
    if (this.reaches(a, b)) return
    const watch = Effect.gen({ self: this }, function* () {
      const deadline = (yield* Clock.currentTimeMillis) + this.#conditions.idleTimeoutMillis
      while (!this.reaches(a, b) && this.#links.has(link)) {
        const left = deadline - (yield* Clock.currentTimeMillis)
        if (left <= 0) return link.lose("nothing was heard of it any more")
        yield* Effect.timeoutOption(Deferred.await(this.#changed), left)
      }
    })
    this.run(watch)
  }
}

/** A network that lives as long as the scope. */
export const make = Effect.fnUntraced(function* (
  conditions: Partial<NetworkConditions> = {},
  seed = 1
): Effect.fn.Return<MemoryNetwork, never, Scope.Scope> {
  const run = yield* FiberSet.makeRuntime<never, void, never>()
  return new MemoryNetwork({ ...defaultConditions, ...conditions }, seed, run)
})
