/** What every benchmark has: the machine that it ran on, and flags that are checked. */
import { Schema } from "effect"
import { Flag } from "effect/cli"
import { cpus, release } from "node:os"

export const machine = () => {
  const processors = cpus()
  return {
    processors: `${processors.length} x ${processors[0]?.model.trim() ?? "unknown"}`,
    kernel: release(),
    node: process.version
  }
}

export const atLeastOne = Flag.withSchema(Schema.Int.check(Schema.isGreaterThanOrEqualTo(1)))
export const positive = Flag.withSchema(Schema.Finite.check(Schema.isGreaterThan(0)))
