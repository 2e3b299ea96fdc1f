/**
 * STUN transactions on one wire (RFC 8489 section 6.2): requests are sent until something answers them, once over TCP,
 * and responses find their request by transaction id. What an answer means is decided by the one who asked. Time runs
 * on `Clock`; a response costs no Effect until its request is settled.
 */
import { Deferred, Effect, Option } from "effect"
import type { DecodedStun } from "../../protocol/stun.ts"
import { TurnTimeout, TurnUnreachable } from "../../services/TurnClient.ts"
import type { Wire } from "./Wire.ts"

export interface Transaction<A> {
  readonly transactionId: Uint8Array
  readonly bytes: Uint8Array
  /** The waits after each send, in milliseconds. */
  readonly waits: ReadonlyArray<number>
  /** Reads a response; `undefined` when it shall count as never received. */
  readonly read: (response: DecodedStun) => A | undefined
}

export interface Transactions {
  /** Sends a request, again and again, until `read` accepts a response. */
  readonly exchange: <A extends {}>(transaction: Transaction<A>) => Effect.Effect<A, TurnTimeout | TurnUnreachable>
  /** Hands in a response; false when no request waits for it or its request does not accept it. */
  readonly settle: (response: DecodedStun) => boolean
  /** Tells all waiting requests that the kernel could not deliver. */
  readonly refuse: (code: string) => void
  /** Fails all waiting requests, and those to come. */
  readonly end: (code: string) => void
}

/** A request that waits for its response. */
interface Pending {
  readonly settle: (response: DecodedStun) => boolean
  readonly refuse: (code: string) => void
  readonly fail: (code: string) => void
}

const keyOf = (transactionId: Uint8Array): string => Buffer.from(transactionId).toString("latin1")

export const make = ({ write }: Pick<Wire, "write">): Transactions => {
  const waiting = new Map<string, Pending>()
  let ended: string | undefined

  const transmit = Effect.fnUntraced(function* <A extends {}>(
    { bytes, waits }: Transaction<A>,
    reply: Deferred.Deferred<A, TurnUnreachable>
  ) {
    for (const wait of waits) {
      write(bytes)
      const answer = yield* Effect.timeoutOption(Deferred.await(reply), wait)
      if (Option.isSome(answer)) return answer.value
    }
    return yield* new TurnTimeout({ attempts: waits.length })
  })

  const exchange = Effect.fnUntraced(function* <A extends {}>(transaction: Transaction<A>) {
    if (ended !== undefined) return yield* new TurnUnreachable({ code: ended })
    const key = keyOf(transaction.transactionId)
    const reply = Deferred.makeUnsafe<A, TurnUnreachable>()
    let refused = false
    const fail = (code: string): void => void Deferred.doneUnsafe(reply, Effect.fail(new TurnUnreachable({ code })))
    waiting.set(key, {
      settle: (response) => {
        const answer = transaction.read(response)
        return answer !== undefined && Deferred.doneUnsafe(reply, Effect.succeed(answer))
      },
      refuse: (code) => {
        // The first report may concern an earlier datagram, so that this request is sent once more before it fails.
        if (refused) return fail(code)
        refused = true
        write(transaction.bytes)
      },
      fail
    })
    return yield* transmit(transaction, reply).pipe(Effect.ensuring(Effect.sync(() => waiting.delete(key))))
  })

  return {
    exchange,
    settle: (response) => waiting.get(keyOf(response.transactionId))?.settle(response) ?? false,
    refuse: (code) => {
      // A copy: what fails here may ask anew at once.
      for (const pending of Array.from(waiting.values())) pending.refuse(code)
    },
    end: (code) => {
      ended = code
      for (const pending of Array.from(waiting.values())) pending.fail(code)
    }
  }
}
