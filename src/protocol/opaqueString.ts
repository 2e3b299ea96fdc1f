/**
 * The OpaqueString profile (RFC 8265 section 4.2) of PRECIS: how servers of RFC 8489 want user names, realms and
 * passwords prepared. Unlike SASLprep it refuses invisible characters instead of dropping them, and keeps compatibility
 * forms. Left out: the rule that lets a joiner follow a virama (RFC 5892 appendix A.1 and A.2); joiners are refused.
 */
import { Result } from "effect"
import type { PreparationError } from "./saslprep.ts"

const nonAsciiSpace = /\p{Zs}/gu

/**
 * What FreeformClass (RFC 8264 section 4.3) does not contain: unassigned, control, private use, surrogates, ignorable
 * code points with the joiners among them, conjoining Hangul Jamo, and the exceptions of RFC 5892 section 2.6.
 */
const disallowed = new RegExp(
  [
    String.raw`\p{Cn}|\p{Cc}|\p{Co}|\p{Cs}|\p{Zl}|\p{Zp}|\p{Default_Ignorable_Code_Point}`,
    String.raw`[\u{1100}-\u{11ff}\u{a960}-\u{a97c}\u{d7b0}-\u{d7c6}\u{d7cb}-\u{d7fb}]`,
    String.raw`[\u{640}\u{7fa}\u{302e}\u{302f}\u{3031}-\u{3035}\u{303b}]`
  ].join("|"),
  "u"
)

/** The contextual rules of RFC 5892 appendix A.3 to A.9, as what they forbid. */
const outOfContext = new RegExp(
  [
    String.raw`(?<!l)\u{b7}|\u{b7}(?!l)`,
    String.raw`\u{375}(?!\p{Script=Greek})`,
    String.raw`(?<!\p{Script=Hebrew})[\u{5f3}\u{5f4}]`,
    String.raw`[\u{660}-\u{669}].*[\u{6f0}-\u{6f9}]|[\u{6f0}-\u{6f9}].*[\u{660}-\u{669}]`
  ].join("|"),
  "su"
)
const katakanaMiddleDot = "\u{30fb}"
const japanese = /[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}]/u

const failure = (reason: PreparationError["reason"]): Result.Result<never, PreparationError> =>
  Result.fail({ _tag: "PreparationError", profile: "OpaqueString", reason })

/** The prepared form of a user name, realm or password, which may not be empty. */
export const opaqueString = (text: string): Result.Result<string, PreparationError> => {
  const prepared = text.replaceAll(nonAsciiSpace, " ").normalize("NFC")
  if (prepared === "") return failure("empty")
  if (disallowed.test(prepared) || outOfContext.test(prepared)) return failure("prohibited")
  return prepared.includes(katakanaMiddleDot) && !japanese.test(prepared)
    ? failure("prohibited")
    : Result.succeed(prepared)
}
