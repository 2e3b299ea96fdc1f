/**
 * Puts the settings of all sources together: decodes each, lets the later win, fills in defaults and checks the rules
 * between keys. Never stops at the first problem.
 */
import { Result } from "effect"
import {
  assemble,
  assembleOrigins,
  keyAt,
  type KeyPath,
  leaves,
  type Leaf,
  type NodeConfigData,
  type Origin,
  type Origins
} from "./nodeConfig.ts"
import { decodeSetting } from "./nodeConfigDecode.ts"
import type { Decoded, Plain } from "./nodeConfigKey.ts"
import { type ConfigProblem, problemAt, redacted } from "./nodeConfigProblem.ts"
import * as Rules from "./nodeConfigRules.ts"
import type { Setting } from "./nodeConfigSources.ts"

/** A key's value as it would stand in the file, secrets masked; `plain` is absent for a key without a value. */
export interface Effective {
  readonly path: KeyPath
  readonly plain: Plain | undefined
  readonly origin: Origin
}

/** Everything that follows from some settings; the values can be used when there are no problems. */
export interface Resolved {
  readonly values: NodeConfigData
  readonly origins: Origins
  readonly effective: ReadonlyArray<Effective>
  readonly problems: ReadonlyArray<ConfigProblem>
  readonly warnings: ReadonlyArray<ConfigProblem>
}

interface Chosen {
  readonly decoded: Decoded<unknown> | undefined
  readonly origin: Origin
}

const byDefault = ({ key, path }: Leaf): Result.Result<Chosen, ConfigProblem> => {
  const origin: Origin = { _tag: "Default" }
  if (key.default !== undefined) {
    const decoded = Result.getOrThrowWith(key.decode(key.default), (why) => new Error(`default of ${path}: ${why}`))
    return Result.succeed({ decoded, origin })
  }
  if (key.optional) return Result.succeed({ decoded: undefined, origin })
  return Result.fail(problemAt(origin, { key: path, problem: "there is no default on this machine; set it" }))
}

interface Situation {
  readonly values: NodeConfigData
  readonly chosen: ReadonlyMap<KeyPath, Chosen>
  /** False when a source could not be read in full, so that a missing key proves nothing. */
  readonly complete: boolean
}

const applyRules = (
  rules: ReadonlyArray<Rules.Rule>,
  { chosen, complete, values }: Situation
): ReadonlyArray<ConfigProblem> =>
  rules.flatMap(({ keys, violation }) => {
    // A key that is not chosen could not be decoded: that was said already, and what it was meant to be is not known.
    const places = keys.map((key) => chosen.get(key)?.origin)
    const known = places.every((origin) => origin !== undefined && (complete || origin._tag !== "Default"))
    const problem = known ? violation(values) : undefined
    const [blamed] = places
    return blamed === undefined || problem === undefined ? [] : [problemAt(blamed, { key: keys[0], problem })]
  })

/** Resolves settings, ordered from weakest to strongest; `complete` says whether all sources could be read in full. */
export const resolve = (settings: ReadonlyArray<Setting>, complete: boolean): Resolved => {
  const problems: Array<ConfigProblem> = []
  const failed = new Set<KeyPath>()
  const given = new Map<KeyPath, Chosen>()
  for (const setting of settings) {
    const decoded = decodeSetting(setting)
    if (Result.isSuccess(decoded)) {
      given.set(setting.path, { decoded: decoded.success, origin: setting.origin })
    } else {
      problems.push(...decoded.failure)
      failed.add(setting.path)
    }
  }
  const chosen = new Map<KeyPath, Chosen>()
  for (const leaf of leaves) {
    if (failed.has(leaf.path)) continue
    const place = Result.fromNullishOr(given.get(leaf.path), () => leaf).pipe(Result.orElse(byDefault))
    if (Result.isSuccess(place)) chosen.set(leaf.path, place.success)
    else problems.push(place.failure)
  }
  const values = assemble(new Map(Array.from(chosen, ([path, { decoded }]) => [path, decoded?.value])))
  return {
    values,
    origins: assembleOrigins(new Map(Array.from(chosen, ([path, { origin }]) => [path, origin]))),
    effective: Array.from(chosen, ([path, { decoded, origin }]) => ({
      path,
      plain: keyAt(path).role === "secret" && decoded !== undefined ? redacted : decoded?.plain,
      origin
    })),
    problems: [...problems, ...applyRules(Rules.errors, { values, chosen, complete })],
    warnings: applyRules(Rules.doubts, { values, chosen, complete })
  }
}
