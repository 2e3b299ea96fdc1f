/**
 * Finds out what the NAT in front of this machine does: by the tests of RFC 5780 where a STUN server offers its other
 * address, else by comparing what several servers say. The conclusions are in domain/natBehaviour.ts. Tests run on a
 * socket of their own, since the NAT lets in whomever the link socket has talked to before; a port that somebody has
 * forwarded to the link socket therefore does not show in the filter's result.
 */
import { Effect, Option, Result } from "effect"
import { randomBytes } from "node:crypto"
import { admits, scopeOf } from "../../../domain/addressScope.ts"
import {
  filteringOfTests,
  mappingOfTests,
  natBehaviour,
  type NatBehaviour,
  type NatFinding,
  unknownFinding
} from "../../../domain/natBehaviour.ts"
import { isPort, type TransportAddress } from "../../../domain/transportAddress.ts"
import { transactionIdLength } from "../../../protocol/stun.ts"
import type { ChangeRequest } from "../../../protocol/stunAttributes.ts"
import { type BindingAnswer, encodeBindingRequest, readBindingResponse } from "../../../protocol/stunBinding.ts"
import type { Udp } from "../../../services/Udp.ts"
import { type LinkSocket, type LinkSocketOptions, open } from "./LinkSocket.ts"
import { type ReflexiveFailed, type ReflexiveReport, waitsMillis } from "./Reflexive.ts"

/** A server of RFC 5780: two hosts and two ports, all four combinations answer. */
export interface NatTestServer {
  readonly first: TransportAddress
  readonly other: TransportAddress
}

export interface NatFindings {
  readonly mapping: NatFinding
  readonly filtering: NatFinding
}

/** One question; `undefined` when no usable answer came from where it should. */
const mappedFrom = Effect.fnUntraced(function* (
  socket: LinkSocket,
  to: TransportAddress,
  change?: { readonly request: ChangeRequest; readonly from: TransportAddress }
) {
  const transactionId = randomBytes(transactionIdLength)
  const bytes = encodeBindingRequest({ transactionId, change: change?.request })
  const from = change?.from ?? to
  const asked = yield* Effect.result(
    socket.exchange<BindingAnswer>({ transactionId, bytes, to, from, waits: waitsMillis, read: readBindingResponse })
  )
  return Result.isSuccess(asked) && asked.success.answer._tag === "Mapped" ? asked.success.answer.mapped : undefined
})

/**
 * RFC 5780 sections 4.3 and 4.4, on a socket that has talked to nobody. The filter first: the tests of the mapping open
 * it. Takes 3 s for each half at most.
 */
export const runTests = Effect.fnUntraced(function* (
  socket: LinkSocket,
  { first, other }: NatTestServer
): Effect.fn.Return<NatFindings> {
  const mapped = yield* mappedFrom(socket, first)
  if (mapped === undefined) return { mapping: unknownFinding, filtering: unknownFinding }
  const [fromOther, fromOtherPort] = yield* Effect.all(
    [
      mappedFrom(socket, first, { request: { ip: true, port: true }, from: other }),
      mappedFrom(socket, first, { request: { ip: false, port: true }, from: { host: first.host, port: other.port } })
    ],
    { concurrency: "unbounded" }
  )
  const [otherHost, otherHostAndPort] = yield* Effect.all(
    [mappedFrom(socket, { host: other.host, port: first.port }), mappedFrom(socket, other)],
    { concurrency: "unbounded" }
  )
  const answers = { otherHostAndPort: fromOther !== undefined, otherPort: fromOtherPort !== undefined }
  // That nothing came proves a filter only where the other address answers at all.
  const isProof = otherHostAndPort !== undefined || answers.otherHostAndPort
  return {
    mapping: mappingOfTests({ first: mapped, otherHost, otherHostAndPort }),
    filtering: isProof ? filteringOfTests(answers) : unknownFinding
  }
})

/** The quickest server that offers tests; one that is far away may not name an address inside this network. */
const testServerOf = ({ answers }: ReflexiveReport): NatTestServer | undefined => {
  for (const { address: first, other } of answers) {
    if (other === undefined || other.host === first.host || other.port === first.port || !isPort(other.port)) continue
    if (admits(scopeOf(first.host), scopeOf(other.host))) return { first, other }
  }
  return undefined
}

export interface NatDiscoveryOptions {
  /** What the servers said to the link socket. */
  readonly report: ReflexiveReport
  /** The IP literals of this machine's interfaces. */
  readonly ownHosts: ReadonlyArray<string>
  /** Where the tests' own socket is bound; everywhere, on a free port, unless given. */
  readonly probe?: LinkSocketOptions
}

/** What a server must have answered something for. */
const spoken: ReadonlySet<ReflexiveFailed["reason"]> = new Set(["refused", "implausible"])

/** All that can be found out now. Fails never: what cannot be found out is unknown. */
export const discover = Effect.fnUntraced(function* (
  options: NatDiscoveryOptions
): Effect.fn.Return<NatBehaviour, never, Udp> {
  const { ownHosts, probe = { port: 0 }, report } = options
  const { answers, failures } = report
  const heard = answers.length + failures.filter(({ reason }) => spoken.has(reason)).length
  const server = testServerOf(report)
  const tests =
    server === undefined
      ? undefined
      : yield* open(probe).pipe(
          Effect.flatMap((socket) => runTests(socket, server)),
          Effect.scoped,
          // Without a socket there is nothing but what the servers said.
          Effect.option,
          Effect.map(Option.getOrUndefined)
        )
  return natBehaviour({
    observations: answers.map(({ address, mapped }) => ({ server: address, mapped })),
    // A name that was not found, or a refusal, says nothing about UDP.
    isSilent: failures.some(({ reason }) => reason === "timeout") && heard === 0,
    ownHosts,
    measuredMapping: tests?.mapping,
    measuredFiltering: tests?.filtering
  })
})
