/** Waiting for what the native half cannot give up. */
import { AbortError } from "@libp2p/interface"

/** What a signal that has fired is reported as. */
export const abortReason = (signal: AbortSignal): Error =>
  signal.reason instanceof Error ? signal.reason : new AbortError()

/** Waits for `pending` until the signal fires. What comes after that is given to `dispose`, a failure to nobody. */
export const orAbandon = <A>(pending: Promise<A>, signal: AbortSignal, dispose: (late: A) => void): Promise<A> =>
  new Promise((resolve, reject) => {
    let waiting = !signal.aborted
    const abandon = () => {
      waiting = false
      reject(abortReason(signal))
    }
    if (!waiting) abandon()
    signal.addEventListener("abort", abandon, { once: true })
    const arrive = (value: A): void => {
      if (waiting) resolve(value)
      else dispose(value)
    }
    pending.then(arrive, reject).finally(() => signal.removeEventListener("abort", abandon))
  })
