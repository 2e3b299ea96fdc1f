/**
 * Where data and configuration of a user's programs live: the XDG base directories, and macOS's own place. Pure; a
 * relative XDG variable is ignored, as the XDG specification says.
 */
interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly homeDirectory: string | undefined
  readonly platform: string
}

const name = "icn-node"

const place = (
  { env, homeDirectory, platform }: Surroundings,
  variable: "XDG_DATA_HOME" | "XDG_CONFIG_HOME",
  below: string
): string | undefined => {
  const xdg = env[variable]
  if (xdg?.startsWith("/") === true) return `${xdg.replace(/\/+$/, "")}/${name}`
  if (homeDirectory === undefined) return undefined
  return platform === "darwin"
    ? `${homeDirectory}/Library/Application Support/${name}`
    : `${homeDirectory}/${below}/${name}`
}

/** The default of `data_dir`; `undefined` for an account without a home. */
export const dataDirectory = (surroundings: Surroundings): string | undefined =>
  place(surroundings, "XDG_DATA_HOME", ".local/share")

/** Where `icn.toml` is looked for after the working directory. */
export const configDirectory = (surroundings: Surroundings): string | undefined =>
  place(surroundings, "XDG_CONFIG_HOME", ".config")
