/** The built node and `turn check` with a real coturn: the relay as an operator sees it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { temporaryDirectory } from "../fixtures/temporaryDirectory.ts"
import * as Coturn from "./coturn.ts"
import { runToEnd, startNode } from "./icnNode.ts"

/** Mapped by SASLprep to themselves, and awkward for shells, TOML and URLs. */
const password = `p"ä'\\ $%#日本 ;x`

const configFile = Effect.fnUntraced(function* (home: string, lines: ReadonlyArray<string>) {
  const file = join(home, "icn.toml")
  yield* Effect.sync(() => writeFileSync(file, ["[network]", ...lines, ""].join("\n"), { mode: 0o600 }))
  return file
})

const fetchText = (url: string) => Effect.promise(async () => (await fetch(url)).text())

/** The relayed address that a relay event tells; `undefined` for other events and for a lost relay. */
const relayedAddress = ({ event, relay }: Record<string, unknown>): unknown =>
  event === "relay" && typeof relay === "object" && relay !== null ? Reflect.get(relay, "relayedAddress") : undefined

describe.skipIf(Coturn.skipped)(`a node with a TURN server${Coturn.skipped ? ` (${Coturn.missing})` : ""}`, () => {
  it.live(
    "holds a relay by host name, survives a restart of the server, and releases the relay when it stops",
    () =>
      Effect.gen(function* () {
        const coturn = yield* Coturn.start({ users: [`alice:${password}`] })
        const home = yield* temporaryDirectory
        const file = yield* configFile(home, [
          `turn_server = "localhost:${coturn.port}"`,
          'turn_username = "alice"',
          `turn_password = ${JSON.stringify(password)}`,
          "turn_keepalive_secs = 1"
        ])
        const node = yield* startNode(["--config", file], { home })
        const first = relayedAddress(yield* node.event((event) => relayedAddress(event) !== undefined))
        const status = yield* runToEnd(["status", "--json", "--data-dir", node.dataDir], { home })
        assert.deepStrictEqual(JSON.parse(status.stdout).relay.relayedAddress, first)
        const metricsUrl = String(node.running["metricsUrl"])
        assert.include(yield* fetchText(metricsUrl), "icn_turn_allocations_total 1")

        yield* coturn.kill
        yield* node.event(({ event, relay }) => event === "relay" && relay === null)
        const health = yield* fetchText(metricsUrl.replace("/metrics", "/health"))
        assert.strictEqual(JSON.parse(health).parts.turn.status, "degraded")
        yield* coturn.start
        const isNew = (address: unknown) => address !== undefined && JSON.stringify(address) !== JSON.stringify(first)
        yield* node.event((event) => isNew(relayedAddress(event)))
        const after = JSON.parse(yield* fetchText(metricsUrl.replace("/metrics", "/health")))
        assert.strictEqual(after.parts.turn.status, "ok")

        node.kill("SIGTERM")
        assert.strictEqual((yield* node.finished).code, 0)
        assert.match(coturn.log(), /refreshed, .*lifetime=0|REFRESH processed, success[\s\S]*lifetime=0/)
        const everything = JSON.stringify(node.output())
        assert.notInclude(everything, JSON.stringify(password).slice(1, -1))
        assert.notInclude(everything, password)
      }),
    60_000
  )

  it.live("runs although the password is wrong, and says why it has no relay", () =>
    Effect.gen(function* () {
      const coturn = yield* Coturn.start()
      const home = yield* temporaryDirectory
      const file = yield* configFile(home, [
        `turn_server = "${coturn.host}:${coturn.port}"`,
        'turn_username = "user"',
        'turn_password = "not the password"'
      ])
      const node = yield* startNode(["--config", file], { home })
      const healthUrl = String(node.running["metricsUrl"]).replace("/metrics", "/health")
      const failed = fetchText(healthUrl).pipe(
        Effect.map((text) => JSON.parse(text)),
        Effect.repeat({ until: ({ parts }) => /check the user name/.test(parts.turn?.detail ?? "") })
      )
      assert.strictEqual((yield* failed).status, "degraded")
      assert.include(
        yield* fetchText(String(node.running["metricsUrl"])),
        'icn_turn_allocation_failures_total{reason="unauthorised"}'
      )
    })
  )
})

describe.skipIf(Coturn.skipped)(`turn check${Coturn.skipped ? ` (${Coturn.missing})` : ""}`, () => {
  it.live("proves a server by a packet through it and back, and prints the pinned document", () =>
    Effect.gen(function* () {
      const coturn = yield* Coturn.start({ users: [`bob:${password}`] })
      const home = yield* temporaryDirectory
      const uri = `turn:${coturn.host}:${coturn.port}`
      const check = ["turn", "check", uri, "--username", "bob", "--password", password]
      const json = yield* runToEnd([...check, "--json"], { home })
      const result = JSON.parse(json.stdout)
      assert.strictEqual(json.code, 0)
      assert.hasAllKeys(result, ["server", "ok", "transports"])
      assert.strictEqual(result.ok, true)
      for (const [index, transport] of ["udp", "tcp"].entries()) {
        const one = result.transports[index]
        assert.hasAllKeys(one, ["transport", "ok", "relayedAddress", "mappedAddress", "lifetimeSeconds", "rttMs"])
        assert.deepStrictEqual([one.transport, one.ok, one.lifetimeSeconds], [transport, true, 600])
        assert.isAbove(one.rttMs, 0)
      }
      const text = yield* runToEnd(check, { home })
      assert.match(text.stdout, /over UDP +ok[\s\S]*round trip +[\d.]+ ms[\s\S]*over TCP +ok[\s\S]*result +ok/)
    })
  )

  it.live("names the cause of each failure and exits 1", () =>
    Effect.gen(function* () {
      const coturn = yield* Coturn.start({ flags: ["--denied-peer-ip=127.0.0.1"] })
      const home = yield* temporaryDirectory
      const server = `${coturn.host}:${coturn.port}`
      const check = Effect.fnUntraced(function* (uri: string, password: string) {
        const args = ["turn", "check", uri, "--username", "user", "--password", password, "--json"]
        const { code, stdout } = yield* runToEnd(args, { home })
        const { error, ok, server, transports } = JSON.parse(stdout)
        assert.deepStrictEqual([code, ok, server], [1, false, uri])
        // The same cause over both, or one that kept either from being tried.
        return [error, ...transports.map((one: { readonly error?: string }) => one.error)].join()
      })
      assert.include(yield* check(server, "wrong password"), "check the user name and password")
      assert.include(yield* check(server, "password"), "403")
      assert.include(yield* check("no-such-host.invalid:3478", "password"), "unreachable")
      assert.include(yield* check("[fe80::1]:3478", "password"), "unreachable")
      assert.include(yield* check("turns:example.org", "password"), "not yet supported")
      yield* coturn.kill
      assert.include(yield* check(server, "password"), "ECONNREFUSED")
    })
  )
})
