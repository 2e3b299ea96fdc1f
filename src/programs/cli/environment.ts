/**
 * What the process was given from outside: environment variables, home and working directory, platform. The one reader
 * of `process.env`; everything else takes these facts from here, so that tests and embedders can set them.
 */
import { Context } from "effect"
import { homedir } from "node:os"

export interface ProcessEnvironmentShape {
  readonly variables: Readonly<Record<string, string | undefined>>
  /** The user's home directory; `undefined` where the account has none. */
  readonly homeDirectory: string | undefined
  readonly workingDirectory: string
  /** As `process.platform`. */
  readonly platform: string
}

/** `homedir` throws for a user id without an account when `HOME` is unset, as in some containers. */
const findHome = (): string | undefined => {
  try {
    const home = homedir()
    return home === "" ? undefined : home
  } catch {
    return undefined
  }
}

/** The real process unless something else is provided. */
export const ProcessEnvironment = Context.Reference<ProcessEnvironmentShape>(
  "icn-node/programs/cli/ProcessEnvironment",
  {
    defaultValue: () => ({
      variables: process.env,
      homeDirectory: findHome(),
      workingDirectory: process.cwd(),
      platform: process.platform
    })
  }
)
