import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Result } from "effect"
import type { KeyPath, Origin } from "../../src/domain/nodeConfig.ts"
import { decodeSetting } from "../../src/domain/nodeConfigDecode.ts"
import { formatProblem } from "../../src/domain/nodeConfigProblem.ts"
import type { RawValue } from "../../src/domain/nodeConfigValue.ts"
import { format } from "../../src/domain/transportAddress.ts"
import { thorough, transportAddress } from "../fixtures/arbitraries.ts"

const did = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"

const file: Origin = { _tag: "File", file: "icn.toml", line: 3 }
const variable: Origin = { _tag: "Environment", variable: "ICN_X" }

const string = (value: string): RawValue => ({ type: "string", value })

/** An array whose items stand on lines of their own, from 4. */
const array = (...items: ReadonlyArray<RawValue>): RawValue => ({
  type: "array",
  items: items.map((raw, index) => ({ raw, line: 4 + index }))
})

const inFile = (path: KeyPath, raw: RawValue) => decodeSetting({ path, raw, origin: file })
const inVariable = (path: KeyPath, value: string) =>
  decodeSetting({ path, raw: { type: "untyped", value }, origin: variable })

const plainOf = (decoded: ReturnType<typeof decodeSetting>) => Result.getOrThrow(decoded).plain
const problemsOf = (decoded: ReturnType<typeof decodeSetting>) =>
  Result.isFailure(decoded) ? decoded.failure.map(formatProblem) : []

describe("a list", () => {
  it("is an array of texts, or its only item alone, each in its one spelling", () => {
    const { plain, value } = Result.getOrThrow(
      inFile("network.listen_addr", array(string("0.0.0.0:7777"), string("[0::0]:7777")))
    )
    assert.deepStrictEqual(plain, ["0.0.0.0:7777", "[::]:7777"])
    assert.deepStrictEqual(value, [
      { host: "0.0.0.0", port: 7777 },
      { host: "::", port: 7777 }
    ])
    assert.deepStrictEqual(plainOf(inFile("network.listen_addr", string("[0::0]:1"))), ["[::]:1"])
    assert.deepStrictEqual(plainOf(inFile("network.bootstrap_peers", array())), [])
  })

  it("is one text in a variable, its items between commas or white space", () => {
    for (const [text, names] of [
      ["eth0", ["eth0"]],
      [" eth0,eth1 , eth2\n\teth3, ", ["eth0", "eth1", "eth2", "eth3"]],
      ["", []]
    ] as const) {
      assert.deepStrictEqual(plainOf(inVariable("network.mdns_interfaces", text)), names)
    }
  })

  it("has a problem for each bad item, with index and line, whatever its type", () => {
    const expected = 'expected "IP:port" or "[v6]:port"'
    const items = array(
      string("x"),
      string("0.0.0.0:1"),
      { type: "integer", value: 7777n },
      { type: "boolean", value: true },
      array(string("0.0.0.0:2")),
      { type: "table" },
      { type: "date" }
    )
    assert.deepStrictEqual(problemsOf(inFile("network.listen_addr", items)), [
      'network.listen_addr[0] (icn.toml:4) = "x": the port is missing; 0 takes a free one',
      `network.listen_addr[2] (icn.toml:6) = 7777: ${expected}, in quotes`,
      `network.listen_addr[3] (icn.toml:7) = true: ${expected}`,
      `network.listen_addr[4] (icn.toml:8) = an array: ${expected}`,
      `network.listen_addr[5] (icn.toml:9) = a table: ${expected}`,
      `network.listen_addr[6] (icn.toml:10) = a date or time: ${expected}`
    ])
    assert.deepStrictEqual(problemsOf(inVariable("network.listen_addr", "0.0.0.0:1,[::]:x")), [
      'network.listen_addr[1] (ICN_X) = "[::]:x": the port is a number from 0 to 65535'
    ])
  })

  it("is named without an index where its item stands alone", () => {
    assert.deepStrictEqual(problemsOf(inFile("network.listen_addr", { type: "integer", value: 7777n })), [
      'network.listen_addr (icn.toml:3) = 7777: expected "IP:port" or "[v6]:port", in quotes'
    ])
    assert.deepStrictEqual(problemsOf(inVariable("network.listen_addr", "[::]")), [
      'network.listen_addr (ICN_X) = "[::]": the port is missing; 0 takes a free one'
    ])
  })

  it("is no text with commas in the file", () => {
    const problems = problemsOf(inFile("network.mdns_interfaces", string("eth0, eth1")))
    assert.lengthOf(problems, 1)
    assert.match(
      problems[0] ?? "",
      /^network\.mdns_interfaces \(icn\.toml:3\) = "eth0, eth1": .*; several are an array/
    )
  })

  it("has a least and a largest number of items", () => {
    const allowed = 'expected a list of 1 to 8, each "IP:port" or "[v6]:port"'
    const ports = Array.from({ length: 9 }, (_, port) => string(`[::]:${port}`))
    const problems = (count: number) => problemsOf(inFile("network.listen_addr", array(...ports.slice(0, count))))
    assert.deepStrictEqual(problems(0), [`network.listen_addr (icn.toml:3) = an empty list: ${allowed}`])
    assert.deepStrictEqual([problems(1), problems(8)], [[], []])
    assert.deepStrictEqual(problems(9), [`network.listen_addr (icn.toml:3) = 9 items: ${allowed}`])
    assert.lengthOf(problemsOf(inVariable("network.listen_addr", "x ".repeat(100_000))), 9)
  })

  it("names an item that means the same as one before it, in whatever spelling", () => {
    const same = array(string("[::]:1"), string("[::]:2"), string("[0:0::0]:1"), string("[::]:1"))
    assert.deepStrictEqual(problemsOf(inFile("network.listen_addr", same)), [
      'network.listen_addr[2] (icn.toml:6) = "[0:0::0]:1": the same as network.listen_addr[0]; keep one of the two',
      'network.listen_addr[3] (icn.toml:7) = "[::]:1": the same as network.listen_addr[0]; keep one of the two'
    ])
  })

  it.prop(
    "of any addresses means the same in the file and in a variable, and in its own spelling again",
    [Arbitrary.array(transportAddress, { minLength: 1, maxLength: 8 })],
    ([addresses]) => {
      const texts = [...new Set(addresses.map(format))]
      const fromFile = inFile("network.listen_addr", array(...texts.map(string)))
      assert.deepStrictEqual(inVariable("network.listen_addr", texts.join(", ")), fromFile)
      assert.deepStrictEqual(plainOf(fromFile), texts)
    },
    thorough
  )
})

describe("bootstrap peers", () => {
  it("are members at addresses, as URI or multiaddr", () => {
    const peerId = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"
    const decoded = inVariable(
      "network.bootstrap_peers",
      `icn://${did}@SEED.example.org:7777 /ip4/192.0.2.1/udp/7777/quic-v1/p2p/${peerId}`
    )
    assert.deepStrictEqual(problemsOf(decoded), [])
    assert.deepInclude(Object(Result.getOrThrow(decoded).value)[0].address, { host: "seed.example.org", port: 7777 })
    assert.deepStrictEqual(plainOf(decoded), [
      `icn://${did}@seed.example.org:7777`,
      `/ip4/192.0.2.1/udp/7777/quic-v1/p2p/${peerId}`
    ])
  })

  it("can be the same member at two addresses, but not twice at the same", () => {
    const twice = array(
      string(`icn://${did}@192.0.2.1:1`),
      string(`icn://${did}@192.0.2.1:2`),
      string(`icn://${did}@192.0.2.1:1`)
    )
    assert.deepStrictEqual(problemsOf(inFile("network.bootstrap_peers", twice)), [
      'network.bootstrap_peers[2] (icn.toml:6) = "icn://did:key:z6MkhaXg…2doK@192.0.2.1:1": ' +
        "the same as network.bootstrap_peers[0]; keep one of the two"
    ])
  })
})
