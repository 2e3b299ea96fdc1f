/**
 * The node's configuration after defaults, file, environment and flags were put together and checked. Implemented by
 * layers/NodeConfigToml.ts (icn.toml and ICN_* variables) and layers/NodeConfigMemory.ts; every key, its type, unit,
 * default and range is in domain/nodeConfigTable.ts.
 */
import { Context, Schema } from "effect"
import type { NodeConfigData, Origins } from "../domain/nodeConfig.ts"
import { ConfigProblem, formatProblem } from "../domain/nodeConfigProblem.ts"

/** The configuration cannot be used. Carries every problem at once, and what else was doubtful. */
export class ConfigInvalid extends Schema.TaggedError<ConfigInvalid>()("ConfigInvalid", {
  /** The file, or "configuration" without one. */
  source: Schema.String,
  problems: Schema.Array(ConfigProblem),
  warnings: Schema.Array(ConfigProblem)
}) {
  override get message() {
    const count = this.problems.length
    const lines = this.problems.map((problem) => `  ${formatProblem(problem)}`)
    return [`${this.source} has ${count} problem${count === 1 ? "" : "s"}:`, ...lines].join("\n")
  }
}

export class NodeConfig extends Context.Service<
  NodeConfig,
  {
    readonly values: NodeConfigData
    /** Where each key's value came from; `_tag: "Default"` where nobody set it. */
    readonly origins: Origins
    /** Doubtful settings that do not stop the node. */
    readonly warnings: ReadonlyArray<ConfigProblem>
    /** The file that was read, or a phrase that says that there was none. */
    readonly source: string
  }
>()("icn-node/services/NodeConfig") {}
