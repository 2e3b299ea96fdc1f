/**
 * `npm run demo`: three nodes on this machine, as three processes of the built program, each with a directory of its
 * own under the system's temporary one. It does what three members would do at three terminals and says each command
 * before it is run; everything is stopped and removed at the end, however that comes. Fails when something does not
 * happen.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { createHash, randomBytes } from "node:crypto"
import { once } from "node:events"
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { promisify } from "node:util"

const main = join(import.meta.dirname, "../dist/main.js")
const fileBytes = 32 * 1024 * 1024
/** The longest that anything in the demo may take. */
const patienceMillis = 30_000

interface Member {
  readonly name: string
  readonly dataDir: string
  readonly did: string
  readonly uri: string
  readonly process: ChildProcess
}

interface Status {
  readonly peers: ReadonlyArray<{ readonly did: string; readonly path: { readonly rttMs: number | null } }>
}

const say = (text: string): void => void process.stdout.write(`${text}\n`)
const step = (text: string): void => say(process.stdout.isTTY ? `\n\u001b[1m${text}\u001b[0m` : `\n${text}`)
const running = new Set<ChildProcess>()

const icnNode = async (...args: ReadonlyArray<string>): Promise<string> => {
  const { stdout } = await promisify(execFile)(process.execPath, [main, ...args], { maxBuffer: 1 << 24 })
  return stdout
}

/** Asks again until the answer is right; fails with what was waited for. */
const until = async (what: string, holds: () => Promise<boolean>): Promise<number> => {
  const started = performance.now()
  while (!(await holds())) {
    if (performance.now() - started > patienceMillis) throw new Error(`waited ${patienceMillis / 1000} s for: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return (performance.now() - started) / 1000
}

const start = async (name: string, dataDir: string, bootstrap: ReadonlyArray<string>): Promise<Member> => {
  // The log would drown the story; errors would be part of it.
  const args = ["run", "--json", "--log-level", "error", "--metrics-port", "0", "--data-dir", dataDir]
  args.push("--listen", "127.0.0.1:0")
  if (bootstrap.length > 0) args.push("--bootstrap", bootstrap.join(","))
  const child = spawn(process.execPath, [main, ...args], { stdio: ["ignore", "pipe", "inherit"] })
  running.add(child)
  child.once("exit", () => running.delete(child))
  for await (const line of createInterface({ input: child.stdout })) {
    const event: { event: string; did: string; listen: ReadonlyArray<string> } = JSON.parse(line)
    if (event.event !== "running") continue
    child.stdout.resume()
    say(`  ${name.padEnd(6)} ${event.did}`)
    return { name, dataDir, did: event.did, uri: event.listen[0] ?? "", process: child }
  }
  throw new Error(`${name} ended before it ran`)
}

const status = async ({ dataDir }: Member): Promise<Status> =>
  JSON.parse(await icnNode("network", "status", "--json", "--data-dir", dataDir))

const sees = async (one: Member, others: ReadonlyArray<Member>): Promise<boolean> => {
  const seen = new Set((await status(one)).peers.map(({ did }) => did))
  return others.every(({ did }) => seen.has(did))
}

const exchange = async (from: Member, to: Member, root: string): Promise<void> => {
  const content = randomBytes(fileBytes)
  const sha256 = createHash("sha256").update(content).digest("hex")
  const file = join(root, "minutes.pdf")
  const out = join(root, `${to.name}-inbox`)
  await writeFile(file, content)
  await mkdir(out, { recursive: true })
  say(`  $ icn-node receive --out ${to.name}-inbox --count 1     (${to.name})`)
  const receiver = spawn(
    process.execPath,
    [main, "receive", "--json", "--count", "1", "--out", out, "--data-dir", to.dataDir],
    { stdio: ["ignore", "pipe", "ignore"] }
  )
  running.add(receiver)
  receiver.once("exit", () => running.delete(receiver))
  let told = ""
  receiver.stdout.on("data", (part) => (told += String(part)))
  const received = once(receiver, "exit")
  say(`  $ icn-node send ${to.did.slice(0, 20)}… --file minutes.pdf     (${from.name})`)
  // The receiver may not serve yet when the sender comes, who is then told so and tries again.
  let answer = ""
  await until("the file to be sent", async () => {
    try {
      answer = await icnNode("send", to.did, "--file", file, "--json", "--data-dir", from.dataDir)
      return true
    } catch {
      return false
    }
  })
  await received
  const sent: { bytes: number; seconds: number } = JSON.parse(answer)
  const arrived: { file: string } = JSON.parse(told.trim())
  const same =
    createHash("sha256")
      .update(await readFile(arrived.file))
      .digest("hex") === sha256
  if (!same) throw new Error("the file that arrived is not the one that was sent")
  const rate = (sent.bytes / 1e6 / sent.seconds).toFixed(0)
  say(`  ${(sent.bytes / 1e6).toFixed(0)} MB in ${sent.seconds.toFixed(2)} s (${rate} MB/s), the checksums are equal`)
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
  const ada = await start("Ada", directory("ada"), [])
  const bea = await start("Bea", directory("bea"), [ada.uri])
  const chris = await start("Chris", directory("chris"), [ada.uri])
  const found = await until("all three to find each other", async () => {
    const seen = [sees(ada, [bea, chris]), sees(bea, [ada, chris]), sees(chris, [ada, bea])]
    return (await Promise.all(seen)).every(Boolean)
  })
  say(`  found each other ${found.toFixed(1)} s later, Bea and Chris through Ada:`)
  await tell([ada, bea, chris])

  step("2. Bea sends Chris a file")
  await exchange(bea, chris, root)

  step("3. Ada is killed; Bea and Chris do not need her")
  ada.process.kill("SIGKILL")
  await once(ada.process, "exit")
  say(`  $ kill -9 ${ada.process.pid}`)
  say(`  $ icn-node ping ${chris.did.slice(0, 20)}… --count 3     (Bea)`)
  const answers = (await icnNode("ping", chris.did, "--count", "3", "--json", "--data-dir", bea.dataDir)).trim()
  for (const line of answers.split("\n")) {
    const { path, rttMs }: { rttMs: number; path: { remoteAddress: string } } = JSON.parse(line)
    say(`  ${path.remoteAddress} answered in ${rttMs.toFixed(1)} ms`)
  }

  step("4. Ada comes back, and finds the others where she met them")
  const again = await start("Ada", directory("ada"), [])
  const back = await until(
    "Ada to be back",
    async () => (await sees(again, [bea, chris])) && (await sees(bea, [again]))
  )
  say(`  everybody is connected ${back.toFixed(1)} s later`)
  await tell([again, bea, chris])

  step("5. Everybody stops in good order")
  await Promise.all([again, bea, chris].map(({ dataDir }) => icnNode("stop", "--data-dir", dataDir)))
  say("  done")
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
