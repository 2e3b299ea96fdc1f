/**
 * Secrets that stand in files of their own: `x_file` names a file whose one line is the value of the secret key `x`.
 * Here is decided which files to read; what is read becomes a setting of `x` like any other.
 */
import { Result } from "effect"
import { keyAt, type KeyPath, leaves, type Origin } from "./nodeConfig.ts"
import { type ConfigProblem, formatOrigin, problemAt } from "./nodeConfigProblem.ts"
import type { Setting } from "./nodeConfigSources.ts"
import { fit } from "./nodeConfigValue.ts"

const suffix = /_file$/

/** Each key that names a secret's file, with the key that the secret belongs to. */
export const pairs: ReadonlyArray<{ readonly fileKey: KeyPath; readonly secretKey: KeyPath }> = leaves
  .filter(({ key }) => key.role === "secretFile")
  .flatMap(({ path }) =>
    leaves
      .filter((leaf) => leaf.path === path.replace(suffix, ""))
      .map((leaf) => ({ fileKey: path, secretKey: leaf.path }))
  )

/** A file to read. */
export interface SecretFile {
  readonly fileKey: KeyPath
  readonly secretKey: KeyPath
  readonly file: string
  /** Who named the file. */
  readonly origin: Origin
}

/** The files to read for some settings, which are ordered from weakest to strongest. */
export const secretFiles = (
  settings: ReadonlyArray<Setting>
): { readonly files: ReadonlyArray<SecretFile>; readonly problems: ReadonlyArray<ConfigProblem> } => {
  const files: Array<SecretFile> = []
  const problems: Array<ConfigProblem> = []
  for (const { fileKey, secretKey } of pairs) {
    const named = settings.findLast((setting) => setting.path === fileKey)
    const direct = settings.findLast((setting) => setting.path === secretKey)
    if (named === undefined) continue
    const file = readable(named)
    if (direct !== undefined) {
      const problem = `${secretKey} is set as well (${formatOrigin(direct.origin)}); keep one of the two`
      problems.push(problemAt(named.origin, { key: fileKey, problem }))
    } else if (file !== undefined) {
      files.push({ fileKey, secretKey, file, origin: named.origin })
    }
  }
  return { files, problems }
}

/** The file's name, unless it is no valid one; `resolve` says what is wrong with it then. */
const readable = ({ path, raw }: Setting): string | undefined => {
  const key = keyAt(path)
  const plain = fit(key.type, raw)
  return plain === undefined || Result.isFailure(key.decode(plain)) ? undefined : String(plain)
}

/** The secret in a file's text: its one line, without the line break that editors and `echo` add. */
export const secretIn = (text: string): Result.Result<string, string> => {
  const secret = text.replace(/\r?\n$/, "")
  if (secret === "") return Result.fail("the file is empty")
  return /[\r\n]/.test(secret) ? Result.fail("the file holds more than one line") : Result.succeed(secret)
}
