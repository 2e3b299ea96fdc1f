/**
 * When a TURN client does what: retransmissions, refreshes, the renewal of permissions and channels, and how a lost
 * allocation is asked for again. Pure: `random` is a number in [0, 1) that the caller drew, times are milliseconds.
 * The fibers that wait are in layers/turn/.
 */
import { Duration } from "effect"
import type { TurnFailureReason } from "./metrics.ts"
import type { TurnConfig } from "./turnConfig.ts"

/** A permission lives 300 s (RFC 8656 section 9) and cannot be asked for longer. */
export const permissionLifetimeMillis = 300_000
/** A channel binding lives 600 s (RFC 8656 section 12). */
export const channelLifetimeMillis = 600_000
/** After a binding has expired its number rests for 5 min before another peer may get it (RFC 8656 section 12). */
export const channelRestMillis = channelLifetimeMillis + 300_000
/** One round of renewals for all peers: early enough that a request with all its retransmissions ends before 300 s. */
export const renewalIntervalMillis = 240_000
/** What a round could not renew is asked for once more after so long, while most of it still lives. */
export const renewalRetryMillis = 20_000
/** Channels are renewed in every second round: at most 480 s after they were bound. */
export const roundsPerChannelRenewal = 2

/** Hosts that may hold a permission at a time: far above what a node talks to, small enough to renew in one round. */
export const permissionsMax = 1024
/** Channels at a time; half of the 4096 numbers stays free for peers that rest. */
export const channelsMax = 2048
/** Room for peer addresses in one CreatePermission: with user name, realm and nonce it stays below 1280 bytes. */
export const peerAddressBytesMax = 768
/** Requests about single peers that wait for an answer at a time; more wait their turn. */
export const peerRequestsInFlightMax = 32

/** Local ports that are tried when a server holds a former allocation for one (437 on Allocate). */
export const localPortsMax = 3
/** Addresses of a server's name that are tried, in the resolver's order. */
export const serverAddressesMax = 4
/** How long a closing allocation waits for the server to confirm the release: two sends of the request. */
export const releaseWaitMillis = 1_000
/** While an allocation is doubted or asked for again, an unanswered request is given up after so long. */
export const reallocationTimeoutMillis = 7_500
/** Data went out and nothing came back for so long: perhaps a restarted server, which drops ChannelData in silence. */
export const silenceMillis = 1_500
/** No doubts for so long after one, so that traffic in one direction costs a Refresh now and then and no more. */
export const silencePauseMillis = 5_000
/** Answers that make no sense, in a row, after which an allocation counts as lost. */
export const refreshFailuresMax = 3
/** Over UDP, where TCP is the alternative: no datagram at all for so long, after three sends, and TCP is asked. */
export const udpSilenceMillis = 3_000
/** The same when the former allocation lived on TCP, so that UDP is probably blocked: two sends. */
export const udpSilenceAfterTcpMillis = 1_500
/** An allocation on TCP looks for UDP after so long, and twice as long after each look, up to this. */
const udpLookFirstMillis = 60_000
const udpLookMaxMillis = 900_000
/** UDP that carried an allocation for so long is good: where it fails then, the looks begin anew. */
export const udpStableMillis = 600_000
/** So few bytes in so long are what keeps ways alive, of dozens of members, but no transfer and no call. */
export const quietMillis = 10_000
export const quietBytesMax = 65_536
/** The longest that opening a TCP connection may take; a SYN is sent at 0, 1, 3 and 7 s. */
export const tcpConnectTimeoutMillis = 10_000
/** The wait before a Refresh is repeated after such an answer. */
export const refreshRetryMillis = 1_000

const retransmissionsMax = 16

/**
 * The waits after each send of a request (RFC 8489 section 6.2.1): RTO, doubling, and after the last send RTO times Rm.
 * By default 0.5, 1, 2, 4, 8, 16 and 8 s. Cut off where `timeoutMillis` ends; always at least one.
 */
export const retransmissionWaits = (config: TurnConfig, timeoutMillis: number): ReadonlyArray<number> => {
  const rto = Math.max(1, Duration.toMillis(config.retransmissionTimeout))
  const count = Math.min(Math.max(1, config.retransmissionCount), retransmissionsMax)
  const waits: Array<number> = []
  let left = Math.max(1, timeoutMillis)
  for (let sends = 1; sends <= count && left > 0; sends++) {
    const wait = Math.min(left, rto * (sends === count ? config.retransmissionFinalWait : 2 ** (sends - 1)))
    waits.push(wait)
    left -= wait
  }
  return waits
}

const lifetimeSecondsMax = 0xffff_ffff

/** The LIFETIME to ask for, in whole seconds: never 0, which would release the allocation. */
export const requestedLifetimeSeconds = (config: TurnConfig): number =>
  Math.min(Math.max(1, Math.ceil(Duration.toSeconds(config.allocationLifetime))), lifetimeSecondsMax)

/** No shorter, so that a server that grants next to nothing is not asked all the time. */
const refreshDelayMinMillis = 400
/** No longer, whatever the server grants. */
const refreshDelayMaxMillis = 3_600_000

/**
 * How long after an answer the next Refresh is due: between 40 and 60 % of the granted lifetime, which leaves room for
 * retransmissions even of 5 s, and within one keepalive (0 or infinite: none). The jitter keeps clients of one server
 * from coming all at once.
 */
export const refreshDelayMillis = (lifetimeSeconds: number, keepalive: Duration.Duration, random: number): number => {
  const byLifetime = lifetimeSeconds * 1000 * (0.4 + 0.2 * random)
  const interval = Duration.toMillis(keepalive)
  const byKeepalive = interval > 0 ? interval : Number.POSITIVE_INFINITY
  return Math.min(Math.max(Math.min(byLifetime, byKeepalive), refreshDelayMinMillis), refreshDelayMaxMillis)
}

/** Whether a failed Refresh means that the allocation is gone; `failures` counts those in a row, this one included. */
export const isLoss = (reason: TurnFailureReason, failures: number): boolean =>
  reason !== "protocol" || failures >= refreshFailuresMax

/** Whether a refused request for a peer may mean that the allocation is gone: coturn says 400 after a restart. */
export const hintsLoss = (reason: TurnFailureReason, code: number): boolean =>
  reason === "mismatch" || reason === "unreachable" || (reason === "protocol" && code === 400)

/** An allocation that lives shorter was hardly one: when the next does, too, the server is not asked again at once. */
const stableLifeMillis = 30_000

/** How many lives in a row were short, after one of `lifeMillis`. */
export const shortLives = (before: number, lifeMillis: number): number =>
  lifeMillis < stableLifeMillis ? before + 1 : 0

interface Backoff {
  readonly firstMillis: number
  readonly factor: number
  readonly maxMillis: number
}

/**
 * A server that is down answers with ICMP or not at all, and asking costs one datagram: each wait is about a tenth of
 * the outage so far, so that the relay is back soon after the server. Refusals last longer: a quota is freed in a
 * second or more, and wrong credentials stay wrong until somebody acts.
 */
const backoffOf = (reason: TurnFailureReason): Backoff => {
  switch (reason) {
    case "unreachable":
      return { firstMillis: 100, factor: 1.1, maxMillis: 5_000 }
    case "timeout":
      return { firstMillis: 100, factor: 1.1, maxMillis: 30_000 }
    case "mismatch":
    case "peer_refused":
    case "protocol":
    case "quota":
      return { firstMillis: 1_000, factor: 2, maxMillis: 30_000 }
    case "unauthorised":
      return { firstMillis: 10_000, factor: 2, maxMillis: 300_000 }
  }
}

/** The wait before an allocation is asked for again, after so many failed attempts; the first comes at once. */
export const reallocationDelayMillis = (reason: TurnFailureReason, failures: number, random: number): number => {
  if (failures === 0) return 0
  const { factor, firstMillis, maxMillis } = backoffOf(reason)
  // The exponent is bounded, so that years of failures do not end in Infinity.
  const delay = Math.min(maxMillis, firstMillis * factor ** Math.min(failures - 1, 500))
  return delay * (0.9 + 0.2 * random)
}

/** The wait before an allocation on TCP looks for UDP, after so many looks; whole milliseconds. */
export const udpLookDelayMillis = (looks: number, random: number): number =>
  Math.round(Math.min(udpLookMaxMillis, udpLookFirstMillis * 2 ** Math.min(looks, 10)) * (0.9 + 0.2 * random))

/** Peers per CreatePermission: IPv4 addresses take 12 bytes of a request, IPv6 addresses 24. */
export const permissionBatches = (hosts: ReadonlyArray<string>): ReadonlyArray<ReadonlyArray<string>> => {
  const batches: Array<Array<string>> = []
  let batch: Array<string> = []
  let bytes = 0
  for (const host of hosts) {
    const size = host.includes(":") ? 24 : 12
    if (bytes + size > peerAddressBytesMax) {
      batches.push(batch)
      batch = []
      bytes = 0
    }
    batch.push(host)
    bytes += size
  }
  return batch.length === 0 ? batches : [...batches, batch]
}
