/**
 * Answers plain Binding requests on the link socket: every node tells everybody from where it sees them, as a STUN
 * server does (RFC 8489 section 12), so that members find their own addresses without one. Limited per source and in
 * total, and an answer is at most twice as long as its question, so that nobody gains by asking in another's name. Does
 * not offer the second address of RFC 5780: there is one socket.
 */
import { Clock, Effect } from "effect"
import { withoutZone } from "../../../domain/ipAddress.ts"
import { type Allowance, Allowances, full, take, type TokenRate } from "../../../domain/tokenBucket.ts"
import type { TransportAddress } from "../../../domain/transportAddress.ts"
import type { DecodedStun } from "../../../protocol/stun.ts"
import {
  bindingErrors,
  encodeBindingError,
  encodeBindingResponse,
  unknownInRequest
} from "../../../protocol/stunBinding.ts"
import { sourceOf } from "../Table.ts"
import type { LinkSocket } from "./LinkSocket.ts"

/** Addresses of whom it is remembered how much they asked. */
const sourcesMax = 4096

/** How many questions are answered. */
export interface BindingLimits {
  /** Each IPv4 address, and each public IPv6 /64. */
  readonly perSource: TokenRate
  readonly total: TokenRate
}

/**
 * A member asks once in 20 s and a few times more when it starts, so that some hundreds of them behind one address are
 * served. All answers together stay below 60 kB/s.
 */
export const limitsDefault: BindingLimits = {
  perSource: { ratePerSecond: 20, burst: 40 },
  total: { ratePerSecond: 1000, burst: 1000 }
}

export interface BindingResponderStatistics {
  readonly answered: number
  /** Answered with 420, which `answered` counts as well. */
  readonly refused: number
  /** Left unanswered because there were too many. */
  readonly limited: number
}

export interface BindingResponder {
  /** Answers a Binding request without a user name, or does not. Plain code, once per request. */
  readonly answer: (request: DecodedStun, from: TransportAddress) => void
  readonly statistics: () => BindingResponderStatistics
}

/** Answers through this socket; the caller hands in the requests that are no checks. */
export const make = Effect.fnUntraced(function* (
  { send }: Pick<LinkSocket, "send">,
  limits: BindingLimits = limitsDefault
) {
  const clock = yield* Clock.Clock
  const allowance: Allowance = {
    messages: limits.perSource,
    // Messages are what counts.
    bytes: { ratePerSecond: Number.MAX_SAFE_INTEGER, burst: Number.MAX_SAFE_INTEGER }
  }
  const sources = new Allowances(allowance, sourcesMax)
  let total = full(limits.total, clock.currentTimeMillisUnsafe())
  let answered = 0
  let refused = 0
  let limited = 0

  const admits = ({ host }: TransportAddress): boolean => {
    const now = clock.currentTimeMillisUnsafe()
    // The source's own limit comes first, so that one source cannot use up what is there for all.
    if (sources.take(sourceOf(host), now, 0) > 0) return false
    const { admitted, bucket } = take(limits.total, total, now, 1)
    total = bucket
    return admitted
  }

  const responder: BindingResponder = {
    answer: (request, from) => {
      if (!admits(from)) return void limited++
      answered++
      const { transactionId } = request
      const fingerprint = request.fingerprint === "valid"
      const unknown = unknownInRequest(request)
      if (unknown.length > 0) {
        refused++
        const code = bindingErrors.unknownAttribute
        return send(encodeBindingError({ transactionId, code, unknown, fingerprint }), from)
      }
      const mapped = { host: withoutZone(from.host), port: from.port }
      send(encodeBindingResponse({ transactionId, mapped, fingerprint }), from)
    },
    statistics: () => ({ answered, refused, limited })
  }
  return responder
})
