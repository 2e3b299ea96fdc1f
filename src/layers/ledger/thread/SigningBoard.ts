/**
 * Memory in which two threads share the signing of entries: the one that writes puts up the ids of a batch while it
 * goes on with the rows, a helper signs them from the front, and at the end the writer signs what is left from the
 * back. So a signature, which takes as long as the rows of its entry, costs the writer little where there are two
 * processors, and nobody ever waits for a helper that is slow to wake or gone.
 */

/** Entries at a time: a batch of the writer. */
export const boardEntriesMax = 256
const idBytes = 32
const signatureBytes = 64

// Where the integers are: who asks, then a state per entry.
const readyAt = 0
const postedAt = 1
const statesAt = 2

/** States of a place: nothing in it, to be signed, being signed, signed. */
const free = 0
const waiting = 1
const taken = 2
const signed = 3

/** A helper is woken for so many at once; fewer are signed before it is awake. */
const wakeEntries = 8
/** A signature takes less than 0.1 ms, and many times that where a machine is busy. */
const defaultHelperMillisMax = 2_000

const integersBytes = 4 * (statesAt + boardEntriesMax)

/** Memory for one board. */
export const boardMemory = (): SharedArrayBuffer =>
  new SharedArrayBuffer(integersBytes + boardEntriesMax * (idBytes + signatureBytes))

class Places {
  readonly integers: Int32Array
  readonly #bytes: Uint8Array

  constructor(memory: SharedArrayBuffer) {
    this.integers = new Int32Array(memory, 0, statesAt + boardEntriesMax)
    this.#bytes = new Uint8Array(memory, integersBytes)
  }

  id(place: number): Uint8Array {
    return this.#bytes.subarray(place * idBytes, (place + 1) * idBytes)
  }

  signature(place: number): Uint8Array {
    const from = boardEntriesMax * idBytes + place * signatureBytes
    return this.#bytes.subarray(from, from + signatureBytes)
  }

  /** Whether the place is now this thread's to sign. */
  take(place: number): boolean {
    return Atomics.compareExchange(this.integers, statesAt + place, waiting, taken) === waiting
  }

  clear(place: number): void {
    Atomics.store(this.integers, statesAt + place, free)
  }
}

export type SignId = (id: Uint8Array) => Uint8Array

/** The side of the thread that writes. */
export class SigningBoard {
  readonly #places: Places
  readonly #sign: SignId
  readonly #helperMillisMax: number
  readonly #puts: Array<(signature: Uint8Array) => void> = []
  /** A helper did not finish what it had begun; what it still does must not get into another entry. */
  #isAlone = false

  /** `helperMillisMax`: for a helper that has begun a signature. */
  constructor(memory: SharedArrayBuffer, sign: SignId, options: { readonly helperMillisMax?: number } = {}) {
    this.#places = new Places(memory)
    this.#sign = sign
    this.#helperMillisMax = options.helperMillisMax ?? defaultHelperMillisMax
  }

  /** Has an id signed before `settle` returns; `put` gets the signature. */
  post(id: Uint8Array, put: (signature: Uint8Array) => void): void {
    const { integers } = this.#places
    if (this.#isAlone || Atomics.load(integers, readyAt) === 0) return put(this.#sign(id))
    if (this.#puts.length === boardEntriesMax) this.settle()
    const place = this.#puts.length
    this.#puts.push(put)
    this.#places.id(place).set(id)
    Atomics.store(integers, statesAt + place, waiting)
    if ((place + 1) % wakeEntries === 0) this.#wake()
  }

  /** Runs what puts up ids; when it returns, all of them are signed. */
  within<A>(body: () => A): A {
    try {
      const answer = body()
      this.settle()
      return answer
    } catch (cause) {
      this.discard()
      throw cause
    }
  }

  /** Has everything signed that was put up. */
  settle(): void {
    if (this.#puts.length >= wakeEntries) this.#wake()
    for (let place = this.#puts.length - 1; place >= 0; place--) {
      const isOwn = this.#places.take(place) || !this.#isHelped(place)
      const id = this.#places.id(place)
      // A copy: what is shared is used again.
      const signature = isOwn ? this.#sign(id) : new Uint8Array(this.#places.signature(place))
      this.#places.clear(place)
      this.#puts[place]?.(signature)
    }
    this.#end()
  }

  /** Forgets what was put up. */
  discard(): void {
    for (let place = 0; place < this.#puts.length; place++) {
      if (!this.#places.take(place)) this.#isHelped(place)
      this.#places.clear(place)
    }
    this.#end()
  }

  #wake(): void {
    const { integers } = this.#places
    Atomics.store(integers, postedAt, this.#puts.length)
    Atomics.notify(integers, postedAt, 1)
  }

  #end(): void {
    Atomics.store(this.#places.integers, postedAt, 0)
    this.#puts.length = 0
  }

  /** Waits for a signature that a helper has begun; says whether it is there. */
  #isHelped(place: number): boolean {
    const { integers } = this.#places
    const at = statesAt + place
    if (!this.#isAlone) Atomics.wait(integers, at, taken, this.#helperMillisMax)
    const state = Atomics.load(integers, at)
    if (state === taken) this.#isAlone = true
    return state === signed
  }
}

/** The side of the helper: signs what is put up, until the thread is ended. */
export const help = (memory: SharedArrayBuffer, sign: SignId, goesOn: () => boolean = () => true): void => {
  const places = new Places(memory)
  const { integers } = places
  Atomics.store(integers, readyAt, 1)
  Atomics.notify(integers, readyAt)
  while (goesOn()) {
    const posted = Atomics.load(integers, postedAt)
    for (let place = 0; place < posted; place++) {
      if (!places.take(place)) continue
      places.signature(place).set(sign(places.id(place)))
      Atomics.store(integers, statesAt + place, signed)
      Atomics.notify(integers, statesAt + place)
    }
    Atomics.wait(integers, postedAt, posted)
  }
}
