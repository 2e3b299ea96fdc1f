/**
 * `npm run demo`: three nodes on this machine, as three processes of the built program, each with a directory of its
 * own under the system's temporary one. It does what three members would do at three terminals and says each command
 * before it is run; everything is stopped and removed at the end, however that comes. Fails when something does not
 * happen. As root on Linux it also makes a network with NATs, in namespaces of its own (demoNat.ts).
 */
import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { exchange, icnNode, type Member, running, say, start, status, step, until } from "./demoMembers.ts"
import { agreed, cooperate, pay } from "./demoLedger.ts"
import { demoNat, whyNot } from "./demoNat.ts"

const sees = async (one: Member, others: ReadonlyArray<Member>): Promise<boolean> => {
  const seen = new Set((await status(one)).peers.map(({ did }) => did))
  return others.every(({ did }) => seen.has(did))
}

const tell = async (members: ReadonlyArray<Member>): Promise<void> => {
  const all = await Promise.all(members.map(status))
  for (const [index, one] of members.entries()) {
    const names = (all[index]?.peers ?? []).map(({ did, path }) => {
      const name = members.find((other) => other.did === did)?.name ?? did
      return path.rttMs === null ? name : `${name} (${path.rttMs.toFixed(1)} ms)`
    })
    say(`  ${one.name.padEnd(6)} has sessions with ${names.toSorted().join(", ")}`)
  }
}

const demo = async (root: string): Promise<void> => {
  const directory = (name: string) => join(root, name)
  step("1. Three members start; Bea and Chris know only where Ada is")
  const ada = await start("Ada", directory("ada"), { bootstrap: [] })
  const bea = await start("Bea", directory("bea"), { bootstrap: [ada.uri] })
  const chris = await start("Chris", directory("chris"), { bootstrap: [ada.uri] })
  const found = await until("all three to find each other", async () => {
    const seen = [sees(ada, [bea, chris]), sees(bea, [ada, chris]), sees(chris, [ada, bea])]
    return (await Promise.all(seen)).every(Boolean)
  })
  say(`  found each other ${found.toFixed(1)} s later, Bea and Chris through Ada:`)
  await tell([ada, bea, chris])

  step("2. Bea sends Chris a file")
  await exchange(bea, chris, root)

  step("3. Ada invites them to a cooperative, and Chris is paid for writing the minutes")
  await cooperate(ada, [bea, chris])
  await pay(bea, chris, "1.50", "1.50", [ada, bea, chris])

  step("4. Ada is killed; Bea and Chris do not need her")
  ada.process.kill("SIGKILL")
  await once(ada.process, "exit")
  say(`  $ kill -9 ${ada.process.pid}`)
  say(`  $ icn-node ping ${chris.did.slice(0, 20)}… --count 3     (Bea)`)
  const answers = (await icnNode("ping", chris.did, "--count", "3", "--json", "--data-dir", bea.dataDir)).trim()
  for (const line of answers.split("\n")) {
    const { path, rttMs }: { rttMs: number; path: { remoteAddress: string } } = JSON.parse(line)
    say(`  ${path.remoteAddress} answered in ${rttMs.toFixed(1)} ms`)
  }
  await pay(chris, bea, "0.50", "-1.00", [bea, chris])

  step("5. Ada comes back, finds the others where she met them, and learns what was paid")
  const again = await start("Ada", directory("ada"), { bootstrap: [] })
  const back = await until(
    "Ada to be back",
    async () => (await sees(again, [bea, chris])) && (await sees(bea, [again]))
  )
  say(`  everybody is connected ${back.toFixed(1)} s later`)
  await tell([again, bea, chris])
  await agreed([again], bea, "-1.00")

  step("6. Everybody stops in good order")
  await Promise.all([again, bea, chris].map(({ dataDir }) => icnNode("stop", "--data-dir", dataDir)))
  say("  done")

  step("7. Two members behind NATs, and a path that is cut")
  const reason = whyNot()
  if (reason === undefined) await demoNat(directory("nat"))
  else say(`  left out: ${reason}`)
}

const root = await mkdtemp(join(tmpdir(), "icn-node-demo-"))
const end = async (): Promise<void> => {
  for (const child of running) child.kill("SIGKILL")
  await rm(root, { recursive: true, force: true })
}
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => void end().then(() => process.exit(130)))
}
try {
  await demo(root)
} catch (error) {
  process.stderr.write(`\nthe demo failed: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
} finally {
  await end()
}
