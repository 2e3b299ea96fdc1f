/**
 * The side of the thread: takes batches of calls from the main thread and answers them. It is synchronous throughout,
 * so a batch is done before the next one is looked at. What is thrown outside of a call ends the thread, and the main
 * thread starts another one (Thread.ts). What the thread needs to know is in its `workerData`.
 */
import { type MessagePort, parentPort, receiveMessageOnPort } from "node:worker_threads"
import { type Answer, type CallMessage, type FromThread, thrownOf, type ToThread } from "./messages.ts"

export interface Served {
  /** Answers every call of a batch, in order. */
  readonly run: (calls: ReadonlyArray<CallMessage>) => ReadonlyArray<Answer>
  /** Said with the answers of each batch. */
  readonly note?: () => unknown
  /**
   * Milliseconds of looking out for the next batch before the thread sleeps, from which it takes 0.1 ms to wake. Who
   * asks again as soon as he is answered finds it awake; where there is one processor, it would only be in his way.
   */
  readonly lookoutMillis?: number
  readonly close: () => void
}

/** Objects as plain functions by name, the first that has one; a name that none has is a mistake of the caller. */
export const caller = (...targets: ReadonlyArray<object>) => {
  const methods = new Map<string, (...args: ReadonlyArray<unknown>) => unknown>()
  return ({ args, name }: CallMessage): unknown => {
    let method = methods.get(name)
    if (method === undefined) {
      const target = targets.find((one) => typeof Reflect.get(one, name) === "function")
      const found: unknown = target === undefined ? undefined : Reflect.get(target, name)
      if (typeof found !== "function") throw new TypeError(`a thread of the ledger was asked for "${name}"`)
      method = (...all) => Reflect.apply(found, target, all)
      methods.set(name, method)
    }
    return method(...args)
  }
}

/** Each call by itself: what one throws is its own answer. */
export const oneByOne =
  (call: (message: CallMessage) => unknown) =>
  (calls: ReadonlyArray<CallMessage>): ReadonlyArray<Answer> =>
    calls.map((message) => {
      try {
        return { _tag: "Returned", value: call(message) }
      } catch (error) {
        return { _tag: "Threw", thrown: thrownOf(error) }
      }
    })

/** The next message, if it comes soon. */
const soon = (port: MessagePort, lookoutMillis: number): ToThread | undefined => {
  const endsAt = performance.now() + lookoutMillis
  do {
    const next: { readonly message: ToThread } | undefined = receiveMessageOnPort(port)
    if (next !== undefined) return next.message
  } while (performance.now() < endsAt)
  return undefined
}

/** Runs this thread: `start` begins its work, and gets a way to tell things unasked. */
export const serve = (start: (tell: (value: unknown) => void) => Served): void => {
  const port = parentPort
  if (port === null) throw new Error("not a thread")
  const say = (message: FromThread) => {
    port.postMessage(message, [])
  }
  let served: Served
  try {
    served = start((value) => say({ _tag: "Told", value }))
  } catch (error) {
    // Nothing listens to the port, so this is the end of the thread.
    say({ _tag: "NotStarted", thrown: thrownOf(error) })
    return
  }
  const { close, lookoutMillis = 0, note, run } = served
  port.on("message", (first: ToThread) => {
    for (let message: ToThread | undefined = first; message !== undefined;) {
      if (message._tag === "Close") {
        close()
        port.close()
        return
      }
      const answers = run(message.calls)
      say({ _tag: "Answers", batch: message.batch, answers, note: note?.() })
      message = lookoutMillis === 0 ? undefined : soon(port, lookoutMillis)
    }
  })
  say({ _tag: "Ready" })
}
