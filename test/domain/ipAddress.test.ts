import { assert, describe, it } from "@effect/vitest"
import { isIPv4, isIPv6 } from "node:net"
import * as IpAddress from "../../src/domain/ipAddress.ts"
import { bytes, ipv6Bytes, thorough } from "../fixtures/arbitraries.ts"
import { fuzzSeed, makeRandom } from "../fixtures/random.ts"

describe("IPv4 literals", () => {
  it("are read to their four bytes", () => {
    assert.deepStrictEqual(IpAddress.parseIPv4("192.0.2.1"), Uint8Array.of(192, 0, 2, 1))
    assert.deepStrictEqual(IpAddress.parseIPv4("0.0.0.0"), new Uint8Array(4))
    assert.deepStrictEqual(IpAddress.parseIPv4("255.255.255.255"), new Uint8Array(4).fill(255))
  })

  for (const text of [
    "",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.256",
    "01.2.3.4",
    "1.2.3.-4",
    "1.2.3.4 ",
    "1.2..4",
    "0x1.2.3.4"
  ]) {
    it(`refuse "${text}"`, () => {
      assert.isUndefined(IpAddress.parseIPv4(text))
    })
  }

  it.prop(
    "come back from their bytes",
    [bytes(4, 4)],
    ([address]) => {
      assert.deepStrictEqual(IpAddress.parseIPv4(IpAddress.formatBytes(address)), address)
    },
    thorough
  )
})

describe("IPv6 literals", () => {
  // RFC 4291 section 2.2 and RFC 5952 section 4: what is written, and the one way to write it.
  const canonical: ReadonlyArray<readonly [written: string, canonical: string]> = [
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:0DB8::0001", "2001:db8::1"],
    ["2001:db8:0:0:0:0:2:1", "2001:db8::2:1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["2001:db8:0:0:1:0:0:0", "2001:db8:0:0:1::"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["0:0:0:0:0:0:0:1", "::1"],
    ["FE80:0:0:0:0:0:0:0", "fe80::"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
    ["::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
    ["::ffff:c000:201", "::ffff:192.0.2.1"],
    ["0:0:0:0:0:FFFF:192.0.2.1", "::ffff:192.0.2.1"],
    ["::ffff:0.0.0.0", "::ffff:0.0.0.0"],
    ["::ffff:0:0:0", "::ffff:0:0:0"]
  ]
  for (const [written, text] of canonical) {
    it(`write ${written} as ${text}`, () => {
      assert.strictEqual(IpAddress.canonical(written), text)
    })
  }

  const refused = [
    "",
    ":",
    ":::",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4::5:6:7:8",
    "1::2::3",
    "12345::",
    "g::",
    "1.2.3.4::",
    "::1.2.3.4:1",
    "1:2:3:4:5:6:7:1.2.3.4",
    "::1.2.3",
    "::01.2.3.4",
    "fe80::1%eth0",
    "[::1]",
    "::1/128",
    `${"0".repeat(60)}::`
  ]
  for (const text of refused) {
    it(`refuse "${text}"`, () => {
      assert.isUndefined(IpAddress.parseIPv6(text))
    })
  }

  it.prop(
    "come back from their bytes",
    [ipv6Bytes],
    ([address]) => {
      const text = IpAddress.formatBytes(address)
      assert.deepStrictEqual(IpAddress.parseIPv6(text), address)
      assert.strictEqual(IpAddress.canonical(text), text)
      // The URL standard knows the same compression; it writes IPv4-mapped addresses without the dotted quad.
      if (!text.startsWith("::ffff:")) assert.strictEqual(`[${text}]`, new URL(`http://[${text}]/`).hostname)
    },
    thorough
  )
})

it("what is a literal is what the platform takes for one, over random texts", () => {
  const seed = fuzzSeed()
  const random = makeRandom(seed)
  const pieces = ["0", "1", "25", "255", "256", "ab", "FFFF", "1.2.3.4", ".", ":", ":", ":", "::"]
  let literals = 0
  for (let run = 0; run < 20_000; run++) {
    const text = Array.from({ length: 1 + random.below(12) }, () => random.pick(pieces)).join("")
    assert.strictEqual(IpAddress.isIPv4(text), isIPv4(text), `"${text}" with FUZZ_SEED=${seed}`)
    assert.strictEqual(IpAddress.isIPv6(text), isIPv6(text), `"${text}" with FUZZ_SEED=${seed}`)
    if (isIPv4(text) || isIPv6(text)) literals++
  }
  assert.isAbove(literals, 100)
})

it("an IPv4-mapped literal is the IPv4 literal inside, and others stay as they are", () => {
  assert.strictEqual(IpAddress.unmapped("::ffff:192.0.2.1"), "192.0.2.1")
  for (const host of ["192.0.2.1", "::1", "2001:db8::1", "::ffff:0:c000:201", "::fffe:192.0.2.1"]) {
    assert.strictEqual(IpAddress.unmapped(IpAddress.canonical(host) ?? ""), IpAddress.canonical(host))
  }
})

it("a literal without its zone says the same on every machine", () => {
  assert.strictEqual(IpAddress.withoutZone("fe80::1%eth0"), "fe80::1")
  assert.strictEqual(IpAddress.withoutZone("2001:db8::1"), "2001:db8::1")
})

it("formatting anything but 4 or 16 bytes is a mistake of the caller", () => {
  assert.throws(() => IpAddress.formatBytes(new Uint8Array(5)), RangeError)
})
