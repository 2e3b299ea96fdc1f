/**
 * Configuration given by a program: the defaults of every key, with what the program sets in their place. For embedders
 * and tests; reads neither files nor the environment.
 */
import { Layer, Result } from "effect"
import {
  assemble,
  assembleOrigins,
  type KeyPath,
  leaves,
  type NodeConfigOverrides,
  type Origin
} from "../domain/nodeConfig.ts"
import { propertyName } from "../domain/nodeConfigNames.ts"
import { NodeConfig } from "../services/NodeConfig.ts"

const valueAt = (values: NodeConfigOverrides, path: KeyPath): unknown => {
  let at: unknown = values
  for (const name of path.split(".")) {
    if (typeof at !== "object" || at === null) return undefined
    at = Reflect.get(at, propertyName(name))
  }
  return at
}

/** A configuration in memory; what is left out has its default. */
export const layer = (overrides: NodeConfigOverrides): Layer.Layer<NodeConfig> => {
  const values = new Map<KeyPath, unknown>()
  const origins = new Map<KeyPath, Origin>()
  for (const { key, path } of leaves) {
    const given = valueAt(overrides, path)
    const byDefault = key.default === undefined ? undefined : Result.getOrThrow(key.decode(key.default)).value
    values.set(path, given ?? byDefault)
    origins.set(path, { _tag: given === undefined ? "Default" : "Program" })
  }
  return Layer.succeed(NodeConfig, {
    values: assemble(values),
    origins: assembleOrigins(origins),
    warnings: [],
    source: "memory"
  })
}
