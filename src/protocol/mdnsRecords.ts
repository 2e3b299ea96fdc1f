/**
 * DNS messages as multicast DNS carries them (RFC 1035 section 4, RFC 6762 section 18): the header, questions, and
 * records of the five types that announce a service; all others are passed over. Everything is big-endian. Reading is
 * strict and takes time in proportion to the packet, whatever is in it: anybody on the wire can send one, and decoders
 * that trust a length can be kept busy with 200 bytes for seconds. Names are written out in full and read compressed.
 */
import { Result } from "effect"
import { formatBytes, parseIPv4, parseIPv6 } from "../domain/ipAddress.ts"

/** The largest packet that multicast DNS allows (RFC 6762 section 17). */
export const packetBytesMax = 9000
/** Questions and records in one packet: many times what a machine with many services sends. */
export const recordsMax = 256

/** Class IN; its highest bit asks for a unicast answer in a question, and replaces older records in an answer. */
const classIn = 1
const classTopBit = 0x8000

/** Codes of RFC 1035 section 3.2.2, RFC 3596 and RFC 2782. */
export const recordType = { a: 1, ptr: 12, txt: 16, aaaa: 28, srv: 33, any: 255 } as const

/** Labels joined by dots, in lower case; a dot, a backslash and what is not printable inside a label is `\DDD`. */
export type DnsName = string

export type DnsData =
  | { readonly _tag: "Ptr"; readonly target: DnsName }
  | { readonly _tag: "Srv"; readonly port: number; readonly target: DnsName }
  | { readonly _tag: "Txt"; readonly texts: ReadonlyArray<string> }
  | { readonly _tag: "Address"; readonly host: string }

export interface DnsRecord {
  readonly name: DnsName
  readonly ttlSeconds: number
  readonly data: DnsData
}

export interface DnsQuestion {
  readonly name: DnsName
  readonly type: number
}

export interface DnsMessage {
  readonly response: boolean
  readonly questions: ReadonlyArray<DnsQuestion>
  /** Of class IN and a type in `DnsData`. */
  readonly answers: ReadonlyArray<DnsRecord>
  readonly additionals: ReadonlyArray<DnsRecord>
}

const headerLength = 12
const labelLengthMax = 63
/** Of a name on the wire, its lengths and its end included. */
const nameLengthMax = 255
/** Of all names of a packet, written out: pointers make 500 long names of 9000 bytes, but nobody needs that. */
const namesLengthMax = 32 * 1024

// --- writing ---

const u16 = (value: number): ReadonlyArray<number> => [(value >> 8) & 0xff, value & 0xff]
const u32 = (value: number): ReadonlyArray<number> => [...u16(value >>> 16), ...u16(value)]

/** Our own names have plain labels; one that does not fit is a caller's mistake. */
const nameBytes = (name: DnsName): ReadonlyArray<number> => {
  const bytes = name.split(".").flatMap((label) => {
    if (!/^[\w-]{1,63}$/.test(label)) throw new RangeError(`${JSON.stringify(label)} is no plain label`)
    return [label.length, ...new TextEncoder().encode(label)]
  })
  if (bytes.length >= nameLengthMax) throw new RangeError(`${name} is too long for a name`)
  return [...bytes, 0]
}

const textBytes = (text: string): ReadonlyArray<number> => {
  const bytes = new TextEncoder().encode(text)
  if (bytes.length > 0xff) throw new RangeError("a text of a TXT record has at most 255 bytes")
  return [bytes.length, ...bytes]
}

const addressBytes = (host: string): readonly [number, Uint8Array] => {
  const four = parseIPv4(host)
  if (four !== undefined) return [recordType.a, four]
  const six = parseIPv6(host)
  if (six === undefined) throw new RangeError(`${host} is no IP address`)
  return [recordType.aaaa, six]
}

const dataBytes = (data: DnsData): readonly [type: number, bytes: ReadonlyArray<number>] => {
  switch (data._tag) {
    case "Ptr":
      return [recordType.ptr, nameBytes(data.target)]
    case "Srv":
      // Priority and weight 0: there is nothing to choose between.
      return [recordType.srv, [...u16(0), ...u16(0), ...u16(data.port), ...nameBytes(data.target)]]
    case "Txt":
      return [recordType.txt, data.texts.flatMap(textBytes)]
    case "Address": {
      const [type, bytes] = addressBytes(data.host)
      return [type, [...bytes]]
    }
  }
}

const recordBytes = ({ data, name, ttlSeconds }: DnsRecord, response: boolean): ReadonlyArray<number> => {
  const [type, bytes] = dataBytes(data)
  // Many members share the PTR name; the others are this node's own, and replace what it said before.
  const replaces = response && data._tag !== "Ptr" ? classTopBit : 0
  return [
    ...nameBytes(name),
    ...u16(type),
    ...u16(classIn | replaces),
    ...u32(ttlSeconds),
    ...u16(bytes.length),
    ...bytes
  ]
}

/** The bytes of a message; throws for what no message can hold. */
export const encodeMessage = ({ additionals, answers, questions, response }: DnsMessage): Uint8Array => {
  const counts = [questions.length, answers.length, 0, additionals.length]
  return Uint8Array.from([
    ...u16(0),
    ...u16(response ? 0x8400 : 0),
    ...counts.flatMap(u16),
    ...questions.flatMap(({ name, type }) => [...nameBytes(name), ...u16(type), ...u16(classIn)]),
    ...[...answers, ...additionals].flatMap((record) => recordBytes(record, response))
  ])
}

// --- reading ---

const labelText = (bytes: Uint8Array): string => {
  let text = ""
  for (const byte of bytes) {
    const plain = byte > 0x20 && byte < 0x7f && byte !== 0x2e && byte !== 0x5c
    text += plain ? String.fromCharCode(byte).toLowerCase() : `\\${String(byte).padStart(3, "0")}`
  }
  return text
}

interface ReadName {
  readonly name: DnsName
  /** Where reading goes on: behind the name, or behind the first pointer in it. */
  readonly end: number
}

/** What is left to write out of a packet's names. */
interface Budget {
  left: number
}

/** A name at an offset. Pointers lead to earlier bytes only, so that there is an end. */
const readName = (bytes: Uint8Array, start: number, budget: Budget): ReadName | undefined => {
  const labels: Array<string> = []
  let end: number | undefined
  let length = 1
  for (let at = start, earliest = start; ;) {
    const first = bytes[at]
    if (first === undefined) return undefined
    if (first === 0) return { name: labels.join("."), end: end ?? at + 1 }
    if (first <= labelLengthMax) {
      length += first + 1
      budget.left -= first + 1
      if (length > nameLengthMax || budget.left < 0 || at + 1 + first > bytes.length) return undefined
      labels.push(labelText(bytes.subarray(at + 1, at + 1 + first)))
      at += first + 1
      continue
    }
    const second = bytes[at + 1]
    if (first < 0xc0 || second === undefined) return undefined
    const target = ((first & 0x3f) << 8) | second
    if (target >= earliest) return undefined
    end ??= at + 2
    earliest = target
    at = target
  }
}

const readTexts = (bytes: Uint8Array): ReadonlyArray<string> | undefined => {
  const texts: Array<string> = []
  for (let at = 0; at < bytes.length;) {
    const end = at + 1 + (bytes[at] ?? 0)
    if (end > bytes.length) return undefined
    texts.push(new TextDecoder().decode(bytes.subarray(at + 1, end)))
    at = end
  }
  return texts
}

/** The data of a record of a known type; `undefined` when it is malformed. */
const readData = (type: number, bytes: Uint8Array, start: number, end: number, budget: Budget): DnsData | undefined => {
  const data = bytes.subarray(start, end)
  switch (type) {
    case recordType.a:
    case recordType.aaaa:
      return data.length === (type === recordType.a ? 4 : 16) ? { _tag: "Address", host: formatBytes(data) } : undefined
    case recordType.ptr: {
      const target = readName(bytes, start, budget)
      return target?.end === end ? { _tag: "Ptr", target: target.name } : undefined
    }
    case recordType.srv: {
      const target = readName(bytes, start + 6, budget)
      if (target?.end !== end) return undefined
      return { _tag: "Srv", port: ((data[4] ?? 0) << 8) | (data[5] ?? 0), target: target.name }
    }
    default: {
      const texts = readTexts(data)
      return texts === undefined ? undefined : { _tag: "Txt", texts }
    }
  }
}

const knownTypes: ReadonlySet<number> = new Set([
  recordType.a,
  recordType.aaaa,
  recordType.ptr,
  recordType.srv,
  recordType.txt
])

class Reader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #budget: Budget = { left: namesLengthMax }
  #at = headerLength

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  u16(offset: number): number {
    return this.#view.getUint16(offset)
  }

  question(): DnsQuestion | undefined {
    const name = readName(this.#bytes, this.#at, this.#budget)
    if (name === undefined || name.end + 4 > this.#bytes.length) return undefined
    this.#at = name.end + 4
    const isInternet = (this.u16(name.end + 2) & ~classTopBit) === classIn
    return { name: isInternet ? name.name : "", type: this.u16(name.end) }
  }

  /** The next record; `none` for one of another class or type. */
  record(): DnsRecord | "none" | undefined {
    const name = readName(this.#bytes, this.#at, this.#budget)
    if (name === undefined || name.end + 10 > this.#bytes.length) return undefined
    const start = name.end + 10
    const end = start + this.u16(name.end + 8)
    if (end > this.#bytes.length) return undefined
    this.#at = end
    const type = this.u16(name.end)
    const isInternet = (this.u16(name.end + 2) & ~classTopBit) === classIn
    if (!isInternet || !knownTypes.has(type)) return "none"
    const data = readData(type, this.#bytes, start, end, this.#budget)
    return data && { name: name.name, ttlSeconds: this.#view.getUint32(name.end + 4), data }
  }

  records(count: number): ReadonlyArray<DnsRecord> | undefined {
    const records: Array<DnsRecord> = []
    for (let number = 0; number < count; number++) {
      const record = this.record()
      if (record === undefined) return undefined
      if (record !== "none") records.push(record)
    }
    return records
  }
}

const malformed = (why: string) => Result.fail(why)

/** Reads a packet; the failure says what is wrong with it. Nothing of the bytes is kept. */
export const decodeMessage = (bytes: Uint8Array): Result.Result<DnsMessage, string> => {
  if (bytes.length < headerLength) return malformed("shorter than a header")
  if (bytes.length > packetBytesMax) return malformed(`longer than ${packetBytesMax} bytes`)
  const reader = new Reader(bytes)
  const flags = reader.u16(2)
  // RFC 6762 sections 18.3 and 18.11: other operations and errors are not for multicast.
  if ((flags & 0x780f) !== 0) return malformed("neither a query nor an answer")
  const [questionCount = 0, answerCount = 0, authorityCount = 0, additionalCount = 0] = [4, 6, 8, 10].map((offset) =>
    reader.u16(offset)
  )
  if (questionCount + answerCount + authorityCount + additionalCount > recordsMax) return malformed("too many records")
  const questions: Array<DnsQuestion> = []
  for (let number = 0; number < questionCount; number++) {
    const question = reader.question()
    if (question === undefined) return malformed("a question is malformed")
    questions.push(question)
  }
  const answers = reader.records(answerCount)
  const authorities = reader.records(authorityCount)
  const additionals = reader.records(additionalCount)
  if (answers === undefined || authorities === undefined || additionals === undefined || !reader.atEnd) {
    return malformed("a record is malformed")
  }
  return Result.succeed({ response: (flags & 0x8000) !== 0, questions, answers, additionals })
}
