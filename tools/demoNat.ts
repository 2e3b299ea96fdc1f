/**
 * The part of the demo that needs root: two members behind routers with NATs, in network namespaces of their own, who
 * share only a bootstrap node. They find a direct way through the NATs; it is cut, and the session goes on over the
 * TURN server; it is restored, and the session goes back. It is one session all the time.
 */
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import * as Nat from "../test/fixtures/natNetwork.ts"
import { icnNode, type Member, running, say, start, status, until } from "./demoMembers.ts"

/** Why this part cannot be shown here. */
export const whyNot = (): string | undefined => Nat.missing

const pathTo = async (from: Member, to: Member) => (await status(from)).peers.find(({ did }) => did === to.did)?.path

const startRelay = (pub: string, directory: string): void => {
  const { turn } = Nat.publicHosts
  const flags = ["-n", "--no-cli", "--no-tls", "--no-dtls", "--lt-cred-mech", "--realm=demo", "--fingerprint"]
  flags.push("--user=demo:demo-password", `--listening-ip=${turn}`, `--relay-ip=${turn}`, "--no-multicast-peers")
  flags.push("--log-file=stdout", `--pidfile=${join(directory, "turn.pid")}`, `--userdb=${join(directory, "turn.db")}`)
  const [command, ...args] = Nat.inNamespace(pub, "turnserver", ...flags)
  const server = spawn(command, args, { stdio: "ignore" })
  running.add(server)
  server.once("exit", () => running.delete(server))
}

const story = async ({ hosts, pub }: Nat.NatNetwork, directory: string): Promise<void> => {
  await mkdir(directory, { recursive: true })
  startRelay(pub, directory)
  const at = (name: string) => join(directory, name)
  const dot = await start("Dot", at("dot"), {
    bootstrap: [],
    listen: `${Nat.publicHosts.bootstrap}:7777`,
    namespace: pub
  })
  const behind = (name: string, index: number) =>
    start(name, at(name.toLowerCase()), {
      bootstrap: [dot.uri],
      listen: "0.0.0.0:7777",
      namespace: hosts[index]?.namespace ?? pub,
      environment: {
        ICN_NETWORK_TURN_SERVER: `${Nat.publicHosts.turn}:3478`,
        ICN_NETWORK_TURN_USERNAME: "demo",
        ICN_NETWORK_TURN_PASSWORD: "demo-password"
      }
    })
  const eve = await behind("Eve", 0)
  const finn = await behind("Finn", 1)
  say("  Dot is on the internet; Eve and Finn are each behind a router that lets nobody in")
  const isOver = (kind: string) => async () => (await pathTo(eve, finn))?.kind === kind
  const tell = async (what: string, seconds: number): Promise<void> => {
    const path = await pathTo(eve, finn)
    say(
      `  ${what} after ${seconds.toFixed(1)} s: ${path?.kind}, ${path?.remoteAddress}, ${path?.switches} changes so far`
    )
  }
  await tell("Eve has a session with Finn", await until("a way through both NATs", isOver("reflexive")))

  const outside = hosts[1]?.outside ?? ""
  say(`  everything between Eve and ${outside} is dropped from now on, without a word`)
  await Effect.runPromise(hosts[0]?.cut(outside) ?? Effect.void)
  await tell("the same session goes on", await until("the relay to take over", isOver("relayed")))
  say(`  $ icn-node ping ${finn.did.slice(0, 20)}… --count 3     (Eve)`)
  const answers = (await icnNode("ping", finn.did, "--count", "3", "--data-dir", eve.dataDir)).trim()
  for (const answer of answers.split("\n")) say(`  ${answer.trim()}`)

  say("  the path is there again")
  await Effect.runPromise(hosts[0]?.restore ?? Effect.void)
  await tell("the same session is back", await until("the direct way", isOver("reflexive")))
  await Promise.all([eve, finn, dot].map(({ dataDir }) => icnNode("stop", "--data-dir", dataDir)))
}

/** Makes the network, tells the story, and removes everything. */
export const demoNat = (directory: string): Promise<void> =>
  Effect.runPromise(
    Effect.scoped(
      Effect.flatMap(Nat.make({ modes: ["cone", "cone"] }), (network) =>
        Effect.promise(() => story(network, directory))
      )
    )
  )
