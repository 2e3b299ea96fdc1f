/**
 * `DataDirectory` that is no directory: a path to show and a lock within the program, for tests and embedders that keep
 * everything in memory.
 */
import { DateTime, Effect, Layer } from "effect"
import { DataDirectory, DataDirectoryInUse, type LockHolder } from "../services/DataDirectory.ts"

export const make = (path: string): DataDirectory["Service"] => {
  let holder: LockHolder | undefined
  const acquire = Effect.gen(function* () {
    const startedAt = DateTime.formatIso(yield* DateTime.now)
    if (holder !== undefined) return yield* new DataDirectoryInUse({ path, holder })
    holder = { pid: 0, hostname: "memory", startedAt }
  })
  const release = Effect.sync(() => {
    holder = undefined
  })
  return DataDirectory.of({ path, lock: Effect.acquireRelease(acquire, () => release) })
}

export const layer = (path = "/memory"): Layer.Layer<DataDirectory> => Layer.sync(DataDirectory, () => make(path))
