/**
 * For programs that talk to a node from outside, in a browser or in Node.js, without Effect. So far a node tells how it
 * is; what members do through it will be added here.
 */

export interface PartHealth {
  readonly status: "ok" | "degraded"
  readonly detail: string
}

export interface NodeHealth {
  /** `down` while the node stops; its parts are then being closed. */
  readonly status: "ok" | "degraded" | "down"
  readonly state: "stopped" | "starting" | "running" | "stopping"
  readonly parts: Readonly<Record<string, PartHealth>>
}

/** The node did not answer, or not as a node does. */
export class IcnClientError extends Error {
  override readonly name = "IcnClientError"
}

/** How long a node may take to answer; it answers from memory. */
const answerMillisMax = 5_000

const isNodeHealth = (value: unknown): value is NodeHealth =>
  typeof value === "object" &&
  value !== null &&
  "status" in value &&
  ["ok", "degraded", "down"].includes(String(value.status)) &&
  "state" in value &&
  typeof value.state === "string" &&
  "parts" in value &&
  typeof value.parts === "object" &&
  value.parts !== null

export class IcnClient {
  private readonly baseUrl: string

  /** `baseUrl` is where the node serves its metrics, such as `http://127.0.0.1:9100`. */
  constructor({ baseUrl }: { readonly baseUrl: string }) {
    this.baseUrl = baseUrl.replace(/\/+$/, "")
  }

  /** Whether the node is well, and which of its parts are not. */
  async health(): Promise<NodeHealth> {
    const response = await this.get("/health")
    const body: unknown = await response.json().catch(() => undefined)
    if (!isNodeHealth(body)) throw new IcnClientError(`${this.baseUrl} does not answer as a node does`)
    return body
  }

  /** Whether the node has started and may be given work. */
  async ready(): Promise<boolean> {
    return (await this.get("/ready")).status === 200
  }

  private async get(path: string): Promise<Response> {
    try {
      return await fetch(this.baseUrl + path, { signal: AbortSignal.timeout(answerMillisMax) })
    } catch (cause) {
      throw new IcnClientError(`${this.baseUrl} cannot be reached`, { cause })
    }
  }
}
