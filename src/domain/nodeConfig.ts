/**
 * The decoded configuration as a type, its keys as paths, and where values come from; all computed from the table in
 * nodeConfigTable.ts.
 */
import type { Entries, Key, Section } from "./nodeConfigKey.ts"
import { propertyName, type PropertyName } from "./nodeConfigNames.ts"
import { table } from "./nodeConfigTable.ts"

export { logFormats, logLevels } from "./nodeConfigTable.ts"

type Values<E extends Entries> = {
  readonly [N in keyof E & string as PropertyName<N>]: E[N] extends Key<infer A>
    ? A
    : E[N] extends Section<infer Inner>
      ? Values<Inner>
      : never
}

/** The decoded configuration: `values.network.turnServer`, `values.supervisor.shutdownTimeout`. */
export type NodeConfigData = Values<typeof table>

type PartialValues<E extends Entries> = {
  readonly [N in keyof E & string as PropertyName<N>]?: E[N] extends Key<infer A>
    ? A
    : E[N] extends Section<infer Inner>
      ? PartialValues<Inner>
      : never
}

/** Some of the configuration, as a program gives it; only `dataDir` has no default that holds everywhere. */
export type NodeConfigOverrides = PartialValues<typeof table> & Pick<NodeConfigData, "dataDir">

type Paths<E extends Entries> = {
  [N in keyof E & string]: E[N] extends Section<infer Inner> ? `${N}.${Paths<Inner>}` : N
}[keyof E & string]

/** A key by its place in the file, such as `network.turn_server`. */
export type KeyPath = Paths<typeof table>

/** Who gave a key its value. */
export type Origin =
  | { readonly _tag: "Default" }
  /** `line` is absent where the whole file is the value. */
  | { readonly _tag: "File"; readonly file: string; readonly line: number | undefined }
  | { readonly _tag: "Environment"; readonly variable: string }
  | { readonly _tag: "Flag"; readonly flag: string }
  /** The program that embeds the node. */
  | { readonly _tag: "Program" }

/** Who gave each key its value. */
export type Origins = Readonly<Record<KeyPath, Origin>>

/** A key with its place. */
export interface Leaf {
  readonly path: KeyPath
  readonly key: Key<unknown>
}

const collect = (entries: Entries, prefix: string): ReadonlyArray<readonly [string, Key<unknown>]> =>
  Object.entries(entries).flatMap(([name, entry]) =>
    entry._tag === "Key" ? [[`${prefix}${name}`, entry] as const] : collect(entry.entries, `${prefix}${name}.`)
  )

const keys: ReadonlyMap<string, Key<unknown>> = new Map(collect(table, ""))

/** Whether there is a key at a dotted path. */
export const isKeyPath = (path: string): path is KeyPath => keys.has(path)

/** Every key, in the order of the table. */
export const leaves: ReadonlyArray<Leaf> = Array.from(keys).flatMap(([path, key]) =>
  isKeyPath(path) ? [{ path, key }] : []
)

/** The key at a path. */
export const keyAt = (path: KeyPath): Key<unknown> => {
  const key = keys.get(path)
  if (key === undefined) throw new Error(`${path} is no configuration key`)
  return key
}

const build = (entries: Entries, prefix: string, values: ReadonlyMap<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(entries).map(([name, entry]) => [
      propertyName(name),
      entry._tag === "Key" ? values.get(`${prefix}${name}`) : build(entry.entries, `${prefix}${name}.`, values)
    ])
  )

/** Puts values together as the program sees them, provided that each was decoded by its key. */
export const assemble = (values: ReadonlyMap<KeyPath, unknown>): NodeConfigData =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `build` walks the table that the type is made from
  build(table, "", values) as NodeConfigData

/** Origins of all keys; of those that are not mentioned the default's. */
export const assembleOrigins = (origins: ReadonlyMap<KeyPath, Origin>): Origins =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `leaves` holds every `KeyPath`
  Object.fromEntries(leaves.map(({ path }) => [path, origins.get(path) ?? { _tag: "Default" }])) as Origins
