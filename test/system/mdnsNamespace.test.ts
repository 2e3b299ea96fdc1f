/**
 * Multicast DNS on interfaces of their own, in a network namespace: IPv4 and IPv6 on a virtual Ethernet, and a node
 * that may use loopback only. Needs Linux with unshare and ip, and root or user namespaces; skipped where they are
 * missing, except under CI on Linux, where that is a failure.
 */
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { join } from "node:path"

const namespaces = process.getuid?.() === 0 ? ["--net"] : ["--user", "--map-root-user", "--net"]

const inNamespace = (script: string) =>
  spawnSync("unshare", [...namespaces, "sh", "-ec", script], { encoding: "utf8", timeout: 30_000 })

const links = [
  "ip link set lo up",
  "ip link add icn0 type veth peer name icn1",
  "ip address add 10.9.0.1/24 dev icn0",
  "ip -6 address add fd09::1/64 dev icn0 nodad",
  "ip link set icn0 up",
  "ip link set icn1 up"
].join("\n")

const skipped = process.platform !== "linux" || (inNamespace(links).status !== 0 && process.env["CI"] !== "true")

/** The link-local address takes a second or two until it may be used. */
const ready = `for _ in $(seq 100); do
  if ip -6 address show dev icn0 scope link | grep -q inet6; then
    ip -6 address show dev icn0 tentative | grep -q inet6 || break
  fi
  sleep 0.1
done`

const at = (number: number): string => `10.9.0.1:700${number} [fd09::1]:700${number}`

describe.skipIf(skipped)("Mdns in a network namespace", () => {
  it("finds members over both families, and keeps to the interfaces that it may use", { timeout: 40_000 }, () => {
    const program = join(import.meta.dirname, "../fixtures/mdnsNodes.ts")
    const run = inNamespace(`${links}\n${ready}\n"${process.execPath}" "${program}" icn0 10.9.0.1 fd09::1`)
    assert.strictEqual(run.status, 0, run.stderr)
    // Node 1 uses both families, node 2 IPv4, node 3 IPv6; node 4 is on loopback, where nobody else is.
    assert.deepStrictEqual(JSON.parse(run.stdout.trim().split("\n").at(-1) ?? ""), {
      "node 1": [`node 2 by 10.9.0.1: ${at(2)}`, `node 3 by link-local: ${at(3)}`],
      "node 2": [`node 1 by 10.9.0.1: ${at(1)}`],
      "node 3": [`node 1 by link-local: ${at(1)}`],
      "node 4": []
    })
  })
})
