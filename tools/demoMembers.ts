/** What the demos share: members as processes of the built program, and their commands. */
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { createHash, randomBytes } from "node:crypto"
import { once } from "node:events"
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { promisify } from "node:util"

const main = join(import.meta.dirname, "../dist/main.js")
const fileBytes = 32 * 1024 * 1024
/** The longest that anything in the demo may take. */
const patienceMillis = 30_000

export interface Member {
  readonly name: string
  readonly dataDir: string
  readonly did: string
  readonly uri: string
  readonly process: ChildProcess
}

export interface Status {
  readonly peers: ReadonlyArray<{
    readonly did: string
    readonly path: {
      readonly kind: string
      readonly remoteAddress: string
      readonly rttMs: number | null
      readonly switches: number
    }
  }>
}

export const say = (text: string): void => void process.stdout.write(`${text}\n`)
export const step = (text: string): void => say(process.stdout.isTTY ? `\n\u001b[1m${text}\u001b[0m` : `\n${text}`)
export const running = new Set<ChildProcess>()

export const icnNode = async (...args: ReadonlyArray<string>): Promise<string> => {
  const { stdout } = await promisify(execFile)(process.execPath, [main, ...args], { maxBuffer: 1 << 24 })
  return stdout
}

/** Asks again until the answer is right; fails with what was waited for. */
export const until = async (what: string, holds: () => Promise<boolean>): Promise<number> => {
  const started = performance.now()
  while (!(await holds())) {
    if (performance.now() - started > patienceMillis) throw new Error(`waited ${patienceMillis / 1000} s for: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return (performance.now() - started) / 1000
}

export interface StartOptions {
  readonly bootstrap: ReadonlyArray<string>
  /** 127.0.0.1 and a free port unless given. */
  readonly listen?: string
  /** More arguments of `run`. */
  readonly args?: ReadonlyArray<string>
  readonly environment?: Readonly<Record<string, string>>
  /** The namespace of the network in which it runs. */
  readonly namespace?: string
}

export const start = async (name: string, dataDir: string, options: StartOptions): Promise<Member> => {
  const { args: more = [], bootstrap, environment = {}, listen = "127.0.0.1:0", namespace } = options
  // The log would drown the story; errors would be part of it.
  const args = ["run", "--json", "--log-level", "error", "--metrics-port", "0", "--data-dir", dataDir]
  args.push("--listen", listen, ...more)
  if (bootstrap.length > 0) args.push("--bootstrap", bootstrap.join(","))
  const prefix = namespace === undefined ? [] : ["ip", "netns", "exec", namespace]
  const [command = process.execPath, ...rest] = [...prefix, process.execPath, main, ...args]
  const child = spawn(command, rest, {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...environment }
  })
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

export const status = async ({ dataDir }: Member): Promise<Status> =>
  JSON.parse(await icnNode("network", "status", "--json", "--data-dir", dataDir))

export const exchange = async (from: Member, to: Member, root: string): Promise<void> => {
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
