/**
 * Errors of the operating system as Node throws them: reading code and text out of an unknown value. Leaves out what a
 * code means for an operation; whoever called knows that.
 */

/** The code of a system error, such as `ENOENT`; `UNKNOWN` for anything else that was thrown. */
export const systemErrorCode = (thrown: unknown): string =>
  thrown instanceof Error && "code" in thrown && typeof thrown.code === "string" ? thrown.code : "UNKNOWN"

/** What was thrown, for a person: `EACCES: permission denied, open '/data/identity.key'`. */
export const systemErrorText = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown))
