/**
 * The names of one configuration key in its four places: `turn_timeout_ms` in the file, `turnTimeout` in the program,
 * `ICN_NETWORK_TURN_TIMEOUT_MS` in the environment, `--turn-timeout-ms` on the command line.
 */
type WithoutUnit<S extends string> = S extends `${infer Base}_secs` ? Base : S extends `${infer Base}_ms` ? Base : S

type CamelCase<S extends string> = S extends `${infer Head}_${infer Tail}` ? `${Head}${Capitalize<CamelCase<Tail>>}` : S

/** The name in the program: camel case, and without the unit, since the program holds a `Duration`. */
export type PropertyName<S extends string> = CamelCase<WithoutUnit<S>>

/** `PropertyName` at run time. */
export const propertyName = (name: string): string =>
  name.replace(/_(?:secs|ms)$/, "").replace(/_(.)/g, (_, letter: string) => letter.toUpperCase())

/** Every variable that configures the node begins with this. */
export const variablePrefix = "ICN_"

/** `network.turn_server` is set by `ICN_NETWORK_TURN_SERVER`. */
export const variableName = (path: string): string => `${variablePrefix}${path.replaceAll(".", "_").toUpperCase()}`

/** `observability.metrics_port` is set by `--metrics-port`, where a command offers it. */
export const flagName = (path: string): string => `--${(path.split(".").at(-1) ?? path).replaceAll("_", "-")}`
