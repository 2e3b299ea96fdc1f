/**
 * The directory that holds everything a node keeps, and the lock that gives it to one process at a time. Implemented by
 * layers/DataDirectoryFs.ts (a directory of the file system, locked by the kernel) and layers/DataDirectoryMemory.ts.
 */
import { Context, type Effect, Schema, type Scope } from "effect"

/** The directory cannot be used. */
export class DataDirectoryError extends Schema.TaggedError<DataDirectoryError>()("DataDirectoryError", {
  path: Schema.String,
  reason: Schema.Literals(["notADirectory", "notCreated", "notWritable", "exposed", "lockFailed"]),
  detail: Schema.String
}) {
  override get message() {
    return `data directory ${this.path}: ${this.detail}`
  }
}

/** What the process that holds the lock says of itself. */
export const LockHolder = Schema.Struct({ pid: Schema.Int, hostname: Schema.String, startedAt: Schema.String })
export type LockHolder = typeof LockHolder.Type

/** Another process works with the directory. */
export class DataDirectoryInUse extends Schema.TaggedError<DataDirectoryInUse>()("DataDirectoryInUse", {
  path: Schema.String,
  /** Absent for the moment in which the other process has the lock and has not told who it is. */
  holder: Schema.optionalKey(LockHolder)
}) {
  override get message() {
    const holder =
      this.holder === undefined
        ? "another process"
        : `process ${this.holder.pid} on ${this.holder.hostname} since ${this.holder.startedAt}`
    return (
      `data directory ${this.path} is in use by ${holder}; ` +
      `stop it with "icn-node stop --data-dir ${this.path}", or choose another directory with --data-dir`
    )
  }
}

export class DataDirectory extends Context.Service<
  DataDirectory,
  {
    /** Absolute path. */
    readonly path: string
    /**
     * Takes the directory for this process alone until the scope closes. However the process ends, the lock ends with
     * it, so nothing has to be cleaned up after a crash.
     */
    readonly lock: Effect.Effect<void, DataDirectoryInUse | DataDirectoryError, Scope.Scope>
  }
>()("icn-node/services/DataDirectory") {}
