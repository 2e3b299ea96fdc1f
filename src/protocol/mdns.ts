/**
 * How members announce themselves on a local network: the service `_icn._udp.local` of DNS-SD (RFC 6763) over multicast
 * DNS (RFC 6762). One packet holds all of one instance: PTR, SRV with the port, TXT with `did`, `v`, and `quic` or
 * `tcp` with a port where only one of them is served, and the addresses. An announcement proves nothing, a session
 * does. The bytes of DNS are in mdnsRecords.ts. Leaves out probing, unicast answers, and answers in several packets.
 */
import { Result } from "effect"
import { Did } from "../domain/did.ts"
import { parsePort } from "../domain/hostPort.ts"
import type { PeerAddress, PeerTransport } from "../domain/peerAddress.ts"
import { family, isPort } from "../domain/transportAddress.ts"
import {
  decodeMessage,
  type DnsMessage,
  type DnsName,
  type DnsRecord,
  encodeMessage,
  recordType
} from "./mdnsRecords.ts"

export const serviceName = "_icn._udp.local"
/** Addresses in one announcement, so that it fits a packet of 1400 bytes in any case. */
export const hostsMax = 8
/** Ports that one node announces: as many as it can listen on. */
export const offersMax = 8
/** Announcements read from one packet; a node sends one. */
export const announcementsMax = 8
/** How long an announcement holds; queries come at least twice in that time. */
export const ttlSecondsDefault = 120
/** The version of the TXT record; others are not for us. */
const version = "1"
/** Enough characters of the key to tell the members of a network apart. */
const didTailLength = 16

/** What a node announces under one name: addresses that share a port and a transport. */
export interface Offer {
  readonly instance: DnsName
  readonly transport: PeerTransport
  readonly port: number
  readonly hosts: ReadonlyArray<string>
}

/** What was heard under one name. A TTL of 0 says goodbye. */
export interface Announcement {
  readonly did: Did
  readonly instance: DnsName
  readonly ttlSeconds: number
  readonly addresses: ReadonlyArray<PeerAddress>
}

/** `Other` is about other services. */
export type MdnsMessage =
  | { readonly _tag: "Query"; readonly known: ReadonlyArray<DnsName> }
  | { readonly _tag: "Answer"; readonly announcements: ReadonlyArray<Announcement> }
  | { readonly _tag: "Other" }

const labelOf = (did: Did, index: number): string => `icn-${did.text.slice(-didTailLength).toLowerCase()}-${index}`

/** What a member announces of its addresses; names and what exceeds the limits are left out. */
export const offersOf = (did: Did, addresses: ReadonlyArray<PeerAddress>): ReadonlyArray<Offer> => {
  const groups = new Map<
    string,
    { readonly transport: PeerTransport; readonly port: number; readonly hosts: Set<string> }
  >()
  for (const { host, port, transport } of addresses) {
    if (family(host) === undefined || !isPort(port)) continue
    const key = `${transport} ${port}`
    const group = groups.get(key) ?? { transport, port, hosts: new Set<string>() }
    if (!groups.has(key) && groups.size < offersMax) groups.set(key, group)
    if (group.hosts.size < hostsMax) group.hosts.add(host)
  }
  return Array.from(groups.values(), ({ hosts, port, transport }, index) => ({
    instance: `${labelOf(did, index)}.${serviceName}`,
    transport,
    port,
    hosts: [...hosts]
  }))
}

/** The packet that announces an offer, or says goodbye with a TTL of 0. */
export const encodeOffer = (did: Did, { hosts, instance, port, transport }: Offer, ttlSeconds: number): Uint8Array => {
  const target = instance.replace(serviceName, "local")
  const only = transport === "any" ? [] : [`${transport}=${port}`]
  return encodeMessage({
    response: true,
    questions: [],
    answers: [{ name: serviceName, ttlSeconds, data: { _tag: "Ptr", target: instance } }],
    additionals: [
      { name: instance, ttlSeconds, data: { _tag: "Srv", port, target } },
      { name: instance, ttlSeconds, data: { _tag: "Txt", texts: [`did=${did.text}`, ...only, `v=${version}`] } },
      ...hosts.map((host): DnsRecord => ({ name: target, ttlSeconds, data: { _tag: "Address", host } }))
    ]
  })
}

/** Asks who offers the service; those whose offers are named need not answer (RFC 6762 section 7.1). */
export const encodeQuery = (known: ReadonlyArray<Offer>): Uint8Array =>
  encodeMessage({
    response: false,
    questions: [{ name: serviceName, type: recordType.ptr }],
    answers: known.map(({ instance }) => ({
      name: serviceName,
      ttlSeconds: ttlSecondsDefault,
      data: { _tag: "Ptr", target: instance }
    })),
    additionals: []
  })

/** `key=value` pairs; of a key that comes twice the first counts, and letter case is nothing in keys (RFC 6763 6.4). */
const pairsOf = (texts: ReadonlyArray<string>): ReadonlyMap<string, string> => {
  const pairs = new Map<string, string>()
  for (const text of texts) {
    const at = text.indexOf("=")
    const key = (at < 0 ? text : text.slice(0, at)).toLowerCase()
    if (!pairs.has(key)) pairs.set(key, at < 0 ? "" : text.slice(at + 1))
  }
  return pairs
}

/** Transport and port of each kind of address that an instance has. */
const portsOf = (
  pairs: ReadonlyMap<string, string>,
  servicePort: number
): Result.Result<ReadonlyArray<Omit<PeerAddress, "host">>, string> => {
  const ports: Array<Omit<PeerAddress, "host">> = []
  for (const transport of ["quic", "tcp"] as const) {
    const text = pairs.get(transport)
    if (text === undefined) continue
    const port = parsePort(text)
    if (Result.isFailure(port)) return Result.fail(port.failure)
    ports.push({ port: port.success, transport })
  }
  if (ports.length > 0) return Result.succeed(ports)
  return isPort(servicePort) ? Result.succeed([{ port: servicePort, transport: "any" }]) : Result.fail("port 0")
}

/** What the records say of one instance; none for a version that is not ours. */
const announcementOf = (
  instance: DnsName,
  ttlSeconds: number,
  records: ReadonlyArray<DnsRecord>
): Result.Result<ReadonlyArray<Announcement>, string> => {
  const own = records.filter(({ name }) => name === instance).map(({ data }) => data)
  const srv = own.find((data) => data._tag === "Srv")
  const txt = own.find((data) => data._tag === "Txt")
  if (srv === undefined || txt === undefined) return Result.fail("an instance without SRV or TXT")
  const pairs = pairsOf(txt.texts)
  if (pairs.get("v") !== version) return Result.succeed([])
  const did = Did.parse(pairs.get("did") ?? "")
  if (Result.isFailure(did)) return Result.fail(did.failure.message)
  const ports = portsOf(pairs, srv.port)
  if (Result.isFailure(ports)) return Result.fail(ports.failure)
  const hosts = new Set<string>()
  for (const { data, name } of records) {
    if (name === srv.target && data._tag === "Address" && hosts.size < hostsMax) hosts.add(data.host)
  }
  const addresses = [...hosts].flatMap((host) => ports.success.map((port): PeerAddress => ({ host, ...port })))
  return Result.succeed([{ did: did.success, instance, ttlSeconds, addresses }])
}

const isServicePointer = ({ data, name }: DnsRecord): boolean => name === serviceName && data._tag === "Ptr"

const decodeAnswer = ({ additionals, answers }: DnsMessage): Result.Result<MdnsMessage, string> => {
  const records = [...answers, ...additionals]
  const pointers = records.filter(isServicePointer).slice(0, announcementsMax)
  if (pointers.length === 0) return Result.succeed({ _tag: "Other" })
  const announcements: Array<Announcement> = []
  for (const { data, ttlSeconds } of pointers) {
    if (data._tag !== "Ptr") continue
    const found = announcementOf(data.target, ttlSeconds, records)
    if (Result.isFailure(found)) return Result.fail(found.failure)
    announcements.push(...found.success)
  }
  return Result.succeed({ _tag: "Answer", announcements })
}

const decodeQuery = ({ answers, questions }: DnsMessage): MdnsMessage => {
  const asks = questions.some(
    ({ name, type }) => name === serviceName && (type === recordType.ptr || type === recordType.any)
  )
  if (!asks) return { _tag: "Other" }
  // A record with less than half of its time left is to be told again.
  const fresh = answers.filter(({ ttlSeconds }) => ttlSeconds * 2 >= ttlSecondsDefault)
  return {
    _tag: "Query",
    known: fresh.flatMap(({ data, name }) => (data._tag === "Ptr" && name === serviceName ? [data.target] : []))
  }
}

/** Reads any packet; the failure says why it is not taken. */
export const decode = (bytes: Uint8Array): Result.Result<MdnsMessage, string> =>
  Result.flatMap(decodeMessage(bytes), (message) =>
    message.response ? decodeAnswer(message) : Result.succeed(decodeQuery(message))
  )
